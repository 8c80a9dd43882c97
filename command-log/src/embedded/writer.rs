//! The one thread that writes: it drains the queue into groups, makes each durable, and acks it.

use std::{
    error::Error as _,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use log_schema::{Offset, Record, TimeMs};
use rocksdb::WriteBatch;
use tokio::sync::{mpsc, oneshot};

use super::{
    acked::{BODY_BYTES_MAX, Statement},
    entry,
    scribe::Scribe,
    store::Store,
};
use crate::{
    Error, Stored,
    tail::{Needed, Tail},
    wall_clock,
};

/// The payload bytes after which a group takes no further request.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The records after which a group takes no further request.
const GROUP_RECORDS_MAX: usize = 65_536;
/// What the length of a value takes in a statement's body.
const SIZE_BYTES: usize = 4;

/// Where the caller of `append` waits for offsets.
type Reply = oneshot::Sender<Result<Vec<Offset>, Error>>;

/// One call of `append`, waiting.
pub(super) struct Request {
    /// What to append, within the limits. An empty one only has the watermark written again.
    pub(super) batch: Vec<Record>,
    /// Who waits.
    pub(super) reply: Reply,
}

/// The writer's end of the queue, and all that it writes to.
pub(super) struct Writer {
    requests: mpsc::Receiver<Request>,
    store: Arc<Store>,
    scribe: Scribe,
    tail: Arc<Tail>,
    low: Arc<AtomicU64>,
}

/// Requests that are written together.
#[derive(Default)]
struct Group {
    records: Vec<Record>,
    bytes: usize,
    waiting: Vec<(Range<u64>, Reply)>,
}

impl Writer {
    /// A writer that continues where the watermark stands.
    pub(super) fn new(
        requests: mpsc::Receiver<Request>,
        store: Arc<Store>,
        scribe: Scribe,
        tail: Arc<Tail>,
        low: Arc<AtomicU64>,
    ) -> Self {
        Self { requests, store, scribe, tail, low }
    }

    /// Writes group after group until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _needed = Needed::new(Arc::clone(&self.tail), "the writer of the log");
        while let Some(request) = self.requests.blocking_recv() {
            let group = self.gather(request);
            match self.tail.poisoned() {
                Some(why) => group.refuse(&why),
                None => self.commit(group),
            }
        }
    }

    fn gather(&mut self, request: Request) -> Group {
        let mut group = Group::default();
        let first = self.tail.high();
        group.add(first, request);
        while group.has_room() {
            let Ok(request) = self.requests.try_recv() else { break };
            group.add(first, request);
        }
        group
    }

    fn commit(&mut self, group: Group) {
        let (first, time) = (self.tail.high(), wall_clock());
        let durable = self.make_durable(first, time, &group);
        if let Err(error) = durable {
            let why = explain(&error);
            tracing::error!(at = %first, %why, "the log takes no more appends");
            self.tail.poison(Arc::clone(&why));
            return group.refuse(&why);
        }
        let offsets = (first.0..).map(Offset);
        let stored = offsets.zip(group.records).map(|(offset, record)| Stored { offset, time, record });
        self.tail.publish(stored.collect());
        for (range, reply) in group.waiting {
            // Whoever no longer waits has nothing to be told.
            let _ = reply.send(Ok(range.map(Offset).collect()));
        }
        self.tail.trim();
    }

    /// A small group goes to both files at once. A large one goes to the store alone, and the watermark
    /// follows: to write it twice would cost more than a second sync.
    fn make_durable(&self, first: Offset, time: TimeMs, group: &Group) -> Result<(), Error> {
        let (low, high) = (Offset(self.low.load(Ordering::Acquire)), Offset(first.0 + group.records.len() as u64));
        if group.body_bytes() > BODY_BYTES_MAX {
            self.store.write(pack(first, time, &group.records, |_| ()))?;
            self.scribe.begin(Statement::durable(low, high))?;
            return self.scribe.finish();
        }
        let mut body = Vec::with_capacity(group.body_bytes());
        let batch = pack(first, time, &group.records, |value| put_sized(&mut body, value));
        self.scribe.begin(Statement { low, first, high, body })?;
        let written = self.store.write(batch);
        self.scribe.finish().and(written)
    }
}

impl Group {
    fn add(&mut self, first: Offset, Request { mut batch, reply }: Request) {
        let begin = first.0 + self.records.len() as u64;
        self.waiting.push((begin..begin + batch.len() as u64, reply));
        self.bytes += batch.iter().map(|record| record.payload.len()).sum::<usize>();
        if self.records.is_empty() {
            self.records = batch;
        } else {
            self.records.append(&mut batch);
        }
    }

    fn has_room(&self) -> bool {
        self.bytes < GROUP_BYTES_MAX && self.records.len() < GROUP_RECORDS_MAX
    }

    fn body_bytes(&self) -> usize {
        self.bytes + self.records.len() * (entry::HEADER_BYTES + SIZE_BYTES)
    }

    fn refuse(self, why: &Arc<str>) {
        for (_, reply) in self.waiting {
            // Whoever no longer waits has nothing to be told.
            let _ = reply.send(Err(Error::Poisoned { why: Arc::clone(why) }));
        }
    }
}

/// Encodes records into one batch for the store, and shows each value to `also`.
fn pack(first: Offset, time: TimeMs, records: &[Record], mut also: impl FnMut(&[u8])) -> WriteBatch {
    let mut batch = WriteBatch::default();
    let mut value = Vec::new();
    for (at, record) in (first.0..).map(Offset).zip(records) {
        entry::encode(at, time, record, &mut value);
        batch.put(entry::key(at), &value);
        also(&value);
    }
    batch
}

fn put_sized(body: &mut Vec<u8>, value: &[u8]) {
    let bytes = u32::try_from(value.len()).expect("a body fits its slot");
    body.extend_from_slice(&bytes.to_be_bytes());
    body.extend_from_slice(value);
}

/// The error and what is behind it, in one line.
fn explain(error: &Error) -> Arc<str> {
    match error.source() {
        Some(source) => format!("{error}: {source}").into(),
        None => error.to_string().into(),
    }
}
