//! Comparing what the cell takes to be here with what is here.
//!
//! The cell says it once for each connection, as of a moment in the log. The comparison waits until the
//! agent has itself obeyed up to that moment; what was placed later is left alone.

use std::collections::BTreeSet;

use command_log::remote::{Position, protocol::ExpectedTask};
use log_schema::{
    Chain, EpochNumber, Offset, TaskState,
    task::{EndReason, EndV1},
};

use super::Agent;
use crate::{
    filtered::FilteredReader,
    sandbox::{Ended, TaskKey, now},
    status::{Report, Status},
};

/// What the cell takes to be here.
pub(super) struct Expected {
    /// As of the answers up to here.
    to: Option<Offset>,
    tasks: BTreeSet<TaskKey>,
    /// The comparison was made.
    compared: bool,
}

impl Expected {
    /// Whether a placement by the decision up to `to` was over when the cell spoke.
    pub(super) fn is_over(&self, key: &TaskKey, to: Offset) -> bool {
        Some(to) <= self.to && !self.tasks.contains(key)
    }
}

impl Agent {
    /// Takes note of what the cell takes to be here. An agent without a memory begins from there.
    pub(super) fn expect(&mut self, epoch: EpochNumber, to: Option<(Offset, Chain)>, tasks: Vec<ExpectedTask>) {
        if std::mem::take(&mut self.is_astray) {
            self.give_up_lost(&tasks);
        }
        let key = |ExpectedTask { task, incarnation, placed: _ }| TaskKey { task, incarnation };
        let as_of = to;
        let to = as_of.map(|(to, _)| to);
        self.expected = Some(Expected { to, tasks: tasks.into_iter().map(key).collect(), compared: false });
        if self.reader.is_none() {
            self.reader = Some(FilteredReader::begin(epoch, as_of));
            self.note_position();
        }
        self.reconcile_if_due();
    }

    /// The cell lost what this agent had obeyed up to a position: says so with the next report, and waits to
    /// hear what the cell still takes to be here.
    pub(super) fn stray(&mut self, position: Position) {
        tracing::warn!(
            obeyed = %position.to,
            "the cell lost a part of its log that this agent had obeyed; ending the tasks of that part"
        );
        self.strayed = Some(position.to);
        (self.is_astray, self.reader) = (true, None);
    }

    /// Ends and forgets every start that the cell does not know any more. A start is known by the decision that
    /// placed it, too: after the loss the same numbers are given again, to other starts.
    fn give_up_lost(&mut self, tasks: &[ExpectedTask]) {
        let is_known = |key: &TaskKey, at: Offset| {
            tasks.iter().any(|ExpectedTask { task, incarnation, placed }| {
                *task == key.task && *incarnation == key.incarnation && *placed == at
            })
        };
        let begun = self.journal.begun().filter(|(key, begun)| !is_known(key, begun.at));
        let lost: BTreeSet<TaskKey> = begun.map(|(key, _)| key.clone()).collect();
        self.told.retain(|key, _| !lost.contains(key));
        self.reports.forget(|key| lost.contains(key));
        self.ended.retain(|key| !lost.contains(key));
        let alive: BTreeSet<TaskKey> = self.tasks.alive().into_iter().collect();
        for key in lost {
            let is_ending = alive.contains(&key) && self.tasks.kill(&key, None).is_none();
            if is_ending {
                self.lost.insert(key, None);
            } else {
                self.tasks.ended(&key);
                self.forget(&key);
            }
        }
    }

    /// A start of the lost part ended. The cell hears nothing of it: the number may be another start's there.
    pub(super) fn lost_ended(&mut self, key: &TaskKey) {
        self.tasks.ended(key);
        self.forget(key);
        let Some(Some(next)) = self.lost.remove(key) else { return };
        self.journal.begin(&[(next.key.clone(), next.at, next.to)]);
        self.tasks.queue(next);
    }

    fn forget(&mut self, key: &TaskKey) {
        self.journal.removed(key);
        // Now, and not beside everything else: a start of the same number may need the place.
        if let Err(error) = self.tasks.sandbox(key).remove() {
            tracing::warn!(%key, error = &error as &dyn std::error::Error, "the sandbox of a lost start stays");
        }
    }

    /// Compares, once, when the agent has obeyed far enough.
    pub(super) fn reconcile_if_due(&mut self) {
        let obeyed = self.reader.and_then(|reader| reader.to());
        let Some(expected) = self.expected.as_mut().filter(|expected| !expected.compared && expected.to <= obeyed)
        else {
            return;
        };
        expected.compared = true;
        let (expected, to) = (expected.tasks.clone(), expected.to);
        for key in self.tasks.alive() {
            if self.lost.contains_key(&key) {
                continue;
            }
            let placed_before = self.journal.known(&key).is_none_or(|begun| Some(begun.to) <= to);
            if placed_before && !expected.contains(&key) {
                tracing::warn!(%key, "the cell does not know this task; ending it");
                self.kill(key, None);
            }
        }
        let alive: BTreeSet<_> = self.tasks.alive().into_iter().collect();
        // What the log has since the cell spoke is on its way to the cell's answer.
        self.told.retain(|_, at| Some(*at) > to);
        for key in expected {
            if self.lost.contains_key(&key) {
                // Another start has this number here, and is ending.
                self.report_unknown(key);
            } else if !alive.contains(&key) && !self.told.contains_key(&key) {
                self.report_again(key);
            }
        }
    }

    /// The cell takes a start to be alive that is not: says how it ended.
    fn report_again(&mut self, key: TaskKey) {
        match (self.journal.known(&key), self.tasks.sandbox(&key).ended()) {
            (None, _) => self.report_unknown(key),
            (Some(begun), Ok(Some(ended))) => {
                self.reports.add(Report::Status(Status::ended(key, ended, Some(begun.at))));
            }
            (Some(begun), _) => {
                self.reports.add(Report::Status(Status::ended(key, unknown(), Some(begun.at))));
            }
        }
    }
}

/// The end of a start that this agent knows nothing of.
pub(super) fn unknown() -> Ended {
    let message = Some("the agent has no record of this start of the task".to_owned());
    let end = EndV1 { message, ..EndV1::because(EndReason::AgentLost) };
    Ended { state: TaskState::Failed, end, observed: now() }
}
