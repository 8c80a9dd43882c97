//! Times as people and clients write them: RFC 3339, to and from milliseconds since 1970.

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};

/// Reads a time such as `2026-03-01T12:00:00.250+01:00`; what is finer than a millisecond is cut off. None: it is no
/// time, or one before 1970.
pub fn parse(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// Writes a time in UTC with milliseconds, such as `2026-03-01T11:00:00.250Z`. Times after the year 9999 have no
/// such form, and are written as its end.
pub fn format(millis: u64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    let text = time.and_then(|time| time.to_offset(UtcOffset::UTC).format(&form).ok());
    text.unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_known_dates() {
        let known = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_785_320_100_042, "2026-07-29T10:15:00.042Z"),
        ];
        for (millis, text) in known {
            assert_eq!(format(millis), text);
            assert_eq!(parse(text), Some(millis));
        }
        assert_eq!(parse(&format(u64::MAX)), Some(253_402_300_799_999));
    }

    #[test]
    fn every_offset_is_read() {
        let noon = parse("2026-03-01T12:00:00Z");
        for text in [
            "2026-03-01T12:00:00+00:00",
            "2026-03-01T12:00:00-00:00",
            "2026-03-01T13:00:00+01:00",
            "2026-03-01T17:45:00.000999+05:45",
            "2026-02-28T22:00:00-14:00",
            "2026-03-01t12:00:00z",
        ] {
            assert_eq!(parse(text), noon, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_time_is_not_read() {
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-07-29",
            "2026-07-29T10:15:00",
            "2026-07-29T24:00:00Z",
            "2026-07-29T10:15:00+25:00",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00+00:01",
            "tomorrow",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
