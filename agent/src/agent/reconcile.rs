//! Comparing what the cell takes to be here with what is here.
//!
//! The cell says it once for each connection, as of a moment in the log. The comparison waits until the
//! agent has itself obeyed up to that moment; what was placed later is left alone.

use std::collections::BTreeSet;

use command_log::remote::protocol::ExpectedTask;
use log_schema::{
    EpochNumber, Offset, TaskState,
    task::{EndReason, EndV1},
};

use super::{Agent, Error};
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
    pub(super) fn expect(
        &mut self,
        epoch: EpochNumber,
        to: Option<Offset>,
        tasks: Vec<ExpectedTask>,
    ) -> Result<(), Error> {
        let key = |ExpectedTask { task, incarnation }| TaskKey { task, incarnation };
        self.expected = Some(Expected { to, tasks: tasks.into_iter().map(key).collect(), compared: false });
        if self.reader.is_none() {
            self.reader = Some(FilteredReader::begin(epoch, to));
            self.note_position()?;
        }
        self.reconcile_if_due();
        Ok(())
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
            let placed_before = self.journal.known(&key).is_none_or(|begun| Some(begun.to) <= to);
            if placed_before && !expected.contains(&key) {
                tracing::warn!(%key, "the cell does not know this task; ending it");
                self.kill(key);
            }
        }
        let alive: BTreeSet<_> = self.tasks.alive().into_iter().collect();
        // What the log has since the cell spoke is on its way to the cell's answer.
        self.told.retain(|_, at| Some(*at) > to);
        for key in expected.difference(&alive).filter(|key| !self.told.contains_key(key)).cloned().collect::<Vec<_>>() {
            self.report_again(key);
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
