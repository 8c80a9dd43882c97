//! Scalars: numbers of 64 bits travel as text, because JSON's numbers lose them above 2^53.
//!
//! Input takes text or a whole number; output is always text.

use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};
use command_log::rfc3339;
use log_schema::{EpochNumber, MiB, MilliCpu, MilliGpu, Offset, TimeMs};

macro_rules! text_number {
    ($(#[$doc:meta])* $name:ident, $graphql:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u64);

        $(#[$doc])*
        #[Scalar(name = $graphql)]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                whole_number(&value).map(Self).ok_or_else(|| InputValueError::expected_type(value))
            }

            fn to_value(&self) -> Value {
                Value::String(self.0.to_string())
            }
        }
    };
}

text_number! {
    /// A position in the log, as decimal text. It is also the version of the whole cluster.
    OffsetText, "Offset"
}
text_number! {
    /// A number of bytes, as decimal text.
    BytesText, "Bytes"
}
text_number! {
    /// Thousandths of a CPU core, as decimal text.
    MillicpuText, "Millicpu"
}
text_number! {
    /// Thousandths of a GPU, as decimal text.
    MilligpuText, "Milligpu"
}
text_number! {
    /// A number of milliseconds, as decimal text.
    MillisText, "Millis"
}
text_number! {
    /// Any other whole number of 64 bits, as decimal text.
    CountText, "U64"
}

/// A moment, as RFC 3339 text in UTC with milliseconds. Input takes any offset, and milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeText(pub TimeMs);

/// A moment, as RFC 3339 text in UTC with milliseconds: `2026-07-29T10:15:00.000Z`. Input takes any offset, as in
/// `2026-07-29T12:15:00+02:00`, and milliseconds since 1970.
#[Scalar(name = "Time")]
impl ScalarType for TimeText {
    fn parse(value: Value) -> InputValueResult<Self> {
        let millis = whole_number(&value).or_else(|| match &value {
            Value::String(text) => rfc3339::parse(text),
            _ => None,
        });
        millis.map(|millis| Self(TimeMs(millis))).ok_or_else(|| InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::String(rfc3339::format(self.0.0))
    }
}

impl std::str::FromStr for CountText {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Value::Number(number) => Number::as_u64(number),
        _ => None,
    }
}

impl From<Offset> for OffsetText {
    fn from(offset: Offset) -> Self {
        Self(offset.0)
    }
}

impl From<OffsetText> for Offset {
    fn from(text: OffsetText) -> Self {
        Self(text.0)
    }
}

impl From<TimeMs> for TimeText {
    fn from(time: TimeMs) -> Self {
        Self(time)
    }
}

impl From<MilliCpu> for MillicpuText {
    fn from(cpu: MilliCpu) -> Self {
        Self(cpu.0)
    }
}

impl From<MilliGpu> for MilligpuText {
    fn from(gpu: MilliGpu) -> Self {
        Self(gpu.0)
    }
}

impl From<MiB> for BytesText {
    fn from(mib: MiB) -> Self {
        Self(mib.0.saturating_mul(1 << 20))
    }
}

impl From<EpochNumber> for CountText {
    fn from(epoch: EpochNumber) -> Self {
        Self(epoch.0)
    }
}
