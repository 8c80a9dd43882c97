//! Folds what keeps work off agents that are there: too little for their tasks, failed starts, ports that
//! other programs hold.

use std::collections::BTreeSet;

use log_schema::event::{
    AgentOvercommittedV1, AgentPortsFreedV1, AgentPortsHeldV1, AgentRelievedV1, AgentResumedV1, AgentStartFailedV1,
    AgentStartForgivenV1, AgentSuspendedV1, StartFault,
};

use crate::state::{
    State,
    agents::{AgentNo, FailedStart, Owner},
    timers::Due,
};

impl State {
    pub(crate) fn agent_overcommitted(&mut self, event: &AgentOvercommittedV1) {
        let number = self.agent_no(&event.agent);
        let agent = self.agents.get_mut(number);
        assert!(agent.offered.is_empty(), "offers of an agent are rescinded before it is overcommitted");
        agent.overcommitted = true;
        self.recount(number);
    }

    pub(crate) fn agent_relieved(&mut self, event: &AgentRelievedV1) {
        let number = self.agent_no(&event.agent);
        self.agents.get_mut(number).overcommitted = false;
        self.recount(number);
    }

    pub(crate) fn agent_start_failed(&mut self, event: &AgentStartFailedV1) {
        let AgentStartFailedV1 { agent, task, fault, counts_ms } = event;
        let number = self.agent_no(agent);
        let owner = Owner::of(task);
        self.drop_failed_start(number, &owner);
        let timer = self.timers.set(*counts_ms, Due::StartForgiven(number, owner.clone()));
        self.failed_on.entry(owner.clone()).or_default().insert(number);
        let failed = FailedStart { task: task.clone(), fault: *fault, timer };
        self.agents.get_mut(number).failed_starts.insert(owner, failed);
    }

    pub(crate) fn agent_start_forgiven(&mut self, event: &AgentStartForgivenV1) {
        let number = self.agent_no(&event.agent);
        self.drop_failed_start(number, &Owner::of(&event.task));
    }

    pub(crate) fn agent_suspended(&mut self, event: &AgentSuspendedV1) {
        let number = self.agent_no(&event.agent);
        let timer = self.timers.set(event.suspended_ms, Due::Resumed(number));
        let agent = self.agents.get_mut(number);
        agent.suspensions = event.suspensions;
        assert!(agent.suspended.replace(timer).is_none(), "agent {} is suspended twice", agent.id);
        self.room_changed(number);
    }

    pub(crate) fn agent_resumed(&mut self, event: &AgentResumedV1) {
        let number = self.agent_no(&event.agent);
        let timer = self.agents.get_mut(number).suspended.take().expect("an agent that is resumed was suspended");
        self.timers.cancel(timer);
        self.room_changed(number);
    }

    pub(crate) fn agent_ports_held(&mut self, event: &AgentPortsHeldV1) {
        let number = self.agent_no(&event.agent);
        let timer = self.timers.set(event.held_ms, Due::PortsFreed(number, event.ports.clone()));
        self.agents.get_mut(number).ports_held.insert(timer, event.ports.clone());
        self.recount(number);
    }

    pub(crate) fn agent_ports_freed(&mut self, event: &AgentPortsFreedV1) {
        let number = self.agent_no(&event.agent);
        let held = &mut self.agents.get_mut(number).ports_held;
        // Ports that are held are given to no task, so no two sets of them overlap.
        let found = held.iter().find(|(_, ports)| **ports == event.ports).map(|(timer, _)| *timer);
        let timer = found.expect("ports that are freed were held");
        held.remove(&timer);
        self.timers.cancel(timer);
        self.recount(number);
    }

    /// A program runs on the agent: what it could not start before was no lasting fault of the machine.
    pub(crate) fn start_succeeded(&mut self, number: AgentNo) {
        let agent = self.agents.get_mut(number);
        // A task that was started before the suspension says nothing about what happened since.
        if agent.suspended.is_some() {
            return;
        }
        agent.suspensions = 0;
        let of_the_machine = agent.failed_starts.iter().filter(|(_, failed)| failed.fault == StartFault::Machine);
        let owners: Vec<_> = of_the_machine.map(|(owner, _)| owner.clone()).collect();
        owners.iter().for_each(|owner| self.drop_failed_start(number, owner));
    }

    /// Drops what would become due on an agent that is removed.
    pub(crate) fn drop_timers_on(&mut self, number: AgentNo) {
        let agent = self.agents.get_mut(number);
        let held = std::mem::take(&mut agent.ports_held);
        let suspended = agent.suspended.take();
        let owners: Vec<_> = agent.failed_starts.keys().cloned().collect();
        held.into_keys().chain(suspended).for_each(|timer| self.timers.cancel(timer));
        owners.iter().for_each(|owner| self.drop_failed_start(number, owner));
    }

    fn drop_failed_start(&mut self, number: AgentNo, owner: &Owner) {
        let Some(failed) = self.agents.get_mut(number).failed_starts.remove(owner) else { return };
        self.timers.cancel(failed.timer);
        let on: &mut BTreeSet<AgentNo> = self.failed_on.get_mut(owner).expect("a failed start is known by its owner");
        on.remove(&number);
        if on.is_empty() {
            self.failed_on.remove(owner);
        }
    }

    fn recount(&mut self, number: AgentNo) {
        let agent = self.agents.get_mut(number);
        agent.free = agent.left();
        self.room_changed(number);
    }
}
