//! A stretch of a log as one compressed file: to move a log, and to keep what a topic need not keep.
//!
//! ```text
//!   "quipulog" 1 │ an LZ4 frame of MessagePack maps, one after the other:
//!                │   { first, chain }                             where it begins, the chain before it
//!                │   { offset, time, kind, version, payload } …   records, no offset left out
//!                │   { next, chain }                              where it ends, the chain there
//!   "quipuend"
//! ```
//! The chain is that of the log (see [`Chain`]), so a file that was read to its end is known to hold
//! the records that the log held, and two files can be seen to follow each other. The LZ4 frame has
//! checksums of its own. A file without its last bytes was not finished.

mod read;
mod write;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use log_schema::{Chain, Offset, Record, TimeMs};
pub use read::FileReader;
use serde::{Deserialize, Serialize};
pub use write::{FileWriter, write};

use crate::Stored;

/// What a file begins with: a name, and the version of the form.
const MAGIC: &[u8; 9] = b"quipulog\x01";

/// What it ends with.
const END: &[u8; 8] = b"quipuend";

/// A file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The system said no.
    #[error("could not {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    /// What is there is not written over.
    #[error("{} is there already", path.display())]
    Taken { path: PathBuf },
    /// The bytes are not those of a log's file.
    #[error("{} is not a whole file of a log: {why}", path.display())]
    Malformed { path: PathBuf, why: String },
    /// The records are not those that were written.
    #[error("{} holds other records than were written: the chain at its end is {found}, and was {written}", path.display())]
    Altered { path: PathBuf, written: Chain, found: Chain },
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] crate::Error),
}

impl Error {
    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } => Some("name another file, or move that one away"),
            Self::Malformed { .. } | Self::Altered { .. } => Some("take another copy of the file"),
            Self::Log(error) => error.hint(),
            Self::Io { .. } => None,
        }
    }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The offset of its first record.
    pub first: Offset,
    /// One past the offset of its last record.
    pub next: Offset,
    /// The chain before its first record.
    pub before: Chain,
    /// The chain at its last record.
    pub chain: Chain,
}

/// Each map of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Begin { first: Offset, chain: Chain },
    Record(FileRecord),
    End { next: Offset, chain: Chain },
}

#[derive(Debug, Serialize, Deserialize)]
struct FileRecord {
    offset: Offset,
    time: TimeMs,
    kind: u16,
    version: u16,
    payload: Bytes,
}

impl From<Stored> for FileRecord {
    fn from(Stored { offset, time, record: Record { kind, version, payload } }: Stored) -> Self {
        Self { offset, time, kind, version, payload }
    }
}

impl From<FileRecord> for Stored {
    fn from(FileRecord { offset, time, kind, version, payload }: FileRecord) -> Self {
        Self { offset, time, record: Record { kind, version, payload } }
    }
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}
