//! Durations as people write and read them: `250ms`, `90s`, `3m12s`. No floating point.

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const EXPECTED: &str = "expected a duration such as 250ms, 90s, 3m12s or 2h";

/// Reads a duration as milliseconds: numbers with units, the largest unit first.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let (mut rest, mut total, mut below) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(EXPECTED)?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let factor = factor.filter(|factor| *factor < below).ok_or(EXPECTED)?;
        let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        total = millis.and_then(|millis| total.checked_add(millis)).ok_or(EXPECTED)?;
        (rest, below) = (tail, factor);
    }
    if text.is_empty() { Err(EXPECTED.into()) } else { Ok(total) }
}

/// Writes a duration with its two largest units: `3m12s`, `2d4h`, `0s`.
pub(crate) fn format(millis: u64) -> String {
    if millis < 1000 {
        return if millis == 0 { "0s".into() } else { format!("{millis}ms") };
    }
    let Some(first) = UNITS.iter().position(|(_, factor)| millis >= *factor) else { return "0s".into() };
    let (name, factor) = UNITS[first];
    let mut text = format!("{}{name}", millis / factor);
    if let Some((next, smaller)) = UNITS.get(first + 1).filter(|(name, _)| *name != "ms") {
        let left = millis % factor / smaller;
        if left > 0 {
            text.push_str(&format!("{left}{next}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_units_in_falling_order() {
        let known = [("250ms", 250), ("90s", 90_000), ("3m12s", 192_000), ("2h", 7_200_000), ("1d1ms", 86_400_001)];
        for (text, millis) in known {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
        for text in ["", "5", "s", "5 s", "1s1m", "1s1s", "-5s", "1.5s", "99999999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_with_their_two_largest_units() {
        let known = [
            (0, "0s"),
            (999, "999ms"),
            (12_345, "12s"),
            (192_000, "3m12s"),
            (180_000, "3m"),
            (7_260_000, "2h1m"),
            (187_200_000, "2d4h"),
        ];
        for (millis, text) in known {
            assert_eq!(format(millis), text);
        }
    }
}
