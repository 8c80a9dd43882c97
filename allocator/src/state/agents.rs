//! The machines of the cell: what each has, holds and offers.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use compact_str::{CompactString, format_compact};
use log_schema::{AgentId, AgentIdentity, JobId, OfferId, PortRanges, Resources, TaskId, TaskOwner, event::StartFault};
use serde::{Deserialize, Serialize};

use super::{frameworks::FrameworkNo, hosted::Hosted, names::Names, timers::TimerId};

/// An agent's number in order of admission. Numbers are not used again; ties in placement go by them.
pub type AgentNo = u32;

/// The most offers of one agent that stand at a time: what comes free meanwhile waits for one to end.
/// So whatever ends all offers of an agent at once is bounded.
pub const OFFERS_PER_AGENT_MAX: usize = 64;

/// Whether an agent can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is there.
    Up,
    /// It is silent; when the timer is due it is removed.
    Unreachable(TimerId),
    /// It is being removed; its tasks become lost in slices.
    Leaving,
}

/// A job or framework, as failed starts are counted by: `web`, or `spark/`. By name rather than by number,
/// since a failure may count for longer than its job is remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(CompactString);

impl Owner {
    /// Whose task it is.
    pub fn of(task: &TaskId) -> Self {
        match task.owner() {
            TaskOwner::Job { job, .. } => Self(job.into()),
            TaskOwner::Framework { framework, .. } => Self(format_compact!("{framework}/")),
        }
    }

    /// A job.
    pub fn job(job: &JobId) -> Self {
        Self(job.as_str().into())
    }
}

/// A failed start that counts against an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailedStart {
    /// Whose start failed.
    pub task: TaskId,
    /// Whose fault it was.
    pub fault: StartFault,
    /// When it counts no more.
    pub timer: TimerId,
}

/// One machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub id: AgentId,
    /// Its number.
    pub number: AgentNo,
    /// Its directory, as far as it has said.
    pub identity: Option<AgentIdentity>,
    /// Whether it can be used.
    pub standing: Standing,
    /// All that it has.
    pub capacity: Resources,
    /// What constraints are compared with.
    pub attributes: BTreeMap<CompactString, CompactString>,
    /// How many tasks at once its own limits leave room for, if it says.
    pub tasks_max: Option<u32>,
    /// What its tasks hold.
    pub allocated: Resources,
    /// What is out in offers.
    pub offered: Resources,
    /// `capacity - allocated - offered`, without the ports that other programs hold; nothing while it is
    /// overcommitted.
    pub free: Resources,
    /// Whether its tasks hold more than it has: it reported less than before.
    pub overcommitted: bool,
    /// Failed starts that count against it, by the job or framework whose start failed.
    pub failed_starts: BTreeMap<Owner, FailedStart>,
    /// While it is suspended, the timer that ends the suspension.
    pub suspended: Option<TimerId>,
    /// How many suspensions it has had since its last good start.
    pub suspensions: u32,
    /// Ports that other programs hold, each set with the timer that gives it back.
    pub ports_held: BTreeMap<TimerId, PortRanges>,
    /// The tasks that hold something here.
    pub tasks: Hosted,
    /// The offers that stand.
    pub offers: BTreeSet<OfferId>,
    /// How many active, unsuppressed frameworks have a filter on it.
    pub filtered_by: u32,
    /// The frameworks that gave an offer of it back since all of them were offered it.
    pub declined_by: BTreeSet<FrameworkNo>,
}

impl Agent {
    /// Whether it is there.
    pub fn is_up(&self) -> bool {
        self.standing == Standing::Up
    }

    /// Whether new work may go to it.
    pub fn takes_work(&self) -> bool {
        self.is_up() && !self.overcommitted && self.suspended.is_none() && self.tasks_left() != Some(0)
    }

    /// How many more tasks it has room for, if it says. None are left where it has more than it said last.
    pub fn tasks_left(&self) -> Option<u32> {
        let here = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        self.tasks_max.map(|tasks_max| tasks_max.saturating_sub(here))
    }

    /// What is left of its capacity. Nothing while it is overcommitted, even of what it has enough of: a
    /// machine that lost a part of what its tasks count on is not filled up further.
    ///
    /// # Panics
    /// Where it holds more than it has without being overcommitted.
    pub fn left(&self) -> Resources {
        if self.overcommitted {
            return Resources::default();
        }
        let left = self.capacity.checked_sub(&self.allocated).and_then(|left| left.checked_sub(&self.offered));
        let mut left = left.unwrap_or_else(|| panic!("agent {} oversold", self.id));
        for held in self.ports_held.values() {
            left.ports = left.ports.minus(held);
        }
        left
    }

    /// Whether it has CPU or memory to offer, and few enough offers.
    pub fn has_free(&self) -> bool {
        let has_any = !self.free.cpu.is_zero() || !self.free.mem.is_zero();
        has_any && self.offers.len() < OFFERS_PER_AGENT_MAX
    }

    /// What would be free if its offers were rescinded.
    pub fn free_without_offers(&self) -> Cow<'_, Resources> {
        if self.offers.is_empty() {
            return Cow::Borrowed(&self.free);
        }
        Cow::Owned(self.free.checked_add(&self.offered).expect("what is offered is not free"))
    }

    /// An attribute's value; `agent` is the agent's own id.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        match name {
            "agent" => Some(self.id.as_str()),
            _ => self.attributes.get(name).map(CompactString::as_str),
        }
    }
}

/// All agents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Agents {
    /// By number; removed ones leave a gap.
    by_number: Vec<Option<Box<Agent>>>,
    /// How many there are.
    count: u32,
    /// The sum of their capacities.
    pub total: Resources,
    #[serde(skip)]
    names: Names,
}

impl Agents {
    /// The number that the next agent gets.
    pub fn next_number(&self) -> AgentNo {
        AgentNo::try_from(self.by_number.len()).expect("fewer admissions than numbers")
    }

    /// How many agents there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The number of the agent with this name.
    pub fn number(&self, id: &AgentId) -> Option<AgentNo> {
        self.names.get(id.as_str(), |number| self.get(number).id.as_str())
    }

    /// The agent with this name.
    pub fn by_id(&self, id: &AgentId) -> Option<&Agent> {
        self.number(id).map(|number| self.get(number))
    }

    /// The agent with this number.
    pub fn get(&self, number: AgentNo) -> &Agent {
        self.find(number).expect("an agent that is referred to is there")
    }

    /// The agent with this number, if it is still there.
    pub fn find(&self, number: AgentNo) -> Option<&Agent> {
        self.by_number.get(number as usize)?.as_deref()
    }

    /// The agent with this number, to change.
    pub fn get_mut(&mut self, number: AgentNo) -> &mut Agent {
        let slot = self.by_number.get_mut(number as usize).and_then(Option::as_deref_mut);
        slot.expect("an agent that is referred to is there")
    }

    /// Every agent, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.by_number.iter().filter_map(Option::as_deref)
    }

    /// Takes an agent in under [`Self::next_number`].
    pub fn insert(&mut self, agent: Agent) {
        assert_eq!(agent.number, self.next_number(), "agents are numbered in order of admission");
        self.add_to_total(&agent.capacity);
        let number = agent.number;
        self.by_number.push(Some(Box::new(agent)));
        self.count += 1;
        self.name(number);
    }

    /// Drops an agent.
    pub fn remove(&mut self, number: AgentNo) {
        let agent = self.by_number[number as usize].take().expect("an agent that is removed was there");
        self.total.try_sub(&amounts_of(&agent.capacity)).expect("it was in the total");
        self.names.remove(agent.id.as_str(), number);
        self.count -= 1;
    }

    /// Gives an agent another capacity; the caller keeps `free` true.
    pub fn set_capacity(&mut self, number: AgentNo, capacity: Resources) {
        let before = amounts_of(&self.get(number).capacity);
        self.total.try_sub(&before).expect("it was in the total");
        self.add_to_total(&capacity);
        self.get_mut(number).capacity = capacity;
    }

    /// Rebuilds what a snapshot does not hold.
    pub fn restore(&mut self) {
        let numbers: Vec<_> = self.iter().map(|agent| agent.number).collect();
        numbers.into_iter().for_each(|number| self.name(number));
    }

    /// Makes an agent known by its name.
    fn name(&mut self, number: AgentNo) {
        let name_of = |number: AgentNo| {
            let agent = self.by_number[number as usize].as_deref();
            agent.expect("an agent that has a name is there").id.as_str()
        };
        self.names.insert(name_of(number), number, name_of);
    }

    fn add_to_total(&mut self, capacity: &Resources) {
        self.total.try_add(&amounts_of(capacity)).expect("amounts are bounded when they are reported");
    }
}

/// Resources without ports: port numbers of different agents cannot be added.
pub fn amounts_of(resources: &Resources) -> Resources {
    let Resources { cpu, mem, disk, gpu, ports: _, custom } = resources;
    Resources { cpu: *cpu, mem: *mem, disk: *disk, gpu: *gpu, ports: PortRanges::default(), custom: custom.clone() }
}
