//! Folds time, and keeps what follows from an agent's room.

use log_schema::{Resources, event::TimeAdvancedV1};

use crate::{
    place::fit::would_fit_in,
    state::{State, agents::AgentNo, queue::Ask},
};

impl State {
    pub(crate) fn time_advanced(&mut self, event: &TimeAdvancedV1) {
        assert!(event.now > self.now, "log time only moves on");
        self.now = event.now;
        self.timers.tick(self.now);
        self.keys.tick(self.now);
    }

    /// Takes resources out of an agent's free ones.
    pub(crate) fn take_room(&mut self, number: AgentNo, resources: &Resources) {
        let agent = self.agents.get_mut(number);
        agent.free.try_sub(resources).unwrap_or_else(|| panic!("agent {} oversold", agent.id));
        self.room_changed(number);
    }

    /// Gives resources back to an agent's free ones.
    pub(crate) fn free_room(&mut self, number: AgentNo, resources: &Resources) {
        let agent = self.agents.get_mut(number);
        // What an overcommitted agent gets back is still less than its tasks hold, until it is said to be enough.
        if !agent.overcommitted {
            agent.free.try_add(resources).unwrap_or_else(|| panic!("agent {} freed twice", agent.id));
        }
        self.room_changed(number);
    }

    /// Keeps the index, the blocked shapes and the offerable agents true after a change of an
    /// agent's free resources or standing.
    pub(crate) fn room_changed(&mut self, number: AgentNo) {
        let agent = self.agents.get(number);
        if let Some(index) = &mut self.index {
            index.refresh(agent);
        }
        if self.queue.has_blocked() {
            self.reconsider_blocked(number);
        }
        self.refresh_offerable(number);
    }

    fn reconsider_blocked(&mut self, number: AgentNo) {
        let agent = self.agents.get(number);
        let room = agent.takes_work().then(|| agent.free_without_offers());
        let fits = |ask: &Ask| room.as_deref().is_some_and(|room| would_fit_in(ask, agent, room));
        self.queue.reconsider_blocked(number, fits);
    }

    /// Keeps the set of offerable agents true for one agent.
    pub(crate) fn refresh_offerable(&mut self, number: AgentNo) {
        if self.frameworks.wanting == 0 {
            return;
        }
        let agent = self.agents.get(number);
        let wanted = self.frameworks.wanting > agent.filtered_by;
        if agent.takes_work() && agent.has_free() && wanted {
            self.frameworks.offerable.insert(number);
        } else {
            self.frameworks.offerable.remove(&number);
        }
    }

    /// Counts one more or one fewer framework that wants offers.
    pub(crate) fn wanting_changed(&mut self, wanting: u32) {
        self.frameworks.wanting = wanting;
        self.frameworks.offerable.clear();
        let agents: Vec<_> = self.agents.iter().map(|agent| agent.number).collect();
        agents.into_iter().for_each(|number| self.refresh_offerable(number));
    }
}
