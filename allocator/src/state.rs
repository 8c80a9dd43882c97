//! Everything the allocator knows, as a fold over the events of decisions.
//!
//! Nothing here decides: [`State::apply`] refuses nothing and asserts what must hold. The same
//! events give the same state, byte for byte, on every machine.

pub mod agents;
pub mod frameworks;
pub mod hosted;
pub mod jobs;
pub mod keys;
pub mod names;
pub mod queue;
pub mod roles;
pub mod task;
pub mod timers;

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{Chain, Event, TimeMs, codec, command::Policy, event::ParametersV1};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::place::index::Index;
use agents::{AgentNo, Agents, Owner};
use frameworks::{FrameworkNo, Frameworks};
use jobs::{JobNo, Jobs};
use keys::Keys;
use queue::Queue;
use roles::Roles;
use timers::{NextTick, Timers};

/// The parameters of a cell in which nobody has set any.
pub const PARAMETERS_DEFAULT: ParametersV1 = ParametersV1 {
    policy: Policy::Binpack,
    offer_ttl_ms: 30_000,
    agent_lost_after_ms: 60_000,
    key_kept_ms: 600_000,
    ended_kept_ms: 600_000,
};

/// The longest time between two ticks while timers run. A leader that starts knows no time but that of
/// the last tick: with a longer gap, leaders that end again and again would never let a long timer end.
pub const TICK_GAP_MAX_MS: u64 = 60_000;

/// The allocator's memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Log time: what the last tick said.
    pub now: TimeMs,
    /// The version of the logic that decides.
    pub logic_version: u32,
    /// The cell's parameters.
    pub parameters: ParametersV1,
    /// How many times a task was started; the newest incarnation.
    pub starts: u64,
    /// The machines.
    pub agents: Agents,
    /// The jobs.
    pub jobs: Jobs,
    /// The frameworks and offers.
    pub frameworks: Frameworks,
    /// The roles.
    pub roles: Roles,
    /// Who waits for a place.
    pub queue: Queue,
    /// What becomes due.
    pub timers: Timers,
    /// Which commands were answered of late.
    pub keys: Keys,
    /// Jobs with tasks that the cell must end.
    pub surplus: BTreeSet<JobNo>,
    /// Jobs that wait, and of which it was not said yet that they fit nowhere.
    pub unsaid: BTreeSet<JobNo>,
    /// The agents on which starts of a job or framework failed, as each agent's `failed_starts` has it.
    pub failed_on: BTreeMap<Owner, BTreeSet<AgentNo>>,
    /// Agents that are being removed.
    pub leaving: BTreeSet<AgentNo>,
    /// Frameworks that are being torn down.
    pub ending: BTreeSet<FrameworkNo>,
    /// Suppressed frameworks whose offers are still to be rescinded.
    pub rescinding: BTreeSet<FrameworkNo>,
    /// Where tasks fit, built when something is first placed: a fold alone does not pay for it.
    /// It follows from the rest and changes no decision.
    #[serde(skip)]
    pub(crate) index: Option<Index>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            now: TimeMs(0),
            logic_version: 1,
            parameters: PARAMETERS_DEFAULT,
            starts: 0,
            agents: Agents::default(),
            jobs: Jobs::default(),
            frameworks: Frameworks::default(),
            roles: Roles::default(),
            queue: Queue::default(),
            timers: Timers::default(),
            keys: Keys::default(),
            surplus: BTreeSet::new(),
            unsaid: BTreeSet::new(),
            failed_on: BTreeMap::new(),
            leaving: BTreeSet::new(),
            ending: BTreeSet::new(),
            rescinding: BTreeSet::new(),
            index: None,
        }
    }
}

impl State {
    /// Folds one event. Refuses nothing; panics where an invariant is broken, since going on would
    /// decide wrongly.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::TimeAdvanced(e) => self.time_advanced(e),
            Event::AgentAdmitted(e) => self.agent_admitted(e),
            Event::AgentChanged(e) => self.agent_changed(e),
            Event::AgentOvercommitted(e) => self.agent_overcommitted(e),
            Event::AgentRelieved(e) => self.agent_relieved(e),
            Event::AgentStartFailed(e) => self.agent_start_failed(e),
            Event::AgentStartForgiven(e) => self.agent_start_forgiven(e),
            Event::AgentSuspended(e) => self.agent_suspended(e),
            Event::AgentResumed(e) => self.agent_resumed(e),
            Event::AgentPortsHeld(e) => self.agent_ports_held(e),
            Event::AgentPortsFreed(e) => self.agent_ports_freed(e),
            Event::AgentUnreachable(e) => self.agent_unreachable(e),
            Event::AgentReturned(e) => self.agent_returned(e),
            Event::AgentIdentified(e) => self.agent_identified(e),
            // Placing does not depend on it: what was lost with the log is not known here.
            Event::AgentStrayed(_) => {}
            Event::AgentLeaving(e) => self.agent_leaving(e),
            Event::AgentRemoved(e) => self.agent_removed(e),
            Event::JobAccepted(e) => self.job_accepted(e),
            Event::JobScaled(e) => self.job_scaled(e),
            Event::JobStopping(e) => self.job_stopping(e),
            Event::JobEnded(e) => self.job_ended(e),
            Event::JobForgotten(e) => self.job_forgotten(e),
            Event::PlacementDeferred(e) => self.placement_deferred(e),
            Event::TaskPlaced(e) => self.task_placed(e),
            Event::TaskStatusChanged(e) => self.task_status_changed(e),
            Event::TaskKillRequested(e) => self.task_kill_requested(e),
            Event::TaskRestartScheduled(e) => self.task_restart_scheduled(e),
            Event::TaskRestartDue(e) => self.task_restart_due(e),
            Event::TaskRestartForgotten(e) => self.task_restart_forgotten(e),
            Event::TaskWithdrawn(e) => self.task_withdrawn(e),
            Event::TaskForgotten(e) => self.task_forgotten(e),
            Event::FrameworkSubscribed(e) => self.framework_subscribed(e),
            Event::FrameworkEnding(e) => self.framework_ending(e),
            Event::FrameworkRemoved(e) => self.framework_removed(e),
            Event::OffersSuppressed(e) => self.offers_suppressed(e),
            Event::OffersRevived(e) => self.offers_revived(e),
            Event::FilterSet(e) => self.filter_set(e),
            Event::FilterExpired(e) => self.filter_expired(e),
            Event::OfferMade(e) => self.offer_made(e),
            Event::OfferEnded(e) => self.offer_ended(e),
            Event::RoleSet(e) => self.roles.set_weight(&e.role, e.weight),
            Event::ParametersSet(e) => self.parameters = e.clone(),
            Event::LogicActivated(e) => self.logic_version = e.version,
        }
    }

    /// Whether a command or tick would find work that was put off.
    pub fn has_backlog(&self) -> bool {
        self.timers.first_due(self.now).is_some()
            || !self.surplus.is_empty()
            || !self.unsaid.is_empty()
            || !self.leaving.is_empty()
            || self.next_teardown().is_some()
            || !self.rescinding.is_empty()
            || !self.frameworks.offerable.is_empty()
            || self.queue.is_ready()
    }

    /// A framework whose teardown can go on; one that only waits for its tasks to end cannot.
    pub(crate) fn next_teardown(&self) -> Option<FrameworkNo> {
        self.ending.iter().copied().find(|number| {
            let framework = self.frameworks.get(*number);
            framework.active == 0 || !framework.alive.is_empty() || !framework.offers.is_empty()
        })
    }

    /// When the next tick is needed; `None` while nothing becomes due.
    pub fn next_tick(&self) -> Option<NextTick> {
        if self.has_backlog() {
            return Some(NextTick::Now);
        }
        let for_keys = self.keys.next_tick(self.now).map(NextTick::At);
        let for_timers = self.timers.next_tick().map(|tick| tick.min(NextTick::At(self.now.after(TICK_GAP_MAX_MS))));
        for_timers.into_iter().chain(for_keys).min()
    }

    /// The state as bytes, for a snapshot.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The state from the bytes of a snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::Error> {
        let mut state: Self = codec::decode("allocator state", bytes)?;
        state.restore();
        Ok(state)
    }

    /// Rebuilds what encoded bytes do not hold.
    pub(crate) fn restore(&mut self) {
        self.agents.restore();
        self.jobs.restore();
        self.frameworks.restore();
        self.queue.restore();
        self.keys.restore();
    }

    /// SHA-256 over [`Self::encode`].
    pub fn digest(&self) -> Chain {
        Chain(Sha256::digest(self.encode()).into())
    }
}
