//! The frameworks, their tasks and filters, and the offers that stand.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use log_schema::{FrameworkId, OfferId, Principal, Resources, RoleName};
use serde::{Deserialize, Serialize};

use super::{
    agents::AgentNo,
    names::Names,
    task::{Phase, Task},
    timers::TimerId,
};

/// A framework's number in order of subscription. Numbers are not used again.
pub type FrameworkNo = u32;

/// One framework.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Framework {
    /// Its name.
    pub id: FrameworkId,
    /// Its number.
    pub number: FrameworkNo,
    /// The role whose share it uses.
    pub role: RoleName,
    /// Who subscribed it.
    pub owner: Principal,
    /// Whether it is being torn down.
    pub ending: bool,
    /// Whether it wants no offers.
    pub suppressed: bool,
    /// Agents of which it wants no offers, with the timer of each filter.
    pub filters: BTreeMap<AgentNo, TimerId>,
    /// Its tasks that are not forgotten.
    pub tasks: BTreeMap<CompactString, FrameworkTask>,
    /// The tasks that were not asked to end and hold something.
    pub alive: BTreeSet<CompactString>,
    /// How many tasks are active.
    pub active: u32,
    /// The offers that it holds.
    pub offers: BTreeSet<OfferId>,
    /// What its tasks and offers hold, ports left out.
    pub used: Resources,
}

impl Framework {
    /// Whether it takes offers at all.
    pub fn wants_offers(&self) -> bool {
        !self.ending && !self.suppressed
    }
}

/// A framework's task, and the timer that forgets it once it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameworkTask {
    /// The task.
    pub task: Task,
    /// Set when it has ended.
    pub forget: Option<TimerId>,
}

impl FrameworkTask {
    /// Whether it still holds something.
    pub fn is_active(&self) -> bool {
        matches!(self.task.phase, Phase::Active(_))
    }
}

/// An offer that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// To whom.
    pub framework: FrameworkNo,
    /// Of which agent.
    pub agent: AgentNo,
    /// What is offered.
    pub resources: Resources,
    /// When it is over.
    pub timer: TimerId,
}

/// All frameworks and offers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Frameworks {
    by_number: BTreeMap<FrameworkNo, Framework>,
    next_number: FrameworkNo,
    /// The offers that stand.
    pub offers: BTreeMap<OfferId, Offer>,
    /// The number of the newest offer.
    pub newest_offer: u64,
    /// How many frameworks want offers.
    pub wanting: u32,
    /// Agents that have something free and a framework that wants it.
    pub offerable: BTreeSet<AgentNo>,
    #[serde(skip)]
    names: Names,
}

impl Frameworks {
    /// The number that the next framework gets.
    pub fn next_number(&self) -> FrameworkNo {
        self.next_number
    }

    /// How many frameworks there are.
    pub fn count(&self) -> usize {
        self.by_number.len()
    }

    /// The number of the framework with this name.
    pub fn number(&self, name: &str) -> Option<FrameworkNo> {
        self.names.get(name, |number| self.get(number).id.as_str())
    }

    /// The framework with this number.
    pub fn get(&self, number: FrameworkNo) -> &Framework {
        self.by_number.get(&number).expect("a framework that is referred to is there")
    }

    /// The framework with this number, to change.
    pub fn get_mut(&mut self, number: FrameworkNo) -> &mut Framework {
        self.by_number.get_mut(&number).expect("a framework that is referred to is there")
    }

    /// Every framework, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Framework> {
        self.by_number.values()
    }

    /// Takes a framework in under [`Self::next_number`].
    pub fn insert(&mut self, framework: Framework) {
        assert_eq!(framework.number, self.next_number, "frameworks are numbered in order");
        self.next_number += 1;
        let number = framework.number;
        self.by_number.insert(number, framework);
        self.name(number);
    }

    /// Drops a framework.
    pub fn remove(&mut self, number: FrameworkNo) -> Framework {
        let framework = self.by_number.remove(&number).expect("a framework that is removed was there");
        self.names.remove(framework.id.as_str(), number);
        framework
    }

    /// Rebuilds what a snapshot does not hold.
    pub fn restore(&mut self) {
        let numbers: Vec<_> = self.by_number.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.name(number));
    }

    /// Makes a framework known by its name.
    fn name(&mut self, number: FrameworkNo) {
        let name_of = |number: FrameworkNo| self.by_number[&number].id.as_str();
        self.names.insert(name_of(number), number, name_of);
    }
}
