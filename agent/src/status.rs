//! What the agent tells the cell: commands, in order for each task, one batch under way at a time.
//!
//! A status is told until the log has it. It is never told less than once; more than once is harmless,
//! for its key says which task, start and state it is about.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use compact_str::CompactString;
use log_schema::{
    AgentId, AgentIdentity, Class, Command, Envelope, Key, Offset, Principal, Record, Resources, TaskState, TimeMs,
    command::{ReportAgentV1, UpdateTaskStatusV1},
    task::EndV1,
};

use crate::{
    fingerprint,
    sandbox::{Ended, TaskKey},
};

/// The most statuses in one batch.
pub(crate) const BATCH_MAX: usize = 256;
/// The most bytes of a task id that a key spells out; a longer one is put in as a hash.
const KEY_TASK_BYTES_MAX: usize = 96;

/// Something to tell.
#[derive(Clone, Debug)]
pub(crate) enum Report {
    /// Where a task stands.
    Status(Status),
    /// What the agent has.
    Agent {
        key: Key,
        capacity: Resources,
        attributes: BTreeMap<CompactString, CompactString>,
        /// How many tasks at once its own limits leave room for.
        tasks_max: u32,
        identity: AgentIdentity,
        strayed: Option<Offset>,
    },
}

/// Where one start of a task stands.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) key: TaskKey,
    pub(crate) state: TaskState,
    pub(crate) end: Option<EndV1>,
    pub(crate) observed: TimeMs,
    /// The decision that placed it, where that is known.
    pub(crate) placed_at: Option<Offset>,
}

impl Status {
    /// The program runs.
    pub(crate) fn running(key: TaskKey, observed: TimeMs, placed_at: Option<Offset>) -> Self {
        Self { key, state: TaskState::Running, end: None, observed, placed_at }
    }

    /// The task ended.
    pub(crate) fn ended(key: TaskKey, Ended { state, end, observed }: Ended, placed_at: Option<Offset>) -> Self {
        Self { key, state, end: Some(end), observed, placed_at }
    }
}

/// Reports that the log does not have yet.
#[derive(Debug)]
pub(crate) struct Reports {
    agent: AgentId,
    principal: Principal,
    waiting: VecDeque<Report>,
    under_way: Vec<Report>,
    /// The statuses among both: each is told once until it is answered.
    untold: BTreeSet<(TaskKey, TaskState)>,
}

impl Reports {
    /// The reports of one agent. Fails where its id is too long for a principal.
    pub(crate) fn new(agent: AgentId) -> Result<Self, log_schema::id::Error> {
        let principal = Principal::new(format!("agent:{agent}"))?;
        Ok(Self { agent, principal, waiting: VecDeque::new(), under_way: Vec::new(), untold: BTreeSet::new() })
    }

    /// Adds a report behind all others, unless it waits already; what the agent has replaces what it had.
    pub(crate) fn add(&mut self, report: Report) {
        match &report {
            Report::Status(status) if !self.untold.insert((status.key.clone(), status.state)) => return,
            Report::Status(_) => {}
            Report::Agent { .. } => self.waiting.retain(|waiting| !matches!(waiting, Report::Agent { .. })),
        }
        self.waiting.push_back(report);
    }

    /// The next batch to append, unless one is under way or nothing waits.
    pub(crate) fn next_batch(&mut self) -> Option<Vec<Record>> {
        if !self.under_way.is_empty() || self.waiting.is_empty() {
            return None;
        }
        self.under_way = self.waiting.drain(..BATCH_MAX.min(self.waiting.len())).collect();
        Some(self.under_way.iter().map(|report| self.record(report)).collect())
    }

    /// The batch is in the log, or never will be: what it told.
    pub(crate) fn done(&mut self) -> Vec<Report> {
        let done = std::mem::take(&mut self.under_way);
        for report in &done {
            if let Report::Status(status) = report {
                self.untold.remove(&(status.key.clone(), status.state));
            }
        }
        done
    }

    /// Drops the statuses of some starts that wait to be told.
    pub(crate) fn forget(&mut self, is_forgotten: impl Fn(&TaskKey) -> bool) {
        let stays = |report: &Report| match report {
            Report::Status(status) => !is_forgotten(&status.key),
            Report::Agent { .. } => true,
        };
        self.waiting.retain(&stays);
        self.under_way.retain(&stays);
    }

    /// The batch has to be told again, before all others.
    pub(crate) fn again(&mut self) {
        for report in std::mem::take(&mut self.under_way).into_iter().rev() {
            self.waiting.push_front(report);
        }
    }

    fn record(&self, report: &Report) -> Record {
        let principal = self.principal.clone();
        match report {
            Report::Status(status) => {
                let key = status_key(&status.key, status.state);
                let envelope = Envelope { principal, key, caused_by: status.placed_at, class: Class::Intrinsic };
                self.status(status).to_record(&envelope)
            }
            Report::Agent { key, capacity, attributes, tasks_max, identity, strayed } => {
                let envelope = Envelope { principal, key: key.clone(), caused_by: None, class: Class::Exogenous };
                let (agent, capacity, attributes) = (self.agent.clone(), capacity.clone(), attributes.clone());
                let (tasks_max, identity, strayed) = (Some(*tasks_max), Some(identity.clone()), *strayed);
                let body = ReportAgentV1 { agent, capacity, attributes, tasks_max, identity, strayed };
                Command::ReportAgent(body).to_record(&envelope)
            }
        }
    }

    fn status(&self, Status { key, state, end, observed, .. }: &Status) -> Command {
        Command::UpdateTaskStatus(UpdateTaskStatusV1 {
            task: key.task.clone(),
            incarnation: key.incarnation,
            agent: self.agent.clone(),
            state: *state,
            end: end.clone(),
            observed: *observed,
        })
    }
}

/// `task:incarnation:state`. Telling it again is the same command.
fn status_key(key: &TaskKey, state: TaskState) -> Key {
    let task = key.task.as_str();
    let task = if task.len() <= KEY_TASK_BYTES_MAX { task.to_owned() } else { fingerprint::of(task.as_bytes(), 16) };
    Key::new(format!("{task}:{}:{state}", key.incarnation)).expect("an id, a number and a word make a key")
}

#[cfg(test)]
mod tests {
    use log_schema::{Incarnation, TaskId, task::EndReason};

    use super::*;

    fn key(task: &str) -> TaskKey {
        TaskKey { task: TaskId::new(task).expect("a legal id"), incarnation: Incarnation(3) }
    }

    fn reports() -> Reports {
        Reports::new(AgentId::new("a1").expect("a legal id")).expect("a short id")
    }

    fn states(batch: &[Record]) -> Vec<TaskState> {
        let state = |record| match Command::from_record(record).expect("a command") {
            (_, Command::UpdateTaskStatus(body)) => body.state,
            (_, other) => panic!("not a status: {other:?}"),
        };
        batch.iter().map(state).collect()
    }

    #[test]
    fn a_batch_that_failed_is_told_again_before_what_came_later() {
        let mut reports = reports();
        reports.add(Report::Status(Status::running(key("web.0"), TimeMs(1), Some(Offset(7)))));
        assert_eq!(states(&reports.next_batch().expect("a batch")), [TaskState::Running]);
        let end = Ended { state: TaskState::Failed, end: EndV1::because(EndReason::Exited), observed: TimeMs(2) };
        reports.add(Report::Status(Status::ended(key("web.0"), end, Some(Offset(7)))));
        assert!(reports.next_batch().is_none(), "one batch at a time");
        reports.again();
        assert_eq!(states(&reports.next_batch().expect("a batch")), [TaskState::Running, TaskState::Failed]);
        assert_eq!(reports.done().len(), 2);
        assert!(reports.next_batch().is_none());
    }

    #[test]
    fn the_longest_task_id_still_makes_a_key() {
        let long = format!("{}.999999", "j".repeat(121));
        assert!(status_key(&key(&long), TaskState::Finished).as_str().ends_with(":3:finished"));
        assert_eq!(status_key(&key("web.0"), TaskState::Running).as_str(), "web.0:3:running");
    }
}
