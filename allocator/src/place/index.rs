//! Finds the best agent for a task without looking at all of them.
//!
//! A *view* holds the agents that could ever take tasks of a class (same constraints, same rare
//! resources), ordered by what is free:
//!
//! ```text
//!   (cpu, mem, number):  (250,512,7) (250,4096,2) (500,128,1) (500,900,4) (16000,8192,0)
//!   ask cpu=300 mem=512, binpack:                 skip ───┘      └── best
//! ```
//!
//! A query seeks to the first agent with the CPU, then skips from one CPU amount to the next with
//! one seek each until the memory is there too: exact, and as many seeks as there are *distinct*
//! amounts of free CPU without enough memory, not as there are agents.
//!
//! The index follows from the agents; it is no part of the state and changes no decision.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use log_schema::{command::Policy, job::ConstraintV1};

use super::fit::{fits, meets};
use crate::{
    share::AMOUNT_MAX,
    state::{
        agents::{Agent, AgentNo, Agents},
        queue::Ask,
    },
};

/// The most classes that are kept; the one asked longest ago goes first.
const VIEWS_MAX: usize = 256;

/// Free CPU, free memory and number in one number, in this order from the highest bit on: half as
/// large as the three, and compared at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position(u128);

/// Bits of an amount in a [`Position`].
const AMOUNT_BITS: u32 = 48;
const _: () = assert!(AMOUNT_MAX < 1 << AMOUNT_BITS, "what an agent has fits in a position");

impl Position {
    /// Before the first agent with so much free.
    fn first(cpu: u64, mem: u64) -> Self {
        Self::new(cpu, mem, 0)
    }

    fn new(cpu: u64, mem: u64, number: AgentNo) -> Self {
        Self((u128::from(cpu) << AMOUNT_BITS | u128::from(mem)) << AgentNo::BITS | u128::from(number))
    }

    fn of(agent: &Agent) -> Self {
        Self::new(agent.free.cpu.0, agent.free.mem.0, agent.number)
    }

    /// The next one that an agent may have.
    fn next(self) -> Self {
        Self(self.0 + 1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
    fn number(self) -> AgentNo {
        self.0 as AgentNo
    }

    #[expect(clippy::cast_possible_truncation, reason = "the bits of one amount are meant")]
    fn mem(self) -> u64 {
        (self.0 >> AgentNo::BITS) as u64 & ((1 << AMOUNT_BITS) - 1)
    }

    fn cpu(self) -> u64 {
        (self.0 >> (AgentNo::BITS + AMOUNT_BITS)) as u64
    }
}

/// What makes agents useless for a task whatever is free on them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    constraints: Vec<ConstraintV1>,
    gpu: bool,
    custom: Vec<CompactString>,
}

impl Class {
    fn of(ask: &Ask) -> Self {
        let custom = ask.resources.custom.keys().cloned().collect();
        Self { constraints: ask.constraints.clone(), gpu: !ask.resources.gpu.is_zero(), custom }
    }

    fn holds(&self, agent: &Agent) -> bool {
        let has_custom = |name: &CompactString| agent.capacity.custom(name) > 0;
        (!self.gpu || !agent.capacity.gpu.is_zero())
            && self.custom.iter().all(has_custom)
            && meets(&self.constraints, agent)
    }
}

/// The agents of one class, by what is free on them.
#[derive(Clone, Debug)]
struct View {
    class: Class,
    by_free: BTreeSet<Position>,
    asked: u64,
}

/// Where an agent stands in the views.
#[derive(Clone, Debug, Default)]
struct Entry {
    position: Option<Position>,
    views: Vec<u32>,
}

/// The views, and each agent's place in them.
#[derive(Clone, Debug, Default)]
pub struct Index {
    views: BTreeMap<u32, View>,
    numbers: BTreeMap<Class, u32>,
    entries: Vec<Entry>,
    next_view: u32,
    asked: u64,
}

impl Index {
    /// The index over all agents.
    pub fn build(agents: &Agents) -> Self {
        let mut index = Self::default();
        agents.iter().for_each(|agent| index.reclassify(agent));
        index
    }

    /// The best agent for a task by a policy, but for those to avoid.
    pub fn best(&mut self, ask: &Ask, policy: Policy, agents: &Agents, avoid: &BTreeSet<AgentNo>) -> Option<AgentNo> {
        let wanted = |number| !avoid.contains(&number) && fits(ask, agents.get(number));
        let number = self.view_for(ask, agents);
        self.asked += 1;
        let view = self.views.get_mut(&number).expect("made above");
        view.asked = self.asked;
        match policy {
            Policy::Binpack => view.tightest(ask, wanted),
            Policy::Spread => view.roomiest(ask, wanted),
        }
    }

    /// Takes note of what is free on an agent and whether it is up.
    pub fn refresh(&mut self, agent: &Agent) {
        let entry = &mut self.entries[agent.number as usize];
        let position = agent.takes_work().then(|| Position::of(agent));
        if entry.position == position {
            return;
        }
        for number in &entry.views {
            let by_free = &mut self.views.get_mut(number).expect("an entry's view is there").by_free;
            entry.position.map(|before| by_free.remove(&before));
            position.map(|after| by_free.insert(after));
        }
        entry.position = position;
    }

    /// Takes note of an agent's attributes and capacity.
    pub fn reclassify(&mut self, agent: &Agent) {
        self.remove(agent.number);
        let slot = agent.number as usize;
        if self.entries.len() <= slot {
            self.entries.resize_with(slot + 1, Entry::default);
        }
        let of_it = self.views.iter().filter(|(_, view)| view.class.holds(agent));
        self.entries[slot].views = of_it.map(|(number, _)| *number).collect();
        self.refresh(agent);
    }

    /// Drops an agent.
    pub fn remove(&mut self, number: AgentNo) {
        let Some(entry) = self.entries.get_mut(number as usize).map(std::mem::take) else { return };
        let Some(position) = entry.position else { return };
        for view in &entry.views {
            self.views.get_mut(view).expect("an entry's view is there").by_free.remove(&position);
        }
    }

    fn view_for(&mut self, ask: &Ask, agents: &Agents) -> u32 {
        let class = Class::of(ask);
        if let Some(number) = self.numbers.get(&class) {
            return *number;
        }
        if self.views.len() == VIEWS_MAX {
            self.drop_stalest();
        }
        let number = self.next_view;
        self.next_view += 1;
        let mut view = View { class: class.clone(), by_free: BTreeSet::new(), asked: 0 };
        for agent in agents.iter().filter(|agent| class.holds(agent)) {
            let entry = &mut self.entries[agent.number as usize];
            entry.views.push(number);
            view.by_free.extend(entry.position);
        }
        self.views.insert(number, view);
        self.numbers.insert(class, number);
        number
    }

    fn drop_stalest(&mut self) {
        let stalest = self.views.iter().min_by_key(|(_, view)| view.asked).map(|(number, _)| *number);
        let number = stalest.expect("there are views");
        let view = self.views.remove(&number).expect("found above");
        self.numbers.remove(&view.class);
        self.entries.iter_mut().for_each(|entry| entry.views.retain(|other| *other != number));
    }
}

impl View {
    /// The least CPU, then the least memory, then the lowest number.
    fn tightest(&self, ask: &Ask, wanted: impl Fn(AgentNo) -> bool) -> Option<AgentNo> {
        let mem = ask.resources.mem.0;
        let mut from = Position::first(ask.resources.cpu.0, mem);
        loop {
            let found = *self.by_free.range(from..).next()?;
            from = match found {
                _ if found.mem() < mem => Position::first(found.cpu(), mem),
                _ if wanted(found.number()) => return Some(found.number()),
                _ => found.next(),
            };
        }
    }

    /// The most CPU, then the most memory, then the lowest number.
    fn roomiest(&self, ask: &Ask, wanted: impl Fn(AgentNo) -> bool) -> Option<AgentNo> {
        let (cpu, mem) = (ask.resources.cpu.0, ask.resources.mem.0);
        let mut before = Position(u128::MAX);
        loop {
            let found = *self.by_free.range(..before).next_back()?;
            if found.cpu() < cpu {
                return None;
            }
            if found.mem() < mem {
                before = Position::first(found.cpu(), 0);
                continue;
            }
            before = Position::first(found.cpu(), found.mem());
            let alike = self.by_free.range(before..=found);
            let best = alike.map(|position| position.number()).find(|number| wanted(*number));
            if best.is_some() {
                return best;
            }
        }
    }
}
