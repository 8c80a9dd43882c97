//! The log of a fork: in memory, begun with what was undecided, judged by the reader rule like any other.
//!
//! It remembers for each record when the leader will answer it, and whether it still equals history.

use std::collections::VecDeque;

use command_log::{Stored, memory::MemoryLog, reader::Reader};
use log_schema::{AnswerV1, Chain, DecisionV1, Kind, Offset, Record, TimeMs, record::PAYLOAD_BYTES_MAX};

use super::{
    Error,
    history::{History, Past},
    queue::When,
    script::Place,
};

/// A record that no decision of the fork has answered.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The record.
    pub stored: Stored,
    /// Where history has it.
    pub image: Option<Offset>,
    /// When the leader answers it, together with all that went before.
    pub due: When,
}

/// The log of a fork.
#[derive(Debug)]
pub struct ForkLog<'a> {
    history: &'a History,
    log: MemoryLog,
    reader: Reader,
    pending: VecDeque<Pending>,
    /// The first record that is not history's.
    parted: Option<Offset>,
}

impl<'a> ForkLog<'a> {
    /// The log of a fork that holds nothing new yet; `due` says when its records are answered.
    pub fn at_fork(history: &'a History, due: impl Fn(&Past) -> When) -> Self {
        let before = &history.records[..history.first_index()];
        let log = match before {
            [] => MemoryLog::starting_at(history.fork),
            _ => MemoryLog::from_records(before.iter().map(|past| past.stored.clone()).collect()),
        };
        let pending = before.iter().map(|past| Pending {
            stored: past.stored.clone(),
            image: Some(past.stored.offset),
            due: due(past),
        });
        let reader = history.at_fork.reader.clone();
        Self { history, log, reader, pending: pending.collect(), parted: None }
    }

    /// Appends a record that the leader answers at `due`, and returns its place.
    pub fn append(&mut self, time: u64, record: Record, image: Option<Offset>, due: When) -> Result<Place, Error> {
        let offsets = self.log.append_at(TimeMs(time), vec![record.clone()])?;
        let offset = offsets.first().copied().expect("one record was appended");
        let stored = Stored { offset, time: TimeMs(time), record };
        self.compare(&stored);
        self.reader.judge(&stored).map_err(|halt| Error::Fork(Box::new(halt)))?;
        self.pending.push_back(Pending { stored, image, due });
        Ok(Place { offset, time })
    }

    /// Takes out the records that are due, and all before them.
    pub fn take_due(&mut self, is_due: impl Fn(When) -> bool) -> Vec<Pending> {
        let due = self.pending.iter().rposition(|pending| is_due(pending.due));
        self.pending.drain(..due.map_or(0, |index| index + 1)).collect()
    }

    /// Makes a decision of the answers to a range; several where one would be too large for a record.
    pub fn decisions(&self, from: Offset, to: Offset, answers: Vec<AnswerV1>) -> Vec<(DecisionV1, Record)> {
        let chain = self.reader.chain_at(to).expect("the chain of what is undecided is known");
        let decision = DecisionV1 { epoch: self.reader.epoch(), from, to, chain, answers };
        let record = decision.to_record();
        if record.payload.len() <= PAYLOAD_BYTES_MAX || decision.answers.len() < 2 {
            return vec![(decision, record)];
        }
        let mut first = decision.answers;
        let second = first.split_off(first.len() / 2);
        let middle = first.last().expect("half of two or more").at;
        let mut decisions = self.decisions(from, middle, first);
        decisions.extend(self.decisions(middle.next(), to, second));
        decisions
    }

    /// Whether a command or tick waits for an answer.
    pub fn has_commands(&self) -> bool {
        self.pending.iter().any(|pending| is_command(&pending.stored.record))
    }

    /// Whether somebody leads.
    pub fn has_leader(&self) -> bool {
        self.reader.epoch().0 > 0
    }

    /// The first offset whose record is not history's, if one is not.
    pub fn parted(&self) -> Option<Offset> {
        self.parted
    }

    /// One past the last record.
    pub fn next(&self) -> Offset {
        self.reader.next()
    }

    /// The chain up to and with the last record.
    pub fn chain(&self) -> Chain {
        self.reader.chain()
    }

    /// The log alone.
    pub fn into_log(self) -> MemoryLog {
        self.log
    }

    /// Where history ends there is nothing to part from.
    fn compare(&mut self, stored: &Stored) {
        let past = self.history.at(stored.offset);
        if self.parted.is_none() && past.is_some_and(|past| past.stored.record != stored.record) {
            self.parted = Some(stored.offset);
        }
    }
}

/// Whether the allocator answers a record: epochs and decisions it does not.
pub fn is_command(record: &Record) -> bool {
    record.kind != Kind::Epoch.number() && record.kind != Kind::Decision.number()
}
