//! The embedded log: one directory, one RocksDB, one writer. The default; no broker needed.
//!
//! Appends are queued, drained into one group, written as one `WriteBatch` with one synced write of
//! RocksDB's write-ahead log (WAL), and acked when that and the watermark are durable.
//!
//! ## Why a second file
//! RocksDB recovers from a crash by replaying its WAL up to the first record that does not check out
//! and drops the rest without a word. That is right for a write that was torn by the crash, and wrong
//! for one that was acked: from the WAL alone the two look the same. So the file `acked` says up to
//! which offset records were acked, in two checksummed slots that are written in turn.
//!
//! A bare number would have to be written after the WAL's sync and before the ack. Written together with
//! the WAL, a crash between the two could leave it above the WAL, and start-up would refuse though
//! nobody had been told of the missing records. That makes two syncs, one after the other. But if the
//! slot carries the group itself, it can be written and synced **at the same time** as the WAL: whichever
//! of the two a crash leaves whole, the group is there, and if it leaves neither, nobody was told.
//!
//! ```text
//!             ┌▶ WAL: group g ───────── fdatasync ─┐
//!  queue ▶ group g                                  ├─▶ ack, wake followers ─▶ group g+1 …
//!             └▶ slot: below g acked, g ─ fdatasync ─┘
//!
//!  after a crash        WAL ends before g      WAL ends with g-1     WAL holds g
//!  newest slot is g     acked is lost: refuse  add g from the slot   serve g
//!  newest slot is g-1   the same for g-1       serve g-1             serve g
//! ```
//! Damage to one of the two files is thus always seen, and damage to the last group is repaired. A group
//! that does not fit its slot (64 KiB) is not written twice: its slot holds the bare number, after
//! the WAL's sync, and the second sync is small beside the first. Slots overwrite blocks that the file
//! already has, so syncing them commits no journal of the file system, as appending does.
//!
//! ## What start-up checks, before it changes anything
//! The store is opened read-only first, so a refusal leaves the directory as it found it.
//! 1. No log of RocksDB's own has a frame on which RocksDB would stay for ever.
//! 2. The ranges of all sorted files join without a gap from offset 0.
//! 3. Every record after them, that is, all that the WAL holds, is there and has a good checksum; so has
//!    the last record of the log.
//! 4. The end of the log is not below the watermark.
//!
//! Then the store is opened for writing, which makes what the WAL held durable; the last group is added if
//! only its slot survived; and the watermark is raised to the end before anything is served. Damage inside a sorted file is found when the record
//! is read, or by [`EmbeddedLog::verify`]: each record has a checksum over its offset and all its
//! bytes, and a reader gets the record or an error, never something else.
//!
//! ## Other choices
//! A write that fails poisons the log: what is on disk is then unknown, and only opening it again
//! tells. The newest records stay in memory, so readers at the tail do not reach RocksDB; other reads
//! go through `spawn_blocking`, because a cold read waits for the disk and would stop every
//! other task of its thread.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use log_schema::{Offset, Record};
use tokio::sync::{mpsc, oneshot};

mod acked;
mod entry;
mod frames;
mod frozen;
mod recovery;
mod scribe;
mod store;
mod writer;

pub use frozen::FrozenLog;
use recovery::Recovered;
use scribe::Scribe;
use store::Store;
use writer::{Request, Writer};

use crate::{BoxFuture, Error, Log, Stored, Watermarks, blocking, limits, tail::Tail};

/// What an operator may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// The payload bytes of the newest records that stay in memory for readers at the tail.
    pub tail_bytes_max: usize,
    /// How many appends may wait for the writer; the next one waits to be queued.
    pub queue_max: usize,
    /// The bytes of records that RocksDB gathers in memory, and in one WAL, before it sorts them into
    /// a file. Start-up reads this much again.
    pub write_buffer_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { tail_bytes_max: 32 * 1024 * 1024, queue_max: 1024, write_buffer_bytes: 64 * 1024 * 1024 }
    }
}

/// What [`EmbeddedLog::verify`] has read and found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
}

/// A log in a directory of this machine.
///
/// Dropping it waits until what was queued is written. The directory is free for the next one when
/// the last read that is under way has ended.
pub struct EmbeddedLog {
    store: Arc<Store>,
    tail: Arc<Tail>,
    /// The first record that is kept.
    low: Arc<AtomicU64>,
    queue: Option<mpsc::Sender<Request>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedLog {
    /// Opens the log in the directory `path`, or begins one there if there is nothing yet.
    ///
    /// Blocks while it reads what was written last. Refuses if another process has the log open, and
    /// if anything that was acked is not there any more.
    #[allow(clippy::needless_pass_by_value, reason = "options are made for one log")]
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        Self::start(path.as_ref(), recovery::recover(path.as_ref(), &options)?, &options)
    }

    fn start(path: &Path, recovered: Recovered, options: &Options) -> Result<Self, Error> {
        let Recovered { store, acked, low, high } = recovered;
        let low = Arc::new(AtomicU64::new(low.0));
        let store = Arc::new(store);
        let tail = Arc::new(Tail::new(high, options.tail_bytes_max));
        let (queue, requests) = mpsc::channel(options.queue_max.max(1));
        let (scribe, shared) = (Scribe::start(acked)?, (Arc::clone(&store), Arc::clone(&tail), Arc::clone(&low)));
        let writer = Writer::new(requests, shared.0, scribe, shared.1, shared.2);
        let thread = std::thread::Builder::new()
            .name("command-log".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| Error::Io { doing: "start the writer of", path: path.to_owned(), source })?;
        Ok(Self { store, tail, low, queue: Some(queue), writer: Mutex::new(Some(thread)) })
    }

    /// Checks the records from `from` on, of about `bytes_max` bytes, as they are on the disk. Returns where the next
    /// look begins and how many bytes were read; at the end of the log that is `from` itself.
    ///
    /// A look at a time, so that whoever checks a whole log can wait between two: the disk is others' too.
    pub async fn check(&self, from: Offset, bytes_max: usize) -> Result<(Offset, u64), Error> {
        let (store, Watermarks { low, high }) = (Arc::clone(&self.store), self.marks());
        match blocking(move || store.check_some(from.max(low), high, bytes_max)).await {
            // Forgotten meanwhile, which is no damage: the next look begins behind it.
            Err(Error::Missing { .. }) if self.marks().low > from.max(low) => Ok((self.marks().low, 0)),
            checked => checked,
        }
    }

    /// Forgets all records below an offset, for good. What is on the disk of them is given back as far as whole files
    /// have nothing else.
    pub async fn forget(&self, below: Offset) -> Result<(), Error> {
        let Watermarks { low, high } = self.marks();
        if below <= low {
            return Ok(());
        }
        if below > high {
            return Err(Error::BeyondHigh { from: below, high });
        }
        self.low.store(below.0, Ordering::Release);
        // Into both slots, before any record goes: whichever is read later knows that they may be gone.
        self.write(Vec::new()).await?;
        self.write(Vec::new()).await?;
        let store = Arc::clone(&self.store);
        blocking(move || store.drop_below(below)).await
    }

    /// Reads the whole log and checks every record. Returns the first thing that is wrong.
    pub async fn verify(&self) -> Result<Verified, Error> {
        let (store, Watermarks { low, high }) = (Arc::clone(&self.store), self.marks());
        blocking(move || store.verify(low, high)).await
    }

    async fn enqueue(&self, batch: Vec<Record>) -> Result<Vec<Offset>, Error> {
        limits::check(&batch)?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.write(batch).await
    }

    async fn write(&self, batch: Vec<Record>) -> Result<Vec<Offset>, Error> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Error::Closed)?;
        queue.send(Request { batch, reply }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn read_at(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        let marks = self.marks();
        marks.admit(from)?;
        if let Some(recent) = self.tail.read(from, bytes_max) {
            return Ok(recent);
        }
        let store = Arc::clone(&self.store);
        match blocking(move || store.read(from, marks.high, bytes_max)).await {
            // Forgotten between the two looks at the mark, which is no damage.
            Err(Error::Missing { .. }) if from < self.marks().low => {
                Err(Error::BelowLow { from, low: self.marks().low })
            }
            read => read,
        }
    }

    fn marks(&self) -> Watermarks {
        Watermarks { low: Offset(self.low.load(Ordering::Acquire)), high: self.tail.high() }
    }
}

impl Log for EmbeddedLog {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        Box::pin(self.enqueue(batch))
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        Box::pin(self.read_at(from, bytes_max))
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        Box::pin(async move { Ok(self.marks()) })
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.tail.wait_past(offset))
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.writer.lock().expect("no holder of the lock panics").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer of the log panicked");
        }
    }
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLog").field("high", &self.tail.high()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use log_schema::Kind;

    use super::*;

    /// A log whose watermark cannot be written any more.
    fn failing(dir: &Path) -> EmbeddedLog {
        let options = Options::default();
        let recovered = recovery::recover(dir, &options).expect("a new log");
        EmbeddedLog::start(dir, Recovered { acked: recovered.acked.read_only(), ..recovered }, &options)
            .expect("started")
    }

    #[tokio::test]
    async fn a_failed_write_poisons_the_log_and_the_next_start_tells_what_was_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = failing(dir.path());
        let record = || vec![Record::v1(Kind::Tick, vec![1])];
        let waiting = log.wait_past(Offset(0));
        for _ in 0..2 {
            let error = log.append(record()).await.expect_err("cannot be acked");
            assert_eq!((error.code(), error.is_transient()), ("poisoned", false));
            assert!(error.to_string().contains("could not write"), "{error}");
        }
        assert_eq!(waiting.await.expect_err("will never come").code(), "poisoned");
        assert_eq!(log.watermarks().await.expect("known").high, Offset(0));
        assert_eq!(log.read(Offset(0), 100).await.expect("the end"), []);
        drop(log);
        let again = EmbeddedLog::open(dir.path(), Options::default()).expect("opens");
        assert_eq!(again.verify().await.expect("good").records, 1);
    }
}
