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
        rfc3339_ms(text).map(|ms| Self::Time(TimeMs(ms))).ok_or_else(wrong)
    }
}

/// Milliseconds since 1970 of an RFC 3339 time, such as `2026-03-01T12:00:00.250+01:00`.
fn rfc3339_ms(text: &str) -> Option<u64> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, east_minutes) = split_zone(clock)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let in_range = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute - east_minutes) * 60 + second;
    u64::try_from(seconds * 1000 + millis(fraction)?).ok()
}

/// Splits off `Z` or `+01:00` and returns its minutes east of Greenwich.
fn split_zone(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = clock.rfind(['+', '-'])?;
    let (clock, zone) = clock.split_at(at);
    let [hours, minutes] = numbers(&zone[1..], ':', [2, 2])?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    (hours < 24 && minutes < 60).then_some((clock, sign * (hours * 60 + minutes)))
}

/// Exactly `N` numbers of the given widths.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let parts: [&str; N] = parts.try_into().ok()?;
    let mut found = [0; N];
    for (index, part) in parts.into_iter().enumerate() {
        let legal = part.len() == widths[index] && part.bytes().all(|byte| byte.is_ascii_digit());
        found[index] = part.parse().ok().filter(|_| legal)?;
    }
    Some(found)
}

fn millis(fraction: &str) -> Option<i64> {
    let legal = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let three: String = fraction.chars().chain("00".chars()).take(3).collect();
    three.parse().ok().filter(|_| legal)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, in the proleptic Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
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
