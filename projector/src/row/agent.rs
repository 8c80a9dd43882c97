//! Agents: what each machine has, what is held and offered of it, and whether it is there.

use std::collections::BTreeMap;

use compact_str::CompactString;
use log_schema::{
    AgentId, AgentIdentity, Offset, PortRanges, Resources, TaskId, TaskOwner,
    event::{AgentAdmittedV1, AgentChangedV1, AgentIdentifiedV1, AgentStartFailedV1, AgentStrayedV1, StartFault},
};
use serde::{Deserialize, Serialize};

use super::{Moment, Row, View};
use crate::{
    fold::{Fault, Now, Table},
    ledger,
};

/// The name of this projection.
pub const NAME: &str = "agents";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 4;

/// One machine. A machine that is admitted again under the same id begins a new row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRow {
    /// Which agent.
    pub id: AgentId,
    /// Its number in order of admission.
    pub number: u32,
    /// Its directory, as far as it has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<AgentIdentity>,
    /// Present since it said that it had obeyed a part of the log that was lost; until its state changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strayed: Option<StrayedRow>,
    /// Whether it is there.
    pub state: AgentState,
    /// All that it has.
    pub capacity: Resources,
    /// What constraints are compared with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<CompactString, CompactString>,
    /// How many tasks at once its own limits leave room for, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_max: Option<u32>,
    /// What its tasks hold, ports by number included.
    pub used: Resources,
    /// What stands offered to frameworks.
    pub offered: Resources,
    /// How many tasks hold resources here.
    pub tasks: u32,
    /// How many offers of it stand.
    pub offers: u32,
    /// Whether its tasks hold more than it has.
    #[serde(default)]
    pub overcommitted: bool,
    /// Whether it is suspended, because starts failed on it.
    #[serde(default)]
    pub suspended: bool,
    /// Starts that failed here: one for each job and framework for which it counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_starts: Vec<FailedStart>,
    /// Ports that other programs hold.
    #[serde(default, skip_serializing_if = "PortRanges::is_empty")]
    pub ports_held: PortRanges,
    /// When it was admitted.
    pub admitted: Moment,
    /// Since when it is in its state.
    pub since: Moment,
}

/// A failed start that counts against an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStart {
    /// Whose start failed.
    pub task: TaskId,
    /// Whose fault it was.
    pub fault: StartFault,
}

/// An agent was ahead of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayedRow {
    /// The last offset whose answer it had obeyed, in the part that was lost.
    pub obeyed: Offset,
    /// When it said so.
    pub at: Moment,
}

/// Whether an agent is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It takes tasks.
    Up,
    /// It is silent and may come back to its tasks.
    Unreachable,
    /// It is being removed; its tasks become lost.
    Leaving,
    /// It is gone.
    Removed,
}

impl Row for AgentRow {
    type Id = AgentId;
    const VIEW: View = View::Agents;

    fn id(&self) -> AgentId {
        self.id.clone()
    }

    fn write_key(id: &AgentId, key: &mut Vec<u8>) {
        key.extend_from_slice(id.as_str().as_bytes());
    }

    fn is_live(&self) -> bool {
        self.state != AgentState::Removed
    }
}

impl AgentRow {
    /// What is neither held nor offered, nor a port that another program holds; nothing while it is overcommitted.
    pub fn free(&self) -> Resources {
        if self.overcommitted {
            return Resources::default();
        }
        let left = self.capacity.checked_sub(&self.used);
        let mut left = left.and_then(|left| left.checked_sub(&self.offered)).unwrap_or_default();
        left.ports = left.ports.minus(&self.ports_held);
        left
    }
}

type Agents = Table<AgentRow>;

pub(crate) fn admitted(agents: &mut Agents, now: &Now, event: &AgentAdmittedV1) -> Result<(), Fault> {
    let AgentAdmittedV1 { agent, number, capacity, attributes, tasks_max } = event.clone();
    agents.put(AgentRow {
        id: agent,
        number,
        identity: None,
        strayed: None,
        state: AgentState::Up,
        capacity,
        attributes,
        tasks_max,
        used: Resources::default(),
        offered: Resources::default(),
        tasks: 0,
        offers: 0,
        overcommitted: false,
        suspended: false,
        failed_starts: Vec::new(),
        ports_held: PortRanges::default(),
        admitted: now.moment,
        since: now.moment,
    })
}

/// Takes the new capacity and returns the old one.
pub(crate) fn changed(agents: &mut Agents, event: &AgentChangedV1) -> Result<Resources, Fault> {
    let row = agents.must(&event.agent)?;
    row.attributes.clone_from(&event.attributes);
    row.tasks_max = event.tasks_max;
    Ok(std::mem::replace(&mut row.capacity, event.capacity.clone()))
}

/// A failed start counts for its job or framework; one that counted already is replaced.
pub(crate) fn start_failed(row: &mut AgentRow, event: &AgentStartFailedV1) {
    start_forgiven(row, &event.task);
    row.failed_starts.push(FailedStart { task: event.task.clone(), fault: event.fault });
}

/// A program runs here: what the machine could not start before counts no more, as the allocator has it.
pub(crate) fn start_succeeded(row: &mut AgentRow) {
    if !row.suspended {
        row.failed_starts.retain(|failed| failed.fault != StartFault::Machine);
    }
}

/// The failed start of a job or framework counts no more.
pub(crate) fn start_forgiven(row: &mut AgentRow, task: &TaskId) {
    row.failed_starts.retain(|failed| !is_of_same(&failed.task, task));
}

fn is_of_same(one: &TaskId, other: &TaskId) -> bool {
    match (one.owner(), other.owner()) {
        (TaskOwner::Job { job, .. }, TaskOwner::Job { job: other, .. }) => job == other,
        (TaskOwner::Framework { framework, .. }, TaskOwner::Framework { framework: other, .. }) => framework == other,
        (TaskOwner::Job { .. }, TaskOwner::Framework { .. }) | (TaskOwner::Framework { .. }, TaskOwner::Job { .. }) => {
            false
        }
    }
}

pub(crate) fn identified(agents: &mut Agents, event: &AgentIdentifiedV1) -> Result<(), Fault> {
    agents.must(&event.agent)?.identity = Some(event.identity.clone());
    Ok(())
}

pub(crate) fn strayed(agents: &mut Agents, now: &Now, event: &AgentStrayedV1) -> Result<(), Fault> {
    agents.must(&event.agent)?.strayed = Some(StrayedRow { obeyed: event.obeyed, at: now.moment });
    Ok(())
}

/// Takes the new state and returns the old one.
pub(crate) fn moved(agents: &mut Agents, now: &Now, agent: &AgentId, to: AgentState) -> Result<AgentState, Fault> {
    let row = agents.must(agent)?;
    row.since = now.moment;
    row.strayed = None;
    if to == AgentState::Removed {
        // What kept work off it ends with it.
        (row.overcommitted, row.suspended) = (false, false);
        row.failed_starts.clear();
        row.ports_held = PortRanges::default();
    }
    Ok(std::mem::replace(&mut row.state, to))
}

pub(crate) fn task_taken(agents: &mut Agents, agent: &AgentId, resources: &Resources) -> Result<(), Fault> {
    let row = agents.must(agent)?;
    row.tasks += 1;
    ledger::add(&mut row.used, resources)
}

pub(crate) fn task_freed(agents: &mut Agents, agent: &AgentId, resources: &Resources) -> Result<(), Fault> {
    let row = agents.must(agent)?;
    row.tasks = ledger::less(row.tasks, 1, "tasks of an agent")?;
    ledger::sub(&mut row.used, resources)
}

pub(crate) fn offer_made(agents: &mut Agents, agent: &AgentId, resources: &Resources) -> Result<(), Fault> {
    let row = agents.must(agent)?;
    row.offers += 1;
    ledger::add(&mut row.offered, resources)
}

pub(crate) fn offer_ended(agents: &mut Agents, agent: &AgentId, resources: &Resources) -> Result<(), Fault> {
    let row = agents.must(agent)?;
    row.offers = ledger::less(row.offers, 1, "offers of an agent")?;
    ledger::sub(&mut row.offered, resources)
}
