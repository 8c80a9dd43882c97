//! The filtered view of a gateway as a [`Log`]: what was received, kept within a bound.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use log_schema::{Chain, DecisionV1, EpochNumber, EpochV1, Kind, Offset, Record, codec};
use tokio::sync::{mpsc, watch};

use super::{
    Config, Inbound, Link, Position, SharedPosition,
    protocol::{FromGateway, LinkStored},
};
use crate::{BoxFuture, Error, Log, Stored, Watermarks, limits};

/// How many received records are kept; older ones fall below the low watermark.
pub const RECEIVED_MAX: usize = 65_536;

/// A log that lives behind a gateway. Offsets are those of the whole log, so they have gaps: the view
/// holds epochs and trimmed decisions only. Its watermarks speak of what was received. A log that was
/// opened without a position and loses its connection before the first decision begins anew at the
/// cell's present end: the reader rule then sees a gap.
#[derive(Debug)]
pub struct RemoteLog {
    place: String,
    link: Link,
    received: Arc<Mutex<Received>>,
    high: watch::Receiver<Offset>,
}

#[derive(Debug, Default)]
struct Received {
    low: Offset,
    records: VecDeque<Stored>,
    epoch: EpochNumber,
    to: Option<(Offset, Chain)>,
    /// The end of the first decision that was taken note of.
    joined: Option<(Offset, Chain)>,
}

impl RemoteLog {
    /// Opens a link and keeps what comes over it, from `position` on.
    pub fn open(config: Config, position: Option<Position>) -> Result<Self, super::Error> {
        let place = config.url.clone();
        let shared = Arc::new(Mutex::new(position));
        let (link, inbound) = Link::open(config, Arc::clone(&shared))?;
        let low = position.map_or(Offset(0), |position| position.next);
        let epoch = position.map_or(EpochNumber(0), |position| position.epoch);
        let received = Arc::new(Mutex::new(Received {
            low,
            epoch,
            to: position.map(|position| (position.to, position.chain)),
            joined: position.map(|position| position.joined),
            ..Received::default()
        }));
        let (raise, high) = watch::channel(low);
        tokio::spawn(keep(inbound, Arc::clone(&received), shared, raise));
        Ok(Self { place, link, received, high })
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().expect("nobody panics while holding what was received")
    }

    fn outside(&self, doing: &'static str, source: super::Error) -> Error {
        let place = self.place.clone();
        if source.is_transient() {
            Error::Unreachable { place, source: source.into() }
        } else {
            Error::Rejected { place, doing, source: source.into() }
        }
    }
}

/// Takes what comes over the link until it ends; dropping `raise` then wakes whoever waits.
async fn keep(
    mut inbound: mpsc::Receiver<Inbound>,
    received: Arc<Mutex<Received>>,
    position: SharedPosition,
    raise: watch::Sender<Offset>,
) {
    while let Some(message) = inbound.recv().await {
        let Inbound::Message(FromGateway::Records(records)) = message else { continue };
        let mut received = received.lock().expect("nobody panics while holding what was received");
        for stored in records {
            let next = stored.offset.next();
            // A new connection may begin with what an older one has brought already.
            if next > *raise.borrow() {
                received.push(stored);
                raise.send_replace(next);
            }
        }
        if let (Some((to, chain)), Some(joined)) = (received.to, received.joined) {
            let moved = Position { next: *raise.borrow(), epoch: received.epoch, to, chain, joined };
            *position.lock().expect("nobody panics while holding a position") = Some(moved);
        }
    }
}

impl Received {
    fn push(&mut self, LinkStored { offset, time, record }: LinkStored) {
        let record = Record::from(record);
        self.read_head(&record);
        self.records.push_back(Stored { offset, time, record });
        if self.records.len() > RECEIVED_MAX {
            self.records.pop_front();
            self.low = self.records.front().map_or(self.low, |first| first.offset);
        }
    }

    /// Follows the epoch and what was answered, to say where the link resumes. Whether a record
    /// counts is for its reader to judge.
    fn read_head(&mut self, record: &Record) {
        match Kind::from_number(record.kind) {
            Some(Kind::Epoch) => {
                if let Ok(claim) = codec::decode::<EpochV1>("epoch", &record.payload) {
                    self.epoch = claim.epoch;
                }
            }
            Some(Kind::Decision) => {
                if let Ok(decision) = codec::decode::<DecisionV1>("decision", &record.payload) {
                    self.to = Some((decision.to, decision.chain));
                    self.joined = self.joined.or(self.to);
                }
            }
            _ => {}
        }
    }
}

impl Log for RemoteLog {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        Box::pin(async move {
            limits::check(&batch)?;
            self.link.append(batch).await.map_err(|error| self.outside("append", error))
        })
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        Box::pin(async move {
            let received = self.received();
            Watermarks { low: received.low, high: *self.high.borrow() }.admit(from)?;
            let mut budget = limits::Budget::new(bytes_max);
            let wanted = received.records.iter().skip_while(|stored| stored.offset < from);
            Ok(wanted.take_while(|stored| budget.takes(stored)).cloned().collect())
        })
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        Box::pin(async move { Ok(Watermarks { low: self.received().low, high: *self.high.borrow() }) })
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let mut high = self.high.clone();
            high.wait_for(|high| *high > offset).await.map(drop).map_err(|_| Error::Closed)
        })
    }
}
