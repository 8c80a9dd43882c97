//! The end of the log as readers see it: the high watermark, and the newest records in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, RwLock},
};

use log_schema::Offset;
use tokio::sync::watch;

use crate::{
    Error, Stored,
    limits::{Budget, RECORD_OVERHEAD_BYTES},
};

/// What followers wait for.
#[derive(Clone, Debug)]
struct Progress {
    high: Offset,
    poisoned: Option<Arc<str>>,
}

/// The newest acked records, the oldest first. They end where the log does.
#[derive(Debug)]
struct Recent {
    first: Offset,
    records: VecDeque<Stored>,
    bytes: usize,
}

/// Shared by the writer, which moves it on, and by all readers.
#[derive(Debug)]
pub(crate) struct Tail {
    progress: watch::Sender<Progress>,
    recent: RwLock<Recent>,
    bytes_max: usize,
}

impl Tail {
    /// The tail of a log that ends at `high`, with nothing in memory yet.
    pub(crate) fn new(high: Offset, bytes_max: usize) -> Self {
        let recent = Recent::new(high);
        let progress = watch::Sender::new(Progress { high, poisoned: None });
        Self { progress, recent: RwLock::new(recent), bytes_max }
    }

    /// One past the last acked offset.
    pub(crate) fn high(&self) -> Offset {
        self.progress.borrow().high
    }

    /// Why the log takes no more appends, if it does not.
    pub(crate) fn poisoned(&self) -> Option<Arc<str>> {
        self.progress.borrow().poisoned.clone()
    }

    /// Shows readers a group that is durable.
    pub(crate) fn publish(&self, group: Vec<Stored>) {
        let Some(high) = group.last().map(|last| last.offset.next()) else { return };
        self.recent.write().expect("no holder of the lock panics").extend(group);
        self.progress.send_modify(|progress| progress.high = high);
    }

    /// Goes on at `low`, because nothing below can be shown any more. Whoever waits for it is woken, and has to read elsewhere.
    pub(crate) fn skip_to(&self, low: Offset) {
        *self.recent.write().expect("no holder of the lock panics") = Recent::new(low);
        self.progress.send_modify(|progress| progress.high = low);
    }

    /// Forgets the oldest records where there are too many. Nobody waits for this, so it comes last.
    pub(crate) fn trim(&self) {
        self.recent.write().expect("no holder of the lock panics").trim(self.bytes_max);
    }

    /// Tells everybody who waits that nothing more will come.
    pub(crate) fn poison(&self, why: Arc<str>) {
        self.progress.send_modify(|progress| progress.poisoned = Some(why));
    }

    /// Records from `from` on, if they are in memory or at the very end.
    pub(crate) fn read(&self, from: Offset, bytes_max: usize) -> Option<Vec<Stored>> {
        let recent = self.recent.read().expect("no holder of the lock panics");
        let skipped = usize::try_from(from.0.checked_sub(recent.first.0)?).ok()?;
        let mut budget = Budget::new(bytes_max);
        let records = recent.records.range(skipped.min(recent.records.len())..);
        Some(records.take_while(|stored| budget.takes(stored)).cloned().collect())
    }

    /// Waits until the log has grown past `offset`, or never will.
    pub(crate) async fn wait_past(&self, offset: Offset) -> Result<(), Error> {
        let mut progress = self.progress.subscribe();
        let arrived = progress.wait_for(|now| now.high > offset || now.poisoned.is_some()).await;
        let now = arrived.map_err(|_| Error::Closed)?;
        match &now.poisoned {
            Some(why) if now.high <= offset => Err(Error::Poisoned { why: Arc::clone(why) }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Held by a thread that a log cannot do without. If it panics, nobody waits for it for ever.
#[derive(Debug)]
pub(crate) struct Needed {
    tail: Arc<Tail>,
    name: &'static str,
}

impl Needed {
    /// For the thread with this name.
    pub(crate) fn new(tail: Arc<Tail>, name: &'static str) -> Self {
        Self { tail, name }
    }
}

impl Drop for Needed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tail.poison(format!("{} panicked, an invariant is broken", self.name).into());
        }
    }
}

impl Recent {
    fn new(first: Offset) -> Self {
        Self { first, records: VecDeque::new(), bytes: 0 }
    }

    fn extend(&mut self, group: Vec<Stored>) {
        self.bytes += group.iter().map(cost).sum::<usize>();
        self.records.extend(group);
    }

    fn trim(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= cost(&oldest);
            self.first = oldest.offset.next();
        }
    }
}

/// What a record costs in memory, about.
fn cost(stored: &Stored) -> usize {
    size_of::<Stored>() + RECORD_OVERHEAD_BYTES + stored.record.payload.len()
}

#[cfg(test)]
mod tests {
    use log_schema::{Kind, Record, TimeMs};

    use super::*;

    fn group(offsets: std::ops::Range<u64>) -> Vec<Stored> {
        let stored = |n| Stored { offset: Offset(n), time: TimeMs(0), record: Record::v1(Kind::Tick, vec![0; 100]) };
        offsets.map(stored).collect()
    }

    #[test]
    fn the_oldest_records_leave_and_the_newest_stay() {
        let tail = Tail::new(Offset(10), 4 * cost(&group(0..1)[0]));
        tail.publish(group(10..13));
        tail.publish(group(13..16));
        tail.trim();
        assert_eq!(tail.high(), Offset(16));
        assert_eq!(tail.read(Offset(11), 1000), None);
        let read = tail.read(Offset(12), 1000).expect("in memory");
        assert_eq!(read, group(12..16));
        assert_eq!(tail.read(Offset(16), 1000), Some(Vec::new()));
    }
}
