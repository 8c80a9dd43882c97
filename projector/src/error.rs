//! What can go wrong while folding and reading.

use std::{io, path::PathBuf};

use log_schema::{Offset, TimeMs, codec};

/// Folding, opening or reading a projection failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The database said no.
    #[error("could not {doing}")]
    Storage { doing: &'static str, source: rocksdb::Error },
    /// The file system said no.
    #[error("could not use the directory {}", dir.display())]
    Directory { dir: PathBuf, source: io::Error },
    /// The directory holds something that is not a projection. Nothing in it is touched.
    #[error("{} is not empty and holds no projection", dir.display())]
    Foreign { dir: PathBuf },
    /// What is asked for was trimmed away.
    #[error("offset {asked} is below the horizon {horizon} of this projection")]
    Trimmed { asked: Offset, horizon: Offset },
    /// The time that is asked for lies before what is kept.
    #[error("time {asked} is before the horizon {horizon} of this projection")]
    TrimmedTime { asked: TimeMs, horizon: Offset },
    /// What is asked for is not folded yet.
    #[error("offset {asked} is not folded yet; the newest is {newest}")]
    Ahead { asked: Offset, newest: Offset },
    /// A row is not what this program writes.
    #[error("a row of {view} cannot be read")]
    Corrupt { view: &'static str, source: codec::Error },
    /// A decision does not follow the one before.
    #[error("the decision at offset {at} answers from {from}, and {expected} was next")]
    Gap { at: Offset, from: Offset, expected: Offset },
    /// A decision record is not behind the one before.
    #[error("the decision at offset {at} was given after the one at {last}")]
    OutOfOrder { at: Offset, last: Offset },
    /// An event contradicts the rows: the history is not one that an allocator wrote, or this
    /// projection is wrong. Nothing of the batch is kept.
    #[error("{event} in the decision at offset {at} contradicts what went before")]
    Contradiction { at: Offset, event: &'static str, source: Contradiction },
    /// The projector is gone, so nothing newer will come.
    #[error("the projector stopped")]
    Stopped,
}

/// How an event and the rows disagree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Contradiction {
    /// It is about something that was never there.
    #[error("there is no {id} in {view}")]
    Missing { view: &'static str, id: String },
    /// An amount would fall below zero or pass the end of its type.
    #[error("{what} cannot be counted: {amounts}")]
    Amount { what: &'static str, amounts: String },
    /// It is about a start of a task that is not the current one.
    #[error("task {task} is at incarnation {current}, the event is about {found}")]
    Incarnation { task: String, current: u64, found: u64 },
}

impl Error {
    /// A stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Storage { .. } => "projection_storage",
            Self::Directory { .. } => "projection_directory",
            Self::Foreign { .. } => "projection_foreign",
            Self::Trimmed { .. } | Self::TrimmedTime { .. } => "projection_trimmed",
            Self::Ahead { .. } => "projection_ahead",
            Self::Corrupt { .. } => "projection_corrupt",
            Self::Gap { .. } => "projection_gap",
            Self::OutOfOrder { .. } => "projection_out_of_order",
            Self::Contradiction { .. } => "projection_contradiction",
            Self::Stopped => "projection_stopped",
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        use rocksdb::ErrorKind as Kind;
        match self {
            Self::Ahead { .. } => true,
            Self::Storage { source, .. } => matches!(source.kind(), Kind::Busy | Kind::TimedOut | Kind::TryAgain),
            Self::Directory { .. }
            | Self::Foreign { .. }
            | Self::Trimmed { .. }
            | Self::TrimmedTime { .. }
            | Self::Corrupt { .. }
            | Self::Gap { .. }
            | Self::OutOfOrder { .. }
            | Self::Contradiction { .. }
            | Self::Stopped => false,
        }
    }
}
