//! What a run of a fork comes to: waits, ends, placements and the use of the cell over time. Integers only.

use std::collections::BTreeMap;

use log_schema::{AgentId, DecisionV1, TaskState};

use super::census::{Active, Census, Fact, StartKey};

/// Where and when a start was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Where.
    pub agent: AgentId,
    /// When its decision was appended.
    pub time: u64,
    /// The offset of that decision.
    pub offset: u64,
}

/// How much CPU was held from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// From when on.
    pub time: u64,
    /// The milli-CPU that tasks hold.
    pub used: u64,
    /// The milli-CPU of all agents.
    pub total: u64,
}

/// Everything that is measured of one run, from the fork on.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    /// Every start that was placed.
    pub placements: BTreeMap<StartKey, Placement>,
    /// From asking for a job's task to the decision that places it for the first time.
    pub waits_placed_ms: Vec<u64>,
    /// From asking for a job's task to the report that it runs for the first time.
    pub waits_running_ms: Vec<u64>,
    /// Starts that ended, by how.
    pub ends: BTreeMap<TaskState, u64>,
    /// When the last start ended.
    pub last_end: Option<u64>,
    /// Decisions that were made.
    pub decisions: u64,
    /// Refusals in them.
    pub refusals: u64,
    /// The use of the cell, by time.
    pub uses: Vec<Use>,
    used: u64,
}

impl Measure {
    /// Nothing measured yet; what runs at the fork holds its CPU.
    pub fn at_fork(time: u64, census: &Census, total: u64) -> Self {
        let used = census.active().values().map(|active| active.cpu_millis).sum();
        Self { used, uses: vec![Use { time, used, total }], ..Self::default() }
    }

    /// Takes in a decision that was appended at `time` and `offset`; `total` is the CPU of all agents after it.
    pub fn decided(&mut self, decision: &DecisionV1, facts: &[Fact], (offset, time): (u64, u64), total: u64) {
        self.decisions += 1;
        self.refusals += decision.answers.iter().filter(|answer| answer.refusal.is_some()).count() as u64;
        for fact in facts {
            match fact {
                Fact::Placed { agent, active, .. } => {
                    self.placed(active, Placement { agent: agent.clone(), time, offset });
                }
                Fact::Stepped { state, said, active, .. } => self.stepped(active, *state, *said),
                Fact::KillRequested { .. } | Fact::AgentReturned { .. } => {}
            }
        }
        self.note_use(time, total);
    }

    fn placed(&mut self, active: &Active, placement: Placement) {
        self.used += active.cpu_millis;
        self.waits_placed_ms.extend(active.asked.map(|asked| placement.time.saturating_sub(asked)));
        self.placements.insert(active.start.clone(), placement);
    }

    fn stepped(&mut self, active: &Active, state: TaskState, said: u64) {
        if state == TaskState::Running {
            self.waits_running_ms.extend(active.asked.map(|asked| said.saturating_sub(asked)));
        }
        if state.is_terminal() {
            self.used -= active.cpu_millis;
            *self.ends.entry(state).or_insert(0) += 1;
            self.last_end = self.last_end.max(Some(said));
        }
    }

    fn note_use(&mut self, time: u64, total: u64) {
        let last = self.uses.last_mut().expect("begun with one");
        if (last.used, last.total) == (self.used, total) {
            return;
        }
        let now = Use { time, used: self.used, total };
        if last.time == time { *last = now } else { self.uses.push(now) }
    }
}
