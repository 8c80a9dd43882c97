//! What a topic need not keep: a directory of sealed files, and a log that reads from it what is gone.
//!
//! ```text
//!   DIR/00000000000000000000-00000000000000100000.qlog   records 0..100000, see `file`
//!   DIR/00000000000000100000-00000000000000200000.qlog   each begins with the chain at the end of the one before
//!
//!                    archive.next
//!   archive  ■■■■■■■■■■■■■■│
//!   log            ░░│□□□□□□□□□□□□□□□□▶      ░ was removed
//!                   low
//! ```
//! A segment is written beside its place, read back, and never changed again. Archive and log must
//! overlap or touch, and hold the same record where they do: see [`ArchivedLog`].

mod archived;
mod segment;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use archived::ArchivedLog;
use log_schema::{Chain, DecisionV1, Kind, Offset, Record, codec};
use segment::{Position, Segment};

use crate::{
    Error, Log, Stored, Watermarks,
    file::{self, FileReader, Summary},
    kept::Kept,
    lock::Lock,
};

/// How many records after an archive are looked through for a decision that states the chain.
const LOOKED_THROUGH_MAX: usize = 100_000;
/// The payload bytes that are read at once.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// A directory of segments that follow each other.
pub struct Archive {
    dir: PathBuf,
    segments: Vec<Segment>,
    positions: Kept<Position>,
    lock: Option<Lock>,
}

impl Archive {
    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens an archive that is to grow, and keeps others from writing there for as long as this lives.
    pub fn open_to_write(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(io("make", dir))?;
        let lock = Lock::take(dir)?;
        Ok(Self { lock: Some(lock), ..Self::open(dir)? })
    }

    /// Opens an archive to read; a directory that is not there is an empty one. Reads the head of every segment, not the rest.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let segments = segment::list(dir)?;
        Ok(Self { dir: dir.to_owned(), segments, positions: Kept::default(), lock: None })
    }

    /// The first offset that it has; `None` if it has none.
    pub fn first(&self) -> Option<Offset> {
        self.segments.first().map(|segment| segment.first)
    }

    /// One past the last offset that it has.
    pub fn next(&self) -> Offset {
        self.segments.last().map_or(Offset(0), |segment| segment.next)
    }

    /// How many segments it has.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Reads every segment to its end, and returns what they hold together. `progress` hears of each next offset.
    pub fn verify(&self, progress: &mut dyn FnMut(Offset)) -> Result<Summary, Error> {
        let first = self.first().unwrap_or(Offset(0));
        let before = self.segments.first().map_or_else(Chain::default, |segment| segment.before);
        let mut whole = Summary { first, next: first, before, chain: before };
        for segment in &self.segments {
            let read = FileReader::verify(&segment.path)?;
            segment::follows(&segment.path, whole.chain, read.before)?;
            whole = Summary { next: read.next, chain: read.chain, ..whole };
            progress(read.next);
        }
        Ok(whole)
    }

    /// Writes the records of a log that come next, up to `end`, as one more segment, and reads it back.
    ///
    /// # Panics
    /// If the archive was opened to read.
    pub async fn seal(&mut self, log: &dyn Log, end: Offset) -> Result<Summary, Error> {
        assert!(self.lock.is_some(), "only one that was opened to write can grow");
        let first = self.next();
        let before = self.chain()?;
        let path = segment::path(&self.dir, first, end);
        let written = file::write(log, (first, before), end, &path, &mut |_| ()).await?;
        self.segments.push(Segment { path, first, next: end, before, after: Some(written.chain) });
        Ok(written)
    }

    /// Refuses a log that this is not an archive of: one that ends before, that begins behind its end, that holds
    /// another record where the archive ends, or whose next decision states another chain than the archive has.
    pub async fn check(&self, log: &dyn Log) -> Result<(), Error> {
        let (next, Watermarks { low, high }) = (self.next(), log.watermarks().await?);
        if next > high {
            return Err(Error::ArchiveAhead { archived: next, high });
        }
        if next < low {
            return Err(Error::BelowLow { from: next, low });
        }
        let Some(last) = next.previous() else { return Ok(()) };
        if last >= low {
            let (archived, logged) = (self.read(last, 0)?, log.read(last, 0).await?);
            let both = archived.first().zip(logged.first());
            if both.is_none_or(|(archived, logged)| archived.record != logged.record) {
                return Err(Error::OtherLog { at: last });
            }
        }
        self.check_chain(log, high).await
    }

    /// Compares the chain with the one that the first decision states which answers the archive's last record, or
    /// a later one. Where there is none yet, whoever reads across finds it out with the next one.
    async fn check_chain(&self, log: &dyn Log, high: Offset) -> Result<(), Error> {
        let (mut at, mut chain) = (self.next(), self.chain()?);
        // The chains at the archive's last record and at those read since.
        let mut chains = BTreeMap::from([(at.previous(), chain)]);
        while at < high && chains.len() < LOOKED_THROUGH_MAX {
            for Stored { offset, record, .. } in log.read(at, READ_BYTES_MAX).await? {
                if let Some(stated) = stated(&record)
                    && let Some(computed) = chains.get(&Some(stated.to))
                {
                    return if stated.chain == *computed { Ok(()) } else { Err(Error::OtherLog { at: stated.to }) };
                }
                chain = chain.link(offset, &record);
                chains.insert(Some(offset), chain);
                at = offset.next();
            }
        }
        Ok(())
    }

    /// The chain at the last record: known of a segment that was sealed here, otherwise read.
    fn chain(&self) -> Result<Chain, Error> {
        match self.segments.last() {
            None => Ok(Chain::default()),
            Some(Segment { after: Some(chain), .. }) => Ok(*chain),
            Some(last) => Ok(FileReader::verify(&last.path)?.chain),
        }
    }

    /// Reads from `from` on, as [`Log::read`](crate::Log::read) does, within one segment. Blocks.
    pub fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        let position = match self.positions.take(from) {
            Some(kept) => Ok(kept),
            None => Position::at(&self.segments, from),
        };
        let mut position = position?;
        let records = position.read(bytes_max)?;
        if let Some(next) = position.next() {
            self.positions.keep(next, position);
        }
        Ok(records)
    }

    /// The same, on a thread that may block.
    async fn read_blocking(self: &Arc<Self>, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        let archive = Arc::clone(self);
        crate::blocking(move || archive.read(from, bytes_max)).await
    }
}

/// What a decision states, if the record is one.
fn stated(record: &Record) -> Option<DecisionV1> {
    let is_decision = record.kind == Kind::Decision.number();
    is_decision.then(|| codec::decode("decision", &record.payload).ok()).flatten()
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("dir", &self.dir).field("next", &self.next()).finish_non_exhaustive()
    }
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}
