//! The allocator's memory beside the log: the state as of the last decision, and what is undecided.

use std::{collections::VecDeque, sync::Arc};

use command_log::{
    Follower, Log, Stored,
    reader::{Halt, Reader, Verdict},
};
use log_schema::{Chain, DecisionV1, Kind, Offset, Record, codec};

use super::{Config, Error, clock::Clock, cut::Made, reign::read_clocks, snapshot};
use crate::{answer::apply_decision, state::State};

/// State and place in the log.
pub(super) struct Fold<'a> {
    pub follower: Follower,
    pub reader: Reader,
    /// The chain at the last offset that was answered.
    pub chain: Chain,
    pub state: State,
    /// Records that were read and that no decision has answered, in order.
    pub undecided: VecDeque<(Offset, Record)>,
    /// This leader's decisions that are still to be read back: the state has them already.
    pub made: VecDeque<Made>,
    /// Log time, which outlives what is folded: it is read again after an error.
    pub clock: &'a mut Clock,
    /// The first offset that was folded: what came before is in a snapshot.
    pub began: Offset,
    /// Where the snapshot was taken that this began with, until its decision is met in the log.
    unmet: Option<(Offset, Chain)>,
}

impl<'a> Fold<'a> {
    /// From the newest snapshot, or from the beginning of the log.
    pub async fn open(log: Arc<dyn Log>, config: &Config, clock: &'a mut Clock) -> Result<Self, Error> {
        let found = match &config.snapshots {
            Some(directory) => snapshot::newest(directory)?,
            None => None,
        };
        let (state, reader, chain, unmet) = match found {
            None => (State::default(), Reader::new(), Chain::default(), None),
            Some(found) => {
                let high = log.watermarks().await?.high;
                if found.last_to >= high {
                    return Err(Error::SnapshotAhead { covers: found.last_to, high });
                }
                let next = found.last_to.next();
                let reader = Reader::resume(found.epoch, Some(found.last_to), next, found.chain);
                (found.state, reader, found.chain, Some((found.last_to, found.chain)))
            }
        };
        let (began, undecided, made) = (reader.next(), VecDeque::new(), VecDeque::new());
        let follower = Follower::new(log, began);
        Ok(Self { follower, reader, chain, state, undecided, made, clock, began, unmet })
    }

    /// Reads what is in the log by now.
    pub async fn catch_up(&mut self, log: &dyn Log) -> Result<(), Error> {
        let high = log.watermarks().await?.high;
        while self.reader.next() < high {
            let batch = self.follower.next_batch().await?;
            self.take(batch, None)?;
        }
        self.unmet.map_or(Ok(()), |(covers, _)| Err(Error::SnapshotForeign { covers }))
    }

    /// Before the decision of the snapshot is met, a chain or epoch that differs is another log's.
    fn stopped(&self, halt: Halt) -> Error {
        match (self.unmet, halt) {
            (Some((covers, _)), Halt::ChainMismatch { .. } | Halt::UnclaimedEpoch { .. } | Halt::Gap { .. }) => {
                Error::SnapshotForeign { covers }
            }
            (_, halt) => halt.into(),
        }
    }

    /// A snapshot is saved when its last decision was read in the log, which follows what it answers. A log
    /// that does not have it is another one.
    fn meet(&mut self, verdict: &Verdict, record: &Record) -> Result<(), Error> {
        let Some((covers, chain)) = self.unmet.filter(|_| record.kind == Kind::Decision.number()) else {
            return Ok(());
        };
        let read = codec::decode::<DecisionV1>("decision", &record.payload);
        if read.is_ok_and(|decision| decision.to == covers && decision.chain == chain) {
            self.unmet = None;
        }
        let is_later = matches!(verdict, Verdict::Decision(_));
        if is_later && self.unmet.is_some() { Err(Error::SnapshotForeign { covers }) } else { Ok(()) }
    }

    /// Takes a batch in, up to the first epoch that counts and is not the one claimed at `own`: from there
    /// on another leads, and what this one made is void. A claim is known by its place: two allocators
    /// of one name make claims that are alike to the byte.
    pub fn take(&mut self, batch: Vec<Stored>, own: Option<Offset>) -> Result<(), Error> {
        for stored in batch {
            let verdict = self.reader.judge(&stored).map_err(|halt| self.stopped(halt))?;
            self.meet(&verdict, &stored.record)?;
            match verdict {
                Verdict::Epoch(epoch) if own.is_some_and(|own| own != stored.offset) => {
                    return Err(Error::Superseded { epoch: epoch.epoch });
                }
                Verdict::Decision(decision) => {
                    self.chain = decision.chain;
                    self.take_decision(&decision, &stored)?;
                }
                Verdict::Epoch(_)
                | Verdict::Command
                | Verdict::VoidEpoch { .. }
                | Verdict::VoidDecision { .. }
                | Verdict::DuplicateDecision { .. } => {}
            }
            self.undecided.push_back((stored.offset, stored.record));
        }
        self.clock.observe(self.state.now, read_clocks());
        Ok(())
    }

    /// The first offset that this leader has not answered.
    pub fn next_from(&self) -> Offset {
        self.made.back().map_or_else(|| self.reader.first_undecided(), |made| made.to.next())
    }

    /// Whether there is a command to answer, and not only epochs and decisions.
    pub fn has_commands(&self) -> bool {
        let is_command = |record: &Record| ![Kind::Epoch.number(), Kind::Decision.number()].contains(&record.kind);
        self.undecided.iter().any(|(_, record)| is_command(record))
    }

    /// Folds a decision; one of this leader's own is in the state already and must be the one that was made.
    fn take_decision(&mut self, decision: &DecisionV1, stored: &Stored) -> Result<(), Error> {
        if let Some(made) = self.made.pop_front() {
            let same = made.record == stored.record;
            return if same { Ok(()) } else { Err(Error::Altered { at: stored.offset }) };
        }
        apply_decision(&mut self.state, decision);
        while self.undecided.front().is_some_and(|(at, _)| *at <= decision.to) {
            self.undecided.pop_front();
        }
        Ok(())
    }
}
