//! The run of a fork: a discrete-event simulation of leader and agents over a log in memory.
//!
//! One mechanism for every run. History's records come at their times; agents report what each start
//! does wherever it was placed; the leader answers each record after the delay it had in history, and
//! ticks when history's leader ticked. It adds a tick of its own only where the fork needs one earlier
//! than history did. So a fork in which nothing is changed *is* history, record by record, and nobody
//! has to tell the two apart.
//!
//! ```text
//!   history ─┐                                   ┌─> agents ──> reports ─┐
//!   changes ─┼─> append ─> due ─> answer() ─> decision ─> measure        │
//!            └───────────────────────────────────<───────────────────────┘
//! ```

use allocator::{State, answer};
use log_schema::{DecisionV1, Kind, Offset, Record, TaskState};

use super::{
    Error,
    agents::{Agents, Scheduled, Speech, Utterance},
    census::{Census, Fact},
    change::{Changes, Rewritten},
    fork_log::{ForkLog, Pending},
    history::{History, Past, Role},
    measure::Measure,
    pace::Pace,
    queue::{Event, Queue, When},
    script::Place,
    ticks::{Ticks, own_tick, tick_at},
};

/// A fork while it runs.
pub(super) struct Simulation<'a> {
    pub(super) history: &'a History,
    changes: &'a Changes,
    pace: Pace,
    pub(super) log: ForkLog<'a>,
    pub(super) state: State,
    census: Census,
    pub(super) agents: Agents<'a>,
    pub(super) measure: Measure,
    queue: Queue,
    pub(super) now: When,
    /// The index of the next record of history.
    next_past: usize,
    ticks: Ticks,
}

impl<'a> Simulation<'a> {
    /// A fork in which nothing has happened yet but the changes.
    pub(super) fn at_fork(history: &'a History, changes: &'a Changes, pace: Pace) -> Result<Self, Error> {
        let at_fork = &history.at_fork;
        let (agents, scheduled) = Agents::at_fork(history);
        let total = at_fork.state.agents.total.cpu.0;
        let own = When::end_of(at_fork.time + history.latency_ms);
        let log = ForkLog::at_fork(history, |past| if pace == Pace::Own { own } else { due_in(history, past.cover) });
        let mut simulation = Self {
            history,
            changes,
            pace,
            log,
            state: at_fork.state.clone(),
            census: at_fork.census.clone(),
            agents,
            measure: Measure::at_fork(at_fork.time, &at_fork.census, total),
            queue: Queue::default(),
            now: When::start_of(at_fork.time),
            next_past: history.first_index(),
            ticks: Ticks::at_fork(at_fork, pace),
        };
        simulation.schedule_reports(scheduled);
        simulation.insert_changes()?;
        // For what no decision of history answers, before the fork and up to its end.
        simulation.queue.schedule(own.time, None, Event::Decide);
        simulation.queue.schedule(history.answered_by(), None, Event::Decide);
        simulation.consider_tick();
        Ok(simulation)
    }

    /// Says the changes at the fork. They are answered together with the record that comes next in history; where no
    /// decision answers that, with what history left unanswered. Answered earlier, they would take along what waits.
    fn insert_changes(&mut self) -> Result<(), Error> {
        let cover = self.past().and_then(|past| past.cover);
        for record in self.changes.inserted(&self.state) {
            let due = match self.pace {
                Pace::History => due_in(self.history, cover),
                Pace::Own => self.due_later(),
            };
            self.log.append(self.now.time, record, None, due)?;
        }
        Ok(())
    }

    /// The next record of history.
    pub(super) fn past(&self) -> Option<&'a Past> {
        self.history.records.get(self.next_past)
    }

    /// When the next thing happens.
    pub(super) fn next_when(&self) -> Option<When> {
        let past = self.past().map(|past| When::of(past.place()));
        past.into_iter().chain(self.queue.next_when()).min()
    }

    /// Lets the next thing happen.
    pub(super) fn step(&mut self, when: When) -> Result<(), Error> {
        self.now = when;
        match self.past() {
            Some(past) if When::of(past.place()) == when => {
                self.next_past += 1;
                self.replay(past)?;
            }
            Some(_) | None => match self.queue.pop() {
                Some((_, Event::Report(utterance))) => self.report(utterance)?,
                Some((_, Event::Decide)) => self.decide_own()?,
                Some((_, Event::Tick)) => self.tick()?,
                None => {}
            },
        }
        if self.past().is_none() {
            self.ticks.history_ended();
        }
        self.consider_tick();
        Ok(())
    }

    /// What history has here.
    fn replay(&mut self, past: &Past) -> Result<(), Error> {
        let keeps_pace = self.pace == Pace::History;
        let in_step = keeps_pace && self.log.parted().is_none();
        match past.role {
            Role::Decision { ask } if keeps_pace => {
                let when = self.now;
                let range = self.log.take_due(|due| due <= when);
                self.decide(&range, Some(past.place()))?;
                self.ticks.history_asks(ask);
            }
            Role::Tick { now } if keeps_pace => {
                let said = self.ticks.history_says(past.place(), now);
                let record = &past.stored.record;
                self.say(if said == now { record.clone() } else { tick_at(record, said) }, Some(past.place()))?;
            }
            Role::Duplicate if in_step => self.say(past.stored.record.clone(), Some(past.place()))?,
            Role::Stray { incarnation } if in_step || !self.census.active().contains_key(&incarnation) => {
                self.say(past.stored.record.clone(), Some(past.place()))?;
            }
            Role::Said => match self.changes.rewrite(&past.stored.record) {
                Rewritten::Same => self.say(past.stored.record.clone(), Some(past.place()))?,
                Rewritten::Changed(record) => self.say(record, Some(past.place()))?,
                Rewritten::Dropped => {}
            },
            Role::Report | Role::Decision { .. } | Role::Tick { .. } | Role::Duplicate | Role::Stray { .. } => {}
        }
        Ok(())
    }

    fn report(&mut self, utterance: Utterance) -> Result<(), Error> {
        let place = utterance.place().filter(|place| When::of(*place) == self.now);
        match self.agents.speak(utterance, self.now.time, place, &self.state) {
            Speech::Said(record) => self.say(record, place),
            Speech::Silent => Ok(()),
        }
    }

    /// Appends a record, at its place in history where it has one.
    fn say(&mut self, record: Record, place: Option<Place>) -> Result<(), Error> {
        let is_epoch = record.kind == Kind::Epoch.number();
        let due = self.due_at(place);
        self.log.append(self.now.time, record, place.map(|place| place.offset), due)?;
        if is_epoch {
            // What waited for a leader.
            self.due_later();
        }
        Ok(())
    }

    /// When a record is answered that history has at `place`, or that it does not have.
    fn due_at(&mut self, place: Option<Place>) -> When {
        let past = place.filter(|_| self.pace == Pace::History).and_then(|place| self.history.at(place.offset));
        let due = past.map(|past| due_in(self.history, past.cover)).filter(|due| *due > self.now);
        due.unwrap_or_else(|| self.due_later())
    }

    /// When a record is answered that is new in the fork: after the usual time.
    fn due_later(&mut self) -> When {
        let time = self.now.time + self.history.latency_ms;
        self.queue.schedule(time, None, Event::Decide);
        When::end_of(time)
    }

    fn decide_own(&mut self) -> Result<(), Error> {
        let until = When::end_of(self.now.time);
        let range = self.log.take_due(|due| due.is_own() && due <= until);
        self.decide(&range, None)
    }

    /// Answers a range of records and appends the decision.
    fn decide(&mut self, range: &[Pending], place: Option<Place>) -> Result<(), Error> {
        let (Some(first), Some(last)) = (range.first(), range.last()) else { return Ok(()) };
        let mut answers = Vec::new();
        for Pending { stored, .. } in range {
            answers.extend(answer(&mut self.state, stored.offset, &stored.record)?);
        }
        for (decision, record) in self.log.decisions(first.stored.offset, last.stored.offset, answers) {
            let due = place.map_or(When::NEVER, |place| {
                due_in(self.history, self.history.at(place.offset).and_then(|past| past.cover))
            });
            let appended = self.log.append(self.now.time, record, place.map(|place| place.offset), due)?;
            self.decided(&decision, range, appended);
        }
        self.ticks.decided(last.stored.offset);
        Ok(())
    }

    /// Tells the agents and the measure what was decided.
    fn decided(&mut self, decision: &DecisionV1, range: &[Pending], at: Place) {
        let lookup = |offset: Offset| {
            let first = range.first().expect("a decision answers something").stored.offset;
            let pending = &range[usize::try_from(offset.0 - first.0).expect("kept in memory")];
            (pending.stored.time.0, pending.image.map(|image| image.0))
        };
        let facts = self.census.read(decision, &lookup);
        self.measure.decided(decision, &facts, (at.offset.0, at.time), self.state.agents.total.cpu.0);
        for fact in facts {
            let scheduled = match fact {
                Fact::Placed { incarnation, agent, kind, active } => {
                    self.agents.placed(incarnation, agent, kind, &active, at)
                }
                Fact::KillRequested { incarnation } => {
                    self.agents.kill_requested(incarnation, at.time).into_iter().collect()
                }
                Fact::Stepped { incarnation, state: TaskState::Lost, .. } => {
                    self.agents.lost(incarnation, at.time);
                    Vec::new()
                }
                Fact::Stepped { .. } => Vec::new(),
                Fact::AgentReturned { agent } => self.agents.returned(&agent, at.time),
            };
            self.schedule_reports(scheduled);
        }
    }

    fn schedule_reports(&mut self, scheduled: Vec<Scheduled>) {
        for (time, place, utterance) in scheduled {
            self.queue.schedule(time.max(self.now.time), place, Event::Report(utterance));
        }
    }

    fn consider_tick(&mut self) {
        if self.log.has_leader()
            && let Some(time) = self.ticks.next_own(&self.state, self.now.time)
        {
            self.queue.schedule(time, None, Event::Tick);
        }
    }

    fn tick(&mut self) -> Result<(), Error> {
        if let Some(now) = self.ticks.due(&self.state, self.now.time) {
            let record = own_tick(now);
            let due = self.due_later();
            let place = self.log.append(self.now.time, record, None, due)?;
            self.ticks.said(place, now);
        }
        Ok(())
    }
}

/// When a record of history is answered: with its decision, or after the end where it has none.
fn due_in(history: &History, cover: Option<Place>) -> When {
    cover.map_or(When::end_of(history.answered_by()), When::of)
}
