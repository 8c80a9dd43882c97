//! A place in the log's entries that moves on at its own pace: no gap, no repeat.
//!
//! Near the end it takes from the ring; further back it reads and judges the log by itself.

use std::sync::Arc;

use command_log::reader::{Halt, Reader};
use log_schema::{DecisionV1, Kind, Offset, codec};
use tokio::sync::watch;

use super::{Anchor, Entry, Hub, Progress, follow::judge};

/// The most entries that one step returns.
pub(crate) const STEP_ENTRIES_MAX: usize = 256;
/// The payload bytes that one step reads from the log.
const STEP_BYTES_MAX: usize = 1024 * 1024;

/// A cursor cannot go on, or could not be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The log could not be read.
    #[error("could not read the log")]
    Log(#[from] command_log::Error),
    /// The reader rule stopped.
    #[error("the log cannot be followed")]
    Halt(#[from] Box<Halt>),
    /// The gateway follows the log no further.
    #[error("the gateway reads no further")]
    Halted,
    /// The cursor names no decision.
    #[error("there is no decision at offset {at}")]
    NotADecision { at: Offset },
}

/// A place in the entries of the log.
pub(crate) struct Cursor {
    hub: Arc<Hub>,
    progress: watch::Receiver<Progress>,
    next: Offset,
    anchor: Anchor,
    behind: Option<Reader>,
}

impl Cursor {
    /// A cursor at `next`; `anchor` is at or before it.
    pub(crate) fn resume(hub: &Arc<Hub>, next: Offset, anchor: Anchor) -> Self {
        Self { progress: hub.progress(), hub: Arc::clone(hub), next, anchor, behind: None }
    }

    /// A cursor before everything.
    pub(crate) fn oldest(hub: &Arc<Hub>) -> Self {
        Self::resume(hub, Offset(0), Anchor::default())
    }

    /// A cursor after everything that the hub has judged.
    pub(crate) fn newest(hub: &Arc<Hub>) -> Self {
        let state = hub.state();
        let next = hub.now().next;
        let anchor = state.ring.anchor_before(next).unwrap_or_default();
        drop(state);
        Self::resume(hub, next, anchor)
    }

    /// A cursor at `next` where the ring reaches back so far.
    pub(crate) fn recent(hub: &Arc<Hub>, next: Offset) -> Option<Self> {
        let anchor = hub.state().ring.anchor_before(next)?;
        Some(Self::resume(hub, next, anchor))
    }

    /// A cursor right after the decision at `at`, which is read to learn how to go on.
    pub(crate) async fn after_decision(hub: &Arc<Hub>, at: Offset) -> Result<Self, Error> {
        if let Some(cursor) = Self::recent(hub, at.next()) {
            return Ok(cursor);
        }
        let decision = read_decision(hub, at).await?;
        Ok(Self::resume(hub, at.next(), Anchor::of(at, &decision)))
    }

    /// The first offset that was not given yet.
    pub(crate) fn position(&self) -> Offset {
        self.next
    }

    /// The next entries, never none. A call that is dropped takes nothing.
    pub(crate) async fn step(&mut self) -> Result<Vec<Entry>, Error> {
        loop {
            let entries = self.advance().await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }

    /// Moves on, perhaps past records that are no entries; waits where there are none.
    pub(crate) async fn advance(&mut self) -> Result<Vec<Entry>, Error> {
        loop {
            let recent = self.hub.state().ring.since(self.next, STEP_ENTRIES_MAX);
            let (entries, next) = match recent {
                Some(recent) => {
                    self.behind = None;
                    recent
                }
                None => self.read_on().await?,
            };
            let has_moved = next > self.next;
            self.moved(&entries, next);
            if has_moved {
                return Ok(entries);
            }
            self.wait().await?;
        }
    }

    async fn wait(&mut self) -> Result<(), Error> {
        let next = self.next;
        let progress = self.progress.wait_for(|progress| progress.next > next || progress.halted).await;
        match progress {
            Ok(progress) if progress.next > next => Ok(()),
            Ok(_) | Err(_) => Err(Error::Halted),
        }
    }

    /// Reads and judges the log from the anchor on, without what was given already.
    async fn read_on(&mut self) -> Result<(Vec<Entry>, Offset), Error> {
        let mut reader = self.behind.take().unwrap_or_else(|| self.anchor.reader());
        let batch = self.hub.log.read(reader.next(), STEP_BYTES_MAX).await?;
        let mut entries = Vec::new();
        for stored in batch {
            entries.extend(judge(&mut reader, stored).map_err(Box::new)?);
        }
        entries.retain(|entry| entry.offset() >= self.next);
        let next = reader.next().max(self.next);
        self.behind = Some(reader);
        Ok((entries, next))
    }

    fn moved(&mut self, entries: &[Entry], next: Offset) {
        self.next = next;
        let last = entries.iter().rev().find_map(|entry| match entry {
            Entry::Decision(decided) => Some(Anchor::of(decided.offset, &decided.decision)),
            Entry::Epoch(_) => None,
        });
        self.anchor = last.unwrap_or(self.anchor);
    }
}

/// The decision in the record at `at`.
pub(crate) async fn read_decision(hub: &Hub, at: Offset) -> Result<DecisionV1, Error> {
    let found = hub.log.read(at, 1).await?;
    let record = found.into_iter().next().filter(|stored| stored.offset == at).map(|stored| stored.record);
    let record = record.filter(|record| record.kind == Kind::Decision.number());
    let decision = record.and_then(|record| codec::decode("decision", &record.payload).ok());
    decision.ok_or(Error::NotADecision { at })
}
