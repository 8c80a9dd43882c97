//! What history says of each start: where it was, what its agent reported and when.
//!
//! ```text
//!   placed ──> starting ──> running ──────────────> ended        what follows is an echo
//!      └ after_ms of each status is counted from here   └ or from the request to end it
//! ```
//!
//! A start that was lost with its agent, was killed, or still ran at the end of the log has no end of
//! its own: it is only known to last longer than it was seen.

use std::collections::BTreeMap;

use log_schema::{AgentId, Offset, TaskState, command::UpdateTaskStatusV1, job::JobKind, task::EndReason, task::EndV1};

use super::census::{Active, StartKey};

/// A record of history, by offset and time of append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its offset.
    pub offset: Offset,
    /// When it was appended; never earlier than the record before it.
    pub time: u64,
}

/// One report of an agent.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where history has it.
    pub place: Place,
    /// What it says.
    pub state: TaskState,
    /// How the start ended, where it did.
    pub end: Option<EndV1>,
}

/// One start in history.
#[derive(Clone, Debug)]
pub struct Script {
    /// Whether its job is to end.
    pub kind: JobKind,
    /// Its number in history.
    pub incarnation: u64,
    /// Where it was placed.
    pub agent: AgentId,
    /// The decision that placed it.
    pub placed: Place,
    /// The decision that asked for its end.
    pub killed: Option<Place>,
    /// What ended it: its last report, or the decision that gave it up.
    pub closed: Option<Place>,
    /// What its agent reported, in order, what came after the end included.
    pub reports: Vec<Report>,
}

impl Script {
    /// The reports before the end.
    pub fn before(&self) -> impl Iterator<Item = &Report> {
        self.reports.iter().filter(|report| self.closed.is_none_or(|closed| report.place < closed))
    }

    /// The report that ended it, if one did.
    pub fn end(&self) -> Option<&Report> {
        self.reports.iter().find(|report| Some(report.place) == self.closed)
    }

    /// The reports after the end: what an agent repeats, or says of what was given up.
    pub fn echoes(&self) -> impl Iterator<Item = &Report> {
        self.reports.iter().filter(|report| self.closed.is_some_and(|closed| report.place > closed))
    }

    /// The end that it came to by itself, if it did.
    pub fn natural_end(&self) -> Option<&Report> {
        self.end().filter(|end| !(self.killed_before(end) && is_requested(end)))
    }

    /// The answer to the request to end it, if one was made before it ended.
    pub fn kill_answer(&self) -> Option<(Place, &Report)> {
        let end = self.end().filter(|end| self.killed_before(end))?;
        self.killed.map(|killed| (killed, end))
    }

    /// How long it was seen to last, up to `until` if nothing ended it.
    pub fn seen_ms(&self, until: u64) -> u64 {
        self.closed.map_or(until, |closed| closed.time).saturating_sub(self.placed.time)
    }

    fn killed_before(&self, end: &Report) -> bool {
        self.killed.is_some_and(|killed| killed < end.place)
    }
}

fn is_requested(end: &Report) -> bool {
    end.end.as_ref().is_some_and(|end| end.reason == EndReason::Requested)
}

/// Every start of a log.
#[derive(Clone, Debug, Default)]
pub struct Scripts {
    starts: BTreeMap<StartKey, Script>,
    by_incarnation: BTreeMap<u64, StartKey>,
}

impl Scripts {
    /// Begins the script of a start.
    pub fn placed(&mut self, incarnation: u64, agent: AgentId, kind: JobKind, active: &Active, placed: Place) {
        let (killed, closed, reports) = Default::default();
        let script = Script { kind, incarnation, agent, placed, killed, closed, reports };
        self.starts.insert(active.start.clone(), script);
        self.by_incarnation.insert(incarnation, active.start.clone());
    }

    /// Notes that a start was asked to end.
    pub fn kill_requested(&mut self, incarnation: u64, place: Place) {
        self.of(incarnation).killed.get_or_insert(place);
    }

    /// Notes that a start was given up with its agent.
    pub fn lost(&mut self, incarnation: u64, place: Place) {
        self.of(incarnation).closed.get_or_insert(place);
    }

    /// Adds an agent's report to the start that it is about; says whether there is one.
    pub fn reported(&mut self, place: Place, report: &UpdateTaskStatusV1) -> bool {
        let Some(key) = self.by_incarnation.get(&report.incarnation.0) else { return false };
        let script = self.starts.get_mut(key).expect("a numbered start has a script");
        if key.task != report.task || script.agent != report.agent {
            return false;
        }
        let UpdateTaskStatusV1 { state, end, .. } = report.clone();
        script.reports.push(Report { place, state, end });
        if state.is_terminal() {
            script.closed.get_or_insert(place);
        }
        true
    }

    /// The script of a start.
    pub fn get(&self, key: &StartKey) -> Option<&Script> {
        self.starts.get(key)
    }

    /// Every start, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&StartKey, &Script)> {
        self.starts.iter()
    }

    /// The starts of one task, in order.
    pub fn of_task(&self, key: &StartKey) -> impl Iterator<Item = (&StartKey, &Script)> {
        let ordinal = |ordinal| StartKey { ordinal, ..key.clone() };
        self.starts.range(ordinal(0)..=ordinal(u32::MAX))
    }

    fn of(&mut self, incarnation: u64) -> &mut Script {
        let key = self.by_incarnation.get(&incarnation).expect("an event names a start that was placed");
        self.starts.get_mut(key).expect("a numbered start has a script")
    }
}
