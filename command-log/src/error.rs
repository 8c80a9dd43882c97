//! What can go wrong between a caller and a log.
//!
//! No variant stands for "something": each one names what was asked and both sides of the mismatch.

use std::{path::PathBuf, sync::Arc};

use log_schema::Offset;

use crate::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};

/// Appending to, reading from or opening a log failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The record is no longer kept.
    #[error("offset {from} is below the low watermark {low}")]
    BelowLow { from: Offset, low: Offset },
    /// The log does not reach that far.
    #[error("offset {from} is beyond the high watermark {high}")]
    BeyondHigh { from: Offset, high: Offset },
    /// A payload that no log takes. Nothing of its batch was appended.
    #[error("record {index} of the batch, of kind {kind}, has a payload of {bytes} bytes; the most is {bytes_max}")]
    Oversize { index: usize, kind: u16, bytes: usize, bytes_max: usize },
    /// A batch that no log takes. Nothing of it was appended.
    #[error(
        "a batch of {records} records and {bytes} bytes is too large; \
         the most is {BATCH_RECORDS_MAX} records and {BATCH_BYTES_MAX} bytes"
    )]
    BatchTooLarge { records: usize, bytes: usize },
    /// Bytes are not what was written; a person must look.
    #[error("record {at} is corrupt: checksum {found:08x}, expected {expected:08x}")]
    Corrupt { at: Offset, expected: u32, found: u32 },
    /// A stored entry is too short, or not where a record can be; a person must look.
    #[error("the entry at or after offset {at} is not a record: {found}")]
    Malformed { at: Offset, found: &'static str },
    /// A record in the middle of the log is not there; a person must look.
    #[error("record {at} is missing: the next one found is {found}")]
    Missing { at: Offset, found: Offset },
    /// Records that were acked are gone; the log refuses to start without them.
    #[error("records up to offset {acked} (exclusive) were acked, but only those below {found} were found")]
    Lost { acked: Offset, found: Offset },
    /// What was acked cannot be known; the log refuses to guess.
    #[error("the acked-to watermark in {} cannot be trusted: {why}", path.display())]
    WatermarkUnreadable { path: PathBuf, why: &'static str },
    /// Another process, or another part of this one, has the log open.
    #[error("the log in {} is in use by {holder}", path.display())]
    Locked { path: PathBuf, holder: String },
    /// An earlier write failed, so what is on disk is not known until the log is opened again.
    #[error("the log can be used no further: {why}")]
    Poisoned { why: Arc<str> },
    /// The log was closed, or its writer is gone.
    #[error("the log is closed")]
    Closed,
    /// The store beneath the log failed.
    #[error("could not {doing}")]
    Store { doing: &'static str, source: rocksdb::Error },
    /// A file of the store beneath the log has bytes that were never written there; a person must look.
    #[error("the file {} is damaged at byte {at_byte}: no frame of type {kind} can be there", path.display())]
    StoreDamaged { path: PathBuf, at_byte: u64, kind: u8 },
    /// A file or directory of the log could not be used.
    #[error("could not {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    /// The log is elsewhere and cannot be reached now; trying again may help.
    #[error("the log at {place} cannot be reached")]
    Unreachable { place: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The log did not answer in time: the records may be in it, now or later, or not. A command that is
    /// appended again under the same key is answered once, so trying again does no harm.
    #[error("{place} did not say whether the records were appended: {why}")]
    Unacked { place: String, why: String },
    /// The topic is not one that can hold a log: it could lose records, or already has.
    #[error("the topic {topic} cannot hold a log: {setting} is {found}, and must be {wanted}")]
    TopicUnfit { topic: String, setting: &'static str, found: String, wanted: String },
    /// There is no topic for this cell.
    #[error("there is no topic {topic}")]
    TopicMissing { topic: String },
    /// What was configured for the log's clients is not theirs to say, or makes no sense.
    #[error("{name}: {why}")]
    Configuration { name: String, why: String },
    /// The archive is not of this log, or the log was made anew: one of both is the wrong one.
    #[error("the archive and the log hold different records at offset {at}")]
    OtherLog { at: Offset },
    /// The archive goes on where the log has ended: it is of another log, or the log has lost its end.
    #[error("the archive goes on to offset {archived}, and the log ends before {high}")]
    ArchiveAhead { archived: Offset, high: Offset },
    /// Two files of the archive do not follow each other.
    #[error("the archive in {} has a segment that ends before offset {ends}, and the next one begins at {begins}", dir.display())]
    Segments { dir: PathBuf, ends: Offset, begins: Offset },
    /// A file of the archive could not be used.
    #[error("the archive cannot be used")]
    Archive { source: Box<crate::file::Error> },
    /// The log is elsewhere and said no; trying again does not help.
    #[error("the log at {place} refused to {doing}")]
    Rejected { place: String, doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

impl Error {
    /// The name of the error on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BelowLow { .. } => "below_low",
            Self::BeyondHigh { .. } => "beyond_high",
            Self::Oversize { .. } => "oversize",
            Self::BatchTooLarge { .. } => "batch_too_large",
            Self::Corrupt { .. } => "corrupt",
            Self::Malformed { .. } => "malformed",
            Self::Missing { .. } => "missing",
            Self::Lost { .. } => "lost",
            Self::WatermarkUnreadable { .. } => "watermark_unreadable",
            Self::Locked { .. } => "locked",
            Self::Poisoned { .. } => "poisoned",
            Self::Closed => "closed",
            Self::Store { .. } => "store",
            Self::StoreDamaged { .. } => "store_damaged",
            Self::Io { .. } => "io",
            Self::Unreachable { .. } => "unreachable",
            Self::Rejected { .. } => "rejected",
            Self::Unacked { .. } => "unacked",
            Self::TopicUnfit { .. } => "topic_unfit",
            Self::TopicMissing { .. } => "topic_missing",
            Self::Configuration { .. } => "configuration",
            Self::OtherLog { .. } => "other_log",
            Self::ArchiveAhead { .. } => "archive_ahead",
            Self::Segments { .. } => "segments",
            Self::Archive { .. } => "archive",
        }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::BeyondHigh { .. } | Self::Locked { .. } | Self::Unreachable { .. } | Self::Unacked { .. })
    }

    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Corrupt { .. }
            | Self::Malformed { .. }
            | Self::Missing { .. }
            | Self::Lost { .. }
            | Self::StoreDamaged { .. } => Some(
                "keep the directory as it is, check the disk, and restore the log from a copy that reaches further",
            ),
            Self::WatermarkUnreadable { .. } => Some(
                "restore the file from a copy of the same moment; do not delete it, for then nothing says what was acked",
            ),
            Self::Locked { .. } => Some("stop the other process, or use another directory"),
            Self::Poisoned { .. } => Some("find out why, then start again: what was acked is kept"),
            Self::BelowLow { .. } => {
                Some("name the archive that has it (--archive), or start from a snapshot that covers the low watermark")
            }
            Self::OtherLog { .. } | Self::ArchiveAhead { .. } => {
                Some("name the archive of this very cell; nothing was appended, archived or forgotten")
            }
            Self::Segments { .. } => {
                Some("restore the segment that is missing from a copy, or move the shorter of two that overlap away")
            }
            Self::Unreachable { .. } => {
                Some("see that the brokers run, and that --kafka-config has what they ask for: TLS, user, password")
            }
            Self::Rejected { .. } => Some(
                "trying again does not help: see what the brokers allow, and what was asked of them, \
                 as with --replication",
            ),
            Self::Archive { .. } => Some("restore the file from a copy; an archive is whole or it is not used"),
            Self::Unacked { .. } => Some("try again with the same key: what was appended already is not done twice"),
            Self::TopicUnfit { .. } => {
                Some("mend the topic's settings with kafka-configs, or use another cell; nothing was appended")
            }
            Self::TopicMissing { .. } => Some("check the cell's name, or start an allocator, which makes the topic"),
            Self::BeyondHigh { .. }
            | Self::Configuration { .. }
            | Self::Oversize { .. }
            | Self::BatchTooLarge { .. }
            | Self::Closed
            | Self::Store { .. }
            | Self::Io { .. } => None,
        }
    }
}

impl From<crate::file::Error> for Error {
    fn from(error: crate::file::Error) -> Self {
        match error {
            crate::file::Error::Log(error) => error,
            error => Self::Archive { source: Box::new(error) },
        }
    }
}

/// An error and what is behind it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
