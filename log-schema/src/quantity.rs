//! Amounts of things, in whole units: milli-CPU, MiB and milli-GPU. No floating point anywhere.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// Not a decimal number, or one with more digits after the point than the unit can hold.
    #[error("{text:?} is not {expected}")]
    NotANumber { text: String, expected: &'static str },
    /// More than the unit can count.
    #[error("{text:?} is more than can be counted")]
    TooLarge { text: String },
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The sum, or `None` past the end of the type.
            #[inline]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, or `None` below zero.
            #[inline]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// Whether nothing is meant.
            #[inline]
            pub fn is_zero(&self) -> bool {
                self.0 == 0
            }
        }
    };
}

quantity! {
    /// Thousandths of a CPU core: `0.5` is 500. Written `4`, `0.5`, `.5` or `500m`.
    MilliCpu
}
quantity! {
    /// Mebibytes (2^20 bytes). Written `512` (MiB), `512Mi`, `8Gi` or `1Ti`.
    MiB
}
quantity! {
    /// Thousandths of a GPU. Written `1`, `0.5` or `500m`.
    MilliGpu
}

/// Reads `4`, `0.25` or `250m` as thousandths, exactly.
fn parse_milli(text: &str) -> Result<u64, Error> {
    const EXPECTED: &str = "a number with at most three decimals, or thousandths such as 500m";
    let wrong = || Error::NotANumber { text: text.into(), expected: EXPECTED };
    if let Some(millis) = text.strip_suffix('m') {
        return digits(millis, text, EXPECTED);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 3 {
        return Err(wrong());
    }
    let scale = 10_u64.pow(3 - u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let thousandths = digits(fraction, text, EXPECTED)? * scale;
    // `.5` is as good as `0.5`; `.` alone has no digits after it and was refused above.
    let whole = if text.starts_with('.') { 0 } else { digits(whole, text, EXPECTED)? };
    whole
        .checked_mul(1000)
        .and_then(|millis| millis.checked_add(thousandths))
        .ok_or_else(|| Error::TooLarge { text: text.into() })
}

/// Reads decimal digits and nothing else; `text` is what errors show.
pub(crate) fn digits(part: &str, text: &str, expected: &'static str) -> Result<u64, Error> {
    if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::NotANumber { text: text.into(), expected });
    }
    part.parse().map_err(|_| Error::TooLarge { text: text.into() })
}

fn write_milli(f: &mut fmt::Formatter<'_>, millis: u64) -> fmt::Result {
    let (whole, rest) = (millis / 1000, millis % 1000);
    if rest == 0 {
        return write!(f, "{whole}");
    }
    let fraction = format!("{rest:03}");
    write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
}

impl FromStr for MilliCpu {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        parse_milli(text).map(Self)
    }
}

impl FromStr for MilliGpu {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        parse_milli(text).map(Self)
    }
}

impl FromStr for MiB {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        const EXPECTED: &str = "a whole number of MiB, or one with Mi, Gi or Ti";
        let (number, factor) = match text {
            t if t.ends_with("Mi") => (&t[..t.len() - 2], 1),
            t if t.ends_with("Gi") => (&t[..t.len() - 2], 1 << 10),
            t if t.ends_with("Ti") => (&t[..t.len() - 2], 1 << 20),
            t => (t, 1),
        };
        digits(number, text, EXPECTED)?
            .checked_mul(factor)
            .map(Self)
            .ok_or_else(|| Error::TooLarge { text: text.into() })
    }
}

impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_milli(f, self.0)
    }
}

impl fmt::Display for MilliGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_milli(f, self.0)
    }
}

impl fmt::Display for MiB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => write!(f, "0"),
            n if n % (1 << 20) == 0 => write!(f, "{}Ti", n >> 20),
            n if n % (1 << 10) == 0 => write!(f, "{}Gi", n >> 10),
            n => write!(f, "{n}Mi"),
        }
    }
}
