//! Positions in the log and the numbers that order it: offsets, epochs and log time.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The position of a record in its log, from 0. It is also the version of the whole cluster.
    Offset
}
number! {
    /// The number of an allocator's reign, from 1. 0 means that nobody has led yet.
    EpochNumber
}
number! {
    /// Log time: milliseconds since 1970-01-01T00:00:00Z, as stated by the leader's ticks.
    TimeMs
}

impl Offset {
    /// The offset after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The offset before this one, if there is one.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl EpochNumber {
    /// The epoch that may follow this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl TimeMs {
    /// This time plus a delay, stopping at the end of time rather than wrapping.
    #[must_use]
    pub fn after(self, delay_ms: u64) -> Self {
        Self(self.0.saturating_add(delay_ms))
    }
}
