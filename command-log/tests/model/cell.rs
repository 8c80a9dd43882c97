//! The model: a log, the leaders that compete for it, and all that can happen to them next.

use std::sync::Arc;

use stateright::{Model, Property};

use crate::{
    chronicle::{Chronicle, Custom, Library},
    entry::{Entry, LeaderId},
    leader::Leader,
    properties,
};

/// How far a run may go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub leaders: u8,
    pub commands: u8,
    /// No leader claims a later epoch than this one.
    pub epochs: u8,
    /// How often leaders crash, or do not learn what became of an append.
    pub ends: u8,
    /// How often an append lands and is tried again.
    pub retries: u8,
    /// How often an append is lost while those behind it land: no log may do that.
    pub losses: u8,
    pub records: u8,
}

/// A cell, before anything has happened.
#[derive(Debug)]
pub struct Cell {
    pub bounds: Bounds,
    pub custom: Custom,
    pub library: Library,
}

/// A moment in the life of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub log: Arc<Chronicle>,
    pub leaders: Vec<Leader>,
    /// What leaders that have ended had under way, each in order; sorted, as nobody waits for them.
    left_behind: Vec<Vec<Entry>>,
    ends: u8,
    retries: u8,
    losses: u8,
}

/// Appends that are under way in one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Those of a leader that waits for them.
    Of(LeaderId),
    /// Those of one that no longer does.
    LeftBehind(usize),
}

/// What happens next. That anybody is paused needs no word: something else happens meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client's command lands.
    Command,
    /// A leader that stands by, or reads that another leads, reads all and appends a claim.
    Claim(LeaderId),
    /// A leader reads on to a record, answers what waits up to there, and appends the decision.
    Decide(LeaderId, u8),
    /// A leader crashes, or does not learn what became of an append: it starts again without a
    /// memory, reads all and appends a claim. Until then it was as good as paused.
    StartAgain(LeaderId),
    /// The first append of a wire lands.
    Land(Wire),
    /// It lands, its ack is lost, and it will be sent again.
    LandAndRetry(Wire),
    /// It is lost, and the next one is not.
    Lose(Wire),
}

impl Cell {
    pub fn new(bounds: Bounds, custom: Custom) -> Self {
        Self { bounds, custom, library: Library::default() }
    }

    fn leader_actions(&self, state: &State, id: LeaderId, actions: &mut Vec<Action>) {
        let (leader, log) = (&state.leaders[usize::from(id)], &*state.log);
        let decides_at = |to: &u8| leader.may_append() && leader.decision(id, log, *to).is_some();
        actions.extend((0..log.readable()).filter(decides_at).map(|to| Action::Decide(id, to)));
        if !self.may_claim(state, id) {
            return;
        }
        if leader.reign.is_none_or(|reign| reign.is_superseded(id, log)) {
            actions.push(Action::Claim(id));
        } else if state.ends < self.bounds.ends {
            actions.push(Action::StartAgain(id));
        }
    }

    /// Leaders are alike until they claim: the first one to claim is called 0, the next one 1.
    fn may_claim(&self, state: &State, id: LeaderId) -> bool {
        let is_known = |leader: &Leader| leader.reign.is_some();
        state.log.now().epoch < self.bounds.epochs && state.leaders[..usize::from(id)].iter().all(is_known)
    }

    fn wire_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for wire in state.wires() {
            actions.push(Action::Land(wire));
            if state.retries < self.bounds.retries {
                actions.push(Action::LandAndRetry(wire));
            }
            if state.losses < self.bounds.losses {
                actions.push(Action::Lose(wire));
            }
        }
    }

    fn append(&self, state: &mut State, entry: Entry) {
        state.log = self.library.append(&state.log, entry);
    }
}

impl Model for Cell {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let log = Arc::new(Chronicle::new(self.custom));
        let leaders = vec![Leader::default(); self.bounds.leaders.into()];
        vec![State { log, leaders, left_behind: Vec::new(), ends: 0, retries: 0, losses: 0 }]
    }

    /// Nothing happens after a halt, as nobody can read on, nor when the log is full: nothing could
    /// land that anybody would read.
    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.log.halt().is_some() || state.log.readable() == self.bounds.records {
            return;
        }
        let commands = state.log.entries().iter().filter(|entry| **entry == Entry::Command).count();
        if commands < self.bounds.commands.into() {
            actions.push(Action::Command);
        }
        (0..self.bounds.leaders).for_each(|id| self.leader_actions(state, id, actions));
        self.wire_actions(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Command => self.append(&mut state, Entry::Command),
            Action::Claim(id) => state.claim(id),
            Action::Decide(id, to) => state.leaders[usize::from(id)].decide(id, &before.log, to),
            Action::StartAgain(id) => {
                state.ends += 1;
                state.claim(id);
            }
            Action::Land(wire) => {
                let entry = state.take_from(wire);
                self.append(&mut state, entry);
            }
            Action::LandAndRetry(wire) => {
                state.retries += 1;
                self.append(&mut state, before.first_on(wire));
            }
            Action::Lose(wire) => {
                state.losses += 1;
                state.take_from(wire);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl State {
    fn wires(&self) -> impl Iterator<Item = Wire> {
        let waiting = |(id, leader): (LeaderId, &Leader)| (!leader.under_way.is_empty()).then_some(Wire::Of(id));
        (0..).zip(&self.leaders).filter_map(waiting).chain((0..self.left_behind.len()).map(Wire::LeftBehind))
    }

    fn first_on(&self, wire: Wire) -> Entry {
        match wire {
            Wire::Of(id) => self.leaders[usize::from(id)].under_way[0],
            Wire::LeftBehind(index) => self.left_behind[index][0],
        }
    }

    fn take_from(&mut self, wire: Wire) -> Entry {
        match wire {
            Wire::Of(id) => self.leaders[usize::from(id)].under_way.remove(0),
            Wire::LeftBehind(index) => {
                let mut rest = self.left_behind.remove(index);
                let entry = rest.remove(0);
                self.leave_behind(rest);
                entry
            }
        }
    }

    fn leave_behind(&mut self, under_way: Vec<Entry>) {
        if !under_way.is_empty() {
            self.left_behind.push(under_way);
            self.left_behind.sort();
        }
    }

    fn claim(&mut self, id: LeaderId) {
        let left_behind = self.leaders[usize::from(id)].claim(id, &self.log);
        self.leave_behind(left_behind);
    }
}
