//! The log as one partition of a Kafka topic: many processes append to it, each reads all of it.
//!
//! ```text
//!   append ─▶ Writer: one ordered, idempotent producer, acks=all ─▶ quipu.CELL.log, partition 0
//!                                                                      │              │
//!   wait_past, read ◀── Tail: the newest records in memory ◀── Tailer ─┘              │
//!   read further back ◀── a cold reader at the place where it stopped ────────────────┘
//! ```
//!
//! The tail is followed from the first time that somebody reads: whoever only appends pays for no reading.
//!
//! The offset is Kafka's. Readers are assigned the partition at an explicit offset: no group, no
//! committed offset, and an error instead of a jump where an offset is gone. What Kafka acks is on
//! as many brokers as are in sync (`min.insync.replicas` of them at least), in their memory: Kafka does not
//! wait for the disk. With three brokers a record is lost if all that have it lose power at once.
//!
//! Kind and version travel as headers, for the value is the payload alone: see [`message`].

mod client;
mod cold;
mod config;
mod message;
mod tailer;
mod telemetry;
mod topic;
mod writer;

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use config::{Config, SCHEME};
use log_schema::{Offset, Record};
pub use telemetry::KafkaTelemetry;

use crate::{BoxFuture, Error, Log, Stored, Watermarks, limits, tail::Tail};
use client::Client;
use cold::ColdReaders;
use tailer::Tailer;
use writer::Writer;

/// The payload bytes of the newest records that stay in memory for readers at the tail.
const TAIL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a read waits for what the brokers have and this process has not seen yet.
const BEHIND_MAX: Duration = Duration::from_secs(30);

/// A log in a Kafka topic. Any number of processes may have it open.
///
/// Dropping it waits a few seconds for what was queued.
pub struct KafkaLog {
    config: Config,
    client: Arc<Client>,
    writer: Writer,
    followed: Mutex<Option<Followed>>,
    cold: Arc<ColdReaders>,
    /// One past the highest offset that was ever heard of: the tail comes after.
    heard: AtomicU64,
    /// The lowest offset that was there when it was last asked for: what is below will not come back.
    low: AtomicU64,
}

/// The tail, and the thread that moves it on.
struct Followed {
    tail: Arc<Tail>,
    _tailer: Tailer,
}

impl KafkaLog {
    /// Opens the log of a cell; where the configuration says so, makes the topic if there is none.
    ///
    /// Refuses a topic that could lose records: see [`Error::TopicUnfit`].
    pub async fn open(config: &Config) -> Result<Self, Error> {
        let topic = config.log_topic();
        topic::prepare(config, &topic::log(config)).await?;
        let client = Arc::new(Client::new(config, &topic)?);
        let marks = watermarks_of(&client).await?;
        Ok(Self {
            config: config.clone(),
            writer: Writer::start(config, &topic)?,
            followed: Mutex::default(),
            cold: Arc::new(ColdReaders::new(config, &topic)),
            client,
            heard: AtomicU64::new(marks.high.0),
            low: AtomicU64::new(marks.low.0),
        })
    }

    /// Lets the brokers forget what is below an offset, which an archive has to have: it cannot be undone.
    /// Returns the low watermark after that.
    pub async fn forget(&self, below: Offset) -> Result<Offset, Error> {
        let low = topic::forget(&self.config, below).await?;
        self.low.fetch_max(low.0, Ordering::AcqRel);
        Ok(low)
    }

    fn hear(&self, high: Offset) -> Offset {
        Offset(self.heard.fetch_max(high.0, Ordering::AcqRel).max(high.0))
    }

    /// The tail, which is followed from now on if it was not before.
    fn tail(&self) -> Result<Arc<Tail>, Error> {
        let mut followed = self.followed.lock().expect("no holder of the lock panics");
        if let Some(Followed { tail, .. }) = &*followed {
            return Ok(Arc::clone(tail));
        }
        let from = Offset(self.heard.load(Ordering::Acquire));
        let tail = Arc::new(Tail::new(from, TAIL_BYTES_MAX));
        let tailer = Tailer::start(&self.config, Arc::clone(&self.client), from, &tail)?;
        *followed = Some(Followed { tail: Arc::clone(&tail), _tailer: tailer });
        Ok(tail)
    }

    async fn append_all(&self, batch: Vec<Record>) -> Result<Vec<Offset>, Error> {
        limits::check(&batch)?;
        let offsets = self.writer.append(batch).await?;
        if let Some(last) = offsets.last() {
            self.hear(last.next());
        }
        Ok(offsets)
    }

    async fn read_at(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        let tail = self.tail()?;
        let mut high = self.hear(tail.high());
        let low = Offset(self.low.load(Ordering::Acquire));
        if from < low {
            return Err(Error::BelowLow { from, low });
        }
        if from > high {
            let marks = self.marks().await?;
            marks.admit(from)?;
            high = marks.high;
        }
        if from == high {
            return Ok(Vec::new());
        }
        if from >= tail.high() {
            self.catch_up(&tail, from).await?;
        }
        match tail.read(from, bytes_max) {
            Some(recent) => Ok(recent),
            None => self.read_cold(from, high, bytes_max).await,
        }
    }

    /// Reads what is no longer in memory. Where the brokers have it no longer either, that is what it says.
    async fn read_cold(&self, from: Offset, high: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        let read = Arc::clone(&self.cold).read(from, high, bytes_max).await;
        if matches!(read, Err(Error::Rejected { .. })) {
            self.marks().await?.admit(from)?;
        }
        read
    }

    /// Waits until the tail holds the record at `from`, which the brokers have.
    async fn catch_up(&self, tail: &Tail, from: Offset) -> Result<(), Error> {
        let arrived = tokio::time::timeout(BEHIND_MAX, tail.wait_past(from)).await;
        arrived.unwrap_or_else(|_| {
            let why = format!("record {from} has not come within {} s", BEHIND_MAX.as_secs());
            Err(self.client.unreachable(why))
        })
    }

    async fn marks(&self) -> Result<Watermarks, Error> {
        let Watermarks { low, high } = watermarks_of(&self.client).await?;
        self.low.fetch_max(low.0, Ordering::AcqRel);
        Ok(Watermarks { low, high: self.hear(high) })
    }
}

async fn watermarks_of(client: &Arc<Client>) -> Result<Watermarks, Error> {
    let client = Arc::clone(client);
    crate::blocking(move || client.watermarks()).await
}

impl Log for KafkaLog {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        Box::pin(self.append_all(batch))
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        Box::pin(self.read_at(from, bytes_max))
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        Box::pin(self.marks())
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.tail()?.wait_past(offset).await })
    }
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog").field("heard", &self.heard).finish_non_exhaustive()
    }
}
