//! Dates of the Gregorian calendar in UTC, to and from milliseconds since 1970.

const DAY_MS: u64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01; years that begin in March end with the leap day.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: u64 = 146_097;

/// `2026-07-29T10:15:00.000Z`.
pub(crate) fn format(millis: u64) -> String {
    let (year, month, day) = date(millis / DAY_MS);
    let in_day = millis % DAY_MS;
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads `2026-07-29T10:15:00Z`, with or without a fraction; only `Z` is taken as zone.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(clock, ':')?;
    let in_range =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    if !in_range || day == 0 || day > month_days(year, month) {
        return None;
    }
    let in_day = ((hour * 60 + minute) * 60 + second) * 1000 + millis(fraction)?;
    Some(days(year, month, day) * DAY_MS + in_day)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Vec<u64> = text.split(separator).map(digits).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The first three digits after the point.
fn millis(fraction: &str) -> Option<u64> {
    digits(fraction).filter(|_| !fraction.is_empty() && fraction.len() <= 9)?;
    let three: String = fraction.chars().chain("00".chars()).take(3).collect();
    three.parse().ok()
}

/// Year, month and day of a number of days since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Days since 1970 of a date.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * ERA_DAYS + day_of_era - DAYS_BEFORE_1970
}

fn month_days(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
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
    }

    #[test]
    fn every_day_of_eight_centuries_is_read_back() {
        for day in 0..292_194_u64 {
            assert_eq!(parse(&format(day * DAY_MS)), Some(day * DAY_MS));
        }
    }

    #[test]
    fn text_that_is_no_date_is_not_read() {
        for text in ["", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-07-29", "2026-07-29T10:15:00+02:00"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
