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
    /// The rows are not those that were written.
    #[error("the projections are not whole: {what}")]
    NotWhole { what: String },
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
            Self::NotWhole { .. } => "projection_not_whole",
            Self::Gap { .. } => "projection_gap",
            Self::OutOfOrder { .. } => "projection_out_of_order",
            Self::Contradiction { .. } => "projection_contradiction",
            Self::Stopped => "projection_stopped",
        }
    }

    /// Whether the rows or their files are not what was written. The log has them all: they can be built again.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Storage { source, .. } => is_broken(source),
            Self::Corrupt { .. } | Self::NotWhole { .. } => true,
            Self::Directory { .. }
            | Self::Foreign { .. }
            | Self::Trimmed { .. }
            | Self::TrimmedTime { .. }
            | Self::Ahead { .. }
            | Self::Gap { .. }
            | Self::OutOfOrder { .. }
            | Self::Contradiction { .. }
            | Self::Stopped => false,
        }
    }

    /// Whether the disk has no room left.
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Storage { source, .. } => NO_SPACE.iter().any(|words| source.to_string().contains(words)),
            Self::Directory { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Foreign { .. }
            | Self::Trimmed { .. }
            | Self::TrimmedTime { .. }
            | Self::Ahead { .. }
            | Self::Corrupt { .. }
            | Self::NotWhole { .. }
            | Self::Gap { .. }
            | Self::OutOfOrder { .. }
            | Self::Contradiction { .. }
            | Self::Stopped => false,
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
            | Self::NotWhole { .. }
            | Self::Gap { .. }
            | Self::OutOfOrder { .. }
            | Self::Contradiction { .. }
            | Self::Stopped => false,
        }
    }
}

/// What RocksDB says of files that are not there, too short, or on a part of the disk that cannot be read. Other
/// errors of the disk (a lock, missing rights, no room) say nothing of what the files hold.
const BROKEN_FILES: &[&str] = &["No such file", "Input/output error", "too short", "Is a directory", "Not a directory"];
/// What the system says of a full disk.
const NO_SPACE: &[&str] = &["No space left", "quota exceeded"];

/// Whether the files are not what RocksDB wrote, in contrast to a lock, a full disk or a missing right.
fn is_broken(error: &rocksdb::Error) -> bool {
    use rocksdb::ErrorKind as Kind;
    match error.kind() {
        Kind::Corruption | Kind::InvalidArgument => true,
        Kind::IOError => BROKEN_FILES.iter().any(|words| error.to_string().contains(words)),
        _ => false,
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}
