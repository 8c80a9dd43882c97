//! Which of a client's traces a record belongs to, as [W3C Trace Context] states it.
//!
//! A trace travels beside the record, never in it: no decision can depend on it.
//!
//! [W3C Trace Context]: https://www.w3.org/TR/trace-context/

use std::{fmt, future::Future, str::FromStr};

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// The value of a `traceparent` header: `00-TRACE-SPAN-FLAGS`, in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent([u8; Self::BYTES]);

impl TraceParent {
    /// How long it is.
    const BYTES: usize = 55;

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and dashes")
    }

    /// Does work whose appends carry this trace.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// The trace of the work that is being done.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }
}

/// A text is not a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a traceparent is 00-TRACE-SPAN-FLAGS, with 32, 16 and 2 lower-case hexadecimal digits, not all of them 0")]
pub struct NotATrace;

impl FromStr for TraceParent {
    type Err = NotATrace;

    /// Reads version 00, the only one there is.
    fn from_str(text: &str) -> Result<Self, NotATrace> {
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, span, flags] = parts[..] else { return Err(NotATrace) };
        let digits = |text: &str, length| text.len() == length && text.bytes().all(is_digit);
        let some = |text: &str| text.bytes().any(|byte| byte != b'0');
        if version != "00" || !digits(trace, 32) || !digits(span, 16) || !digits(flags, 2) {
            return Err(NotATrace);
        }
        if !some(trace) || !some(span) {
            return Err(NotATrace);
        }
        text.as_bytes().try_into().map(Self).map_err(|_| NotATrace)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEGAL: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_is_read_as_it_is_written_and_nothing_else_is() {
        assert_eq!(LEGAL.parse::<TraceParent>().expect("legal").to_string(), LEGAL);
        let bad = [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        ];
        for text in bad {
            assert_eq!(text.parse::<TraceParent>(), Err(NotATrace), "{text}");
        }
    }

    #[tokio::test]
    async fn work_has_the_trace_that_it_is_done_under() {
        let trace: TraceParent = LEGAL.parse().expect("legal");
        assert_eq!(TraceParent::current(), None);
        let seen = trace.clone().during(async { TraceParent::current() }).await;
        assert_eq!(seen, Some(trace));
    }
}
