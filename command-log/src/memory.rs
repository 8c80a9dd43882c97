//! A log in memory: for tests and for what-if forks of a real one. It keeps nothing when dropped.

use std::sync::Mutex;

use log_schema::{Offset, Record, TimeMs};
use tokio::sync::watch;

use crate::{BoxFuture, Error, Log, Stored, Watermarks, limits, wall_clock};

/// Records in memory, in order.
#[derive(Debug)]
pub struct MemoryLog {
    low: Offset,
    records: Mutex<Vec<Stored>>,
    high: watch::Sender<Offset>,
}

impl MemoryLog {
    /// An empty log that begins at offset 0.
    pub fn new() -> Self {
        Self::starting_at(Offset(0))
    }

    /// An empty log whose first record will have the offset `low`: what is below was trimmed.
    pub fn starting_at(low: Offset) -> Self {
        Self { low, records: Mutex::default(), high: watch::Sender::new(low) }
    }

    /// A log that holds these records, at their offsets and with their times of append: a fork.
    ///
    /// # Panics
    /// If the offsets do not follow each other.
    pub fn from_records(records: Vec<Stored>) -> Self {
        let low = records.first().map_or(Offset(0), |first| first.offset);
        let mut high = low;
        for stored in &records {
            assert_eq!(stored.offset, high, "a fork has no holes");
            high = high.next();
        }
        Self { low, records: Mutex::new(records), high: watch::Sender::new(high) }
    }

    /// Appends a batch with a stated time of append, so that a simulation needs no clock.
    pub fn append_at(&self, time: TimeMs, batch: Vec<Record>) -> Result<Vec<Offset>, Error> {
        limits::check(&batch)?;
        let mut records = self.records.lock().expect("no holder of the lock panics");
        let first = self.low.0 + records.len() as u64;
        let offsets: Vec<_> = (first..).take(batch.len()).map(Offset).collect();
        let stored = batch.into_iter().zip(&offsets).map(|(record, &offset)| Stored { offset, time, record });
        records.extend(stored);
        self.high.send_replace(Offset(first + offsets.len() as u64));
        Ok(offsets)
    }

    fn marks(&self) -> Watermarks {
        Watermarks { low: self.low, high: *self.high.borrow() }
    }

    fn read_now(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        self.marks().admit(from)?;
        let records = self.records.lock().expect("no holder of the lock panics");
        let skipped = usize::try_from(from.0 - self.low.0).expect("what is in memory can be counted");
        Ok(take_bytes(&records[skipped..], bytes_max))
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Log for MemoryLog {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        Box::pin(async move { self.append_at(wall_clock(), batch) })
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        Box::pin(async move { self.read_now(from, bytes_max) })
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        Box::pin(async move { Ok(self.marks()) })
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let mut high = self.high.subscribe();
            high.wait_for(|&high| high > offset).await.map(|_| ()).map_err(|_| Error::Closed)
        })
    }
}

/// Clones records from the front until their payloads reach `bytes_max`; at least one.
fn take_bytes(records: &[Stored], bytes_max: usize) -> Vec<Stored> {
    let mut budget = limits::Budget::new(bytes_max);
    records.iter().take_while(|stored| budget.takes(stored)).cloned().collect()
}
