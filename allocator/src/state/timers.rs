//! What becomes due, in log time.
//!
//! A timer that is set between two ticks runs from the next tick: log time stands still between
//! ticks, and counting from the last one would let a timer be due too early.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use log_schema::{OfferId, PortRanges, TimeMs};
use serde::{Deserialize, Serialize};

use super::{
    agents::{AgentNo, Owner},
    frameworks::FrameworkNo,
    jobs::JobNo,
};

/// A timer's number, in order of setting.
pub type TimerId = u64;

/// What happens when a timer is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Due {
    /// An unreachable agent is given up.
    AgentLost(AgentNo),
    /// A failed start counts no more against an agent.
    StartForgiven(AgentNo, Owner),
    /// An agent's suspension is over.
    Resumed(AgentNo),
    /// Ports that another program held are given to tasks again.
    PortsFreed(AgentNo, PortRanges),
    /// A task's back-off is over.
    Restart(JobNo, u32),
    /// Early restarts of a task count no more.
    RestartsForgotten(JobNo, u32),
    /// An ended job is forgotten.
    ForgetJob(JobNo),
    /// A framework's ended task is forgotten.
    ForgetTask(FrameworkNo, CompactString),
    /// An offer was not answered in time.
    OfferTimedOut(OfferId),
    /// A filter is over.
    FilterExpired(FrameworkNo, AgentNo),
}

/// When the next tick is needed; the earlier is the lesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NextTick {
    /// At once: work waits for it.
    Now,
    /// Within [`TICK_COALESCE_MS`], so that one tick serves many: timers start with it.
    Soon,
    /// When log time is this.
    At(TimeMs),
}

/// How long timers that start with the next tick wait for it.
pub const TICK_COALESCE_MS: u64 = 20;

/// Every timer that is set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timers {
    next: TimerId,
    /// What each timer does, and its delay or due time.
    set: BTreeMap<TimerId, (Due, u64)>,
    /// Timers that run from the next tick.
    unanchored: BTreeSet<TimerId>,
    /// Timers that run, by due time.
    running: BTreeSet<(TimeMs, TimerId)>,
}

impl Timers {
    /// Sets a timer that runs from the next tick.
    pub fn set(&mut self, delay_ms: u64, due: Due) -> TimerId {
        let id = self.next;
        self.next += 1;
        self.set.insert(id, (due, delay_ms));
        self.unanchored.insert(id);
        id
    }

    /// Takes a timer back, due or not.
    pub fn cancel(&mut self, id: TimerId) {
        let (_, time) = self.set.remove(&id).expect("a timer that is cancelled was set");
        if !self.unanchored.remove(&id) {
            assert!(self.running.remove(&(TimeMs(time), id)), "a timer waits or runs");
        }
    }

    /// Lets a timer be due so much later.
    pub fn postpone(&mut self, id: TimerId, by_ms: u64) {
        let (_, time) = self.set.get_mut(&id).expect("a timer that is postponed was set");
        let before = std::mem::replace(time, time.saturating_add(by_ms));
        if self.running.remove(&(TimeMs(before), id)) {
            self.running.insert((TimeMs(*time), id));
        }
    }

    /// Lets the timers run that were set since the last tick.
    pub fn tick(&mut self, now: TimeMs) {
        for id in std::mem::take(&mut self.unanchored) {
            let (_, time) = self.set.get_mut(&id).expect("a timer that waits was set");
            let due = now.after(*time);
            *time = due.0;
            self.running.insert((due, id));
        }
    }

    /// The first timer that is due.
    pub fn first_due(&self, now: TimeMs) -> Option<&Due> {
        let (due, id) = self.running.first()?;
        (*due <= now).then(|| &self.set[id].0)
    }

    /// When timers need the next tick.
    pub fn next_tick(&self) -> Option<NextTick> {
        if !self.unanchored.is_empty() {
            return Some(NextTick::Soon);
        }
        self.running.first().map(|(due, _)| NextTick::At(*due))
    }

    /// How many timers there are.
    pub fn count(&self) -> usize {
        self.set.len()
    }
}
