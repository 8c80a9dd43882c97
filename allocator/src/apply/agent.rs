//! Folds what happens to agents.

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{
    AgentId, Resources,
    event::{
        AgentAdmittedV1, AgentChangedV1, AgentIdentifiedV1, AgentLeavingV1, AgentRemovedV1, AgentReturnedV1,
        AgentUnreachableV1,
    },
};

use crate::state::{
    State,
    agents::{Agent, AgentNo, Standing},
    hosted::Hosted,
    timers::Due,
};

impl State {
    pub(crate) fn agent_admitted(&mut self, event: &AgentAdmittedV1) {
        let AgentAdmittedV1 { agent, number, capacity, attributes, tasks_max } = event.clone();
        self.agents.insert(Agent {
            id: agent,
            number,
            identity: None,
            standing: Standing::Up,
            free: capacity.clone(),
            overcommitted: false,
            failed_starts: BTreeMap::new(),
            suspended: None,
            suspensions: 0,
            ports_held: BTreeMap::new(),
            capacity,
            attributes,
            tasks_max,
            allocated: Resources::default(),
            offered: Resources::default(),
            tasks: Hosted::default(),
            offers: BTreeSet::new(),
            filtered_by: 0,
            declined_by: BTreeSet::new(),
        });
        self.reclassify(number);
        self.room_changed(number);
    }

    pub(crate) fn agent_changed(&mut self, event: &AgentChangedV1) {
        let number = self.agent_no(&event.agent);
        self.agents.set_capacity(number, event.capacity.clone());
        let agent = self.agents.get_mut(number);
        assert!(agent.offered.is_empty(), "offers of an agent are rescinded before it changes");
        agent.attributes.clone_from(&event.attributes);
        agent.tasks_max = event.tasks_max;
        agent.free = agent.left();
        self.reclassify(number);
        self.room_changed(number);
    }

    pub(crate) fn agent_unreachable(&mut self, event: &AgentUnreachableV1) {
        let number = self.agent_no(&event.agent);
        let timer = self.timers.set(self.parameters.agent_lost_after_ms, Due::AgentLost(number));
        self.set_standing(number, Standing::Unreachable(timer));
    }

    pub(crate) fn agent_returned(&mut self, event: &AgentReturnedV1) {
        let number = self.agent_no(&event.agent);
        self.set_standing(number, Standing::Up);
    }

    pub(crate) fn agent_identified(&mut self, event: &AgentIdentifiedV1) {
        let number = self.agent_no(&event.agent);
        self.agents.get_mut(number).identity = Some(event.identity.clone());
    }

    pub(crate) fn agent_leaving(&mut self, event: &AgentLeavingV1) {
        let number = self.agent_no(&event.agent);
        self.set_standing(number, Standing::Leaving);
        self.leaving.insert(number);
    }

    pub(crate) fn agent_removed(&mut self, event: &AgentRemovedV1) {
        let number = self.agent_no(&event.agent);
        let agent = self.agents.get(number);
        assert!(agent.tasks.is_empty() && agent.offers.is_empty(), "agent {} goes with work on it", agent.id);
        self.leaving.remove(&number);
        self.frameworks.offerable.remove(&number);
        self.drop_filters_on(number);
        self.drop_timers_on(number);
        if let Some(index) = &mut self.index {
            index.remove(number);
        }
        self.agents.remove(number);
    }

    pub(crate) fn agent_no(&self, id: &AgentId) -> AgentNo {
        self.agents.number(id).unwrap_or_else(|| panic!("an event names agent {id}, which is not there"))
    }

    fn set_standing(&mut self, number: AgentNo, standing: Standing) {
        let before = std::mem::replace(&mut self.agents.get_mut(number).standing, standing);
        if let Standing::Unreachable(timer) = before {
            self.timers.cancel(timer);
        }
        self.room_changed(number);
    }

    fn reclassify(&mut self, number: AgentNo) {
        if let Some(index) = &mut self.index {
            index.reclassify(self.agents.get(number));
        }
    }
}
