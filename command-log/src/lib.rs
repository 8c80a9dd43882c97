//! Where the log is kept: one trait, one reader rule, and the logs that hold it.
//!
//! A log is one partition of [`Record`]s in one total order. This crate appends, reads, follows and
//! judges records; it gives no meaning to a command, and knows nothing of allocators or projections.
//!
//! ```text
//!            low                                high
//!             │                                   │
//!             ▼                                   ▼
//!   … gone ┃  r  r  E  r  r  D  r  r  D  r  r  r ┃ not yet
//!             ▲        ▲                       ▲
//!         first      acked = durable      last acked
//!        readable    and in order
//! ```
//!
//! - [`Log`]: append a batch, read from an offset, wait for more, ask for the watermarks.
//! - [`Follower`]: reads on and on, and waits at the tail.
//! - [`reader::Reader`]: says which epochs and decisions count. Every consumer uses it.
//! - [`memory::MemoryLog`]: tests and what-if forks. [`embedded::EmbeddedLog`]: RocksDB, the default.
//!   [`kafka::KafkaLog`]: a topic that many processes share.
//! - [`file`] and [`archive`]: stretches of a log in files, and a log that goes on from them.
//! - [`whole_file`]: small files that are replaced, never half written.
//! - [`conformance`]: the suite that every log passes.

pub mod archive;
pub mod conformance;
pub mod embedded;
pub mod error;
pub mod file;
pub mod follower;
pub mod kafka;
mod kept;
pub mod limits;
mod lock;
pub mod memory;
pub mod reader;
pub mod remote;
pub mod rfc3339;
mod tail;
pub mod telemetry;
pub mod trace;
pub mod whole_file;

pub use error::Error;
pub use follower::Follower;
pub use futures_util::future::BoxFuture;
use log_schema::{Offset, Record, TimeMs};

/// One record as a log returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it is.
    pub offset: Offset,
    /// When the log took it, by the wall clock of whoever keeps the log. It travels with the record
    /// and is not part of the truth: nothing may be decided from it.
    pub time: TimeMs,
    /// What was appended.
    pub record: Record,
}

/// What part of a log can be read: `low..high`. An empty log has `low == high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that can be read.
    pub low: Offset,
    /// One past the last acked record.
    pub high: Offset,
}

/// A log of records in one total order.
///
/// Any number of appenders and readers may share one log. Nothing that was acked is ever lost,
/// changed or moved to another offset; a log that cannot keep that promise returns an error and
/// never serves something else instead.
pub trait Log: Send + Sync + 'static {
    /// Appends a batch and returns the offset of each record, in the order of the batch.
    ///
    /// When this resolves the records are durable. They keep their order, and records of one caller
    /// that awaits each append keep theirs across batches; a log may put other callers' records
    /// between two of a batch. A batch that [`limits::check`] refuses is refused whole. An empty
    /// batch appends nothing and returns no offset.
    ///
    /// Dropping the future, or an error that is not a refusal of [`limits::check`], leaves open
    /// whether the records were appended: read on to find out.
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>>;

    /// Reads records in order, beginning with the one at `from`.
    ///
    /// Returns payloads of about `bytes_max` bytes together, but at least one record if there is one,
    /// and none at the tail (`from == high`). An offset below the low watermark is
    /// [`Error::BelowLow`]; one above the high watermark is [`Error::BeyondHigh`].
    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>>;

    /// What can be read now.
    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>>;

    /// Resolves as soon as the high watermark is above `offset`, that is, when the record at `offset`
    /// can be read. Fails when that can no longer happen.
    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>>;
}

/// A log that several own.
impl<L: Log> Log for std::sync::Arc<L> {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        (**self).append(batch)
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        (**self).read(from, bytes_max)
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        (**self).watermarks()
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        (**self).wait_past(offset)
    }
}

/// This machine's wall clock, which is the time of append.
pub fn wall_clock() -> TimeMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    TimeMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Does what may block on a thread that is there for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(_) => Err(Error::Closed),
    }
}
