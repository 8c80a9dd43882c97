//! Usage: the totals of the cell, one row.
//!
//! It is versioned like every row, so its past is the usage over time: read it as of the offsets at
//! which a chart has points, or with `Scope::history`.

use log_schema::{Resources, TaskState};
use serde::{Deserialize, Serialize};

use super::{AgentState, Moment, Row, TaskCounts, View};
use crate::{
    fold::{Fault, Now, Table},
    ledger,
};

/// The name of this projection.
pub const NAME: &str = "usage";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 1;

/// The totals of the cell. Ports are not summed: those of two machines are not the same ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// When a total changed last.
    pub at: Moment,
    /// What all agents have that are not removed.
    pub capacity: Resources,
    /// The part of `capacity` that is of unreachable and leaving agents.
    pub away: Resources,
    /// What tasks hold.
    pub used: Resources,
    /// What stands offered.
    pub offered: Resources,
    /// How many agents are up.
    pub agents_up: u32,
    /// How many agents are unreachable.
    pub agents_unreachable: u32,
    /// How many agents are leaving.
    pub agents_leaving: u32,
    /// How many frameworks are subscribed or ending.
    pub frameworks: u32,
    /// How many jobs have not ended.
    pub jobs: u32,
    /// How many offers stand.
    pub offers: u32,
    /// How many tasks are in each phase: the sum over the rows of jobs and frameworks.
    pub tasks: TaskCounts,
    /// How many runs of tasks have ended, ever.
    pub ended: Ended,
}

/// Numbers of runs by how they ended, since the beginning of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// With exit code 0.
    pub finished: u64,
    /// With another code, by a signal, or before the start.
    pub failed: u64,
    /// Because the cell asked for it.
    pub killed: u64,
    /// With their agent.
    pub lost: u64,
}

impl Row for UsageRow {
    type Id = ();
    const VIEW: View = View::Usage;

    fn id(&self) {}

    fn write_key((): &(), _key: &mut Vec<u8>) {}
}

impl UsageRow {
    fn agents(&mut self, state: AgentState) -> Option<&mut u32> {
        match state {
            AgentState::Up => Some(&mut self.agents_up),
            AgentState::Unreachable => Some(&mut self.agents_unreachable),
            AgentState::Leaving => Some(&mut self.agents_leaving),
            AgentState::Removed => None,
        }
    }
}

/// The row, dated now.
pub(crate) fn now<'a>(usage: &'a mut Table<UsageRow>, now: &Now) -> Result<&'a mut UsageRow, Fault> {
    let row = usage.or_default(&())?;
    row.at = now.moment;
    Ok(row)
}

/// An agent with this capacity is now in this state.
pub(crate) fn agent_enters(row: &mut UsageRow, state: AgentState, capacity: &Resources) -> Result<(), Fault> {
    let Some(agents) = row.agents(state) else { return Ok(()) };
    *agents += 1;
    if state != AgentState::Up {
        ledger::add_scalars(&mut row.away, capacity)?;
    }
    ledger::add_scalars(&mut row.capacity, capacity)
}

/// An agent with this capacity is no more in this state.
pub(crate) fn agent_leaves(row: &mut UsageRow, state: AgentState, capacity: &Resources) -> Result<(), Fault> {
    let Some(agents) = row.agents(state) else { return Ok(()) };
    *agents = ledger::less(*agents, 1, "agents")?;
    if state != AgentState::Up {
        ledger::sub_scalars(&mut row.away, capacity)?;
    }
    ledger::sub_scalars(&mut row.capacity, capacity)
}

/// A run of a task ended in this state and freed what it held.
pub(crate) fn run_ended(row: &mut UsageRow, state: TaskState, freed: &Resources) -> Result<(), Fault> {
    match state {
        TaskState::Placed | TaskState::Starting | TaskState::Running => {}
        TaskState::Finished => row.ended.finished += 1,
        TaskState::Failed => row.ended.failed += 1,
        TaskState::Killed => row.ended.killed += 1,
        TaskState::Lost => row.ended.lost += 1,
    }
    ledger::sub_scalars(&mut row.used, freed)
}

/// The tasks of one job or framework, once counted as `before`, now count as `after`.
pub(crate) fn tasks_counted(row: &mut UsageRow, before: &TaskCounts, after: &TaskCounts) -> Result<(), Fault> {
    for phase in super::Phase::ALL {
        row.tasks.give(*phase, after.of(*phase));
        row.tasks.take(*phase, before.of(*phase))?;
    }
    Ok(())
}
