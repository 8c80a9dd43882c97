//! A place in a log, as people name it: an offset, or a time.

use std::str::FromStr;

use log_schema::{Offset, TimeMs};

/// A number with this many digits or more is a time: milliseconds since 1970.
const TIME_DIGITS_MIN: usize = 12;

/// Where in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the record at this offset.
    Offset(Offset),
    /// Before the first record that was appended at or after this time.
    Time(TimeMs),
}

/// Text names no place in a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an offset nor a time: write 1200, 1760000000000 (milliseconds) or 2026-03-01T12:00:00Z")]
pub struct Error {
    /// What was given.
    pub text: String,
}

impl FromStr for Moment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error { text: text.into() };
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().map_err(|_| wrong())?;
            let is_time = text.len() >= TIME_DIGITS_MIN;
            return Ok(if is_time { Self::Time(TimeMs(number)) } else { Self::Offset(Offset(number)) });
        }
        command_log::rfc3339::parse(text).map(|ms| Self::Time(TimeMs(ms))).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<u64> {
        match text.parse() {
            Ok(Moment::Time(TimeMs(ms))) => Some(ms),
            Ok(Moment::Offset(_)) | Err(_) => None,
        }
    }

    #[test]
    fn a_short_number_is_an_offset_and_a_long_one_a_time() {
        assert_eq!("1200".parse(), Ok(Moment::Offset(Offset(1200))));
        assert_eq!("1760000000000".parse(), Ok(Moment::Time(TimeMs(1_760_000_000_000))));
    }

    #[test]
    fn times_of_rfc_3339_are_read_to_the_millisecond() {
        assert_eq!(time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(time("2000-03-01T00:00:00Z"), Some(951_868_800_000));
        assert_eq!(time("2026-03-01T12:00:00.25+01:00"), time("2026-03-01T11:00:00.250Z"));
        assert_eq!(time("2024-02-29t23:59:59.9999Z"), Some(1_709_251_199_999));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in
            ["", "-1", "2026-03-01", "2026-02-30T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T12:00:00", "1.5"]
        {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
