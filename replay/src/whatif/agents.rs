//! Modelled agents: they report of each start what history or the model says, and reach nothing real.
//!
//! An agent answers the decisions of the fork: a placement sets off the reports of a start, a request
//! to end a start sets off its last report. A report that history has at the same time, by the same
//! agent, of the same incarnation, is history's record, byte for byte.

use std::collections::BTreeMap;

use allocator::{State, state::agents::Standing};
use log_schema::{
    AgentId, Class, Command, Envelope, Incarnation, Key, Principal, Record, TaskState, TimeMs,
    command::UpdateTaskStatusV1, job::JobKind,
};

use super::{
    census::{Active, StartKey},
    history::History,
    life::{Planned, Source},
    script::{Place, Report, Script},
};

/// What part of a start a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Before,
    End,
    Echo,
}

/// A report that is scheduled.
#[derive(Clone, Debug)]
pub struct Utterance {
    incarnation: u64,
    part: Part,
    planned: Planned,
}

/// A report and its time; with its place where history has it at that time.
pub type Scheduled = (u64, Option<Place>, Utterance);

impl Utterance {
    /// Where history has it.
    pub fn place(&self) -> Option<Place> {
        self.planned.place
    }
}

/// What an agent says when its report is due.
#[derive(Clone, Debug)]
pub enum Speech {
    /// This record.
    Said(Record),
    /// Nothing: the start is over, or the agent is away.
    Silent,
}

/// One start on a modelled agent.
#[derive(Clone, Debug)]
struct Run {
    start: StartKey,
    agent: AgentId,
    placed: Place,
    kind: JobKind,
    /// Whether history has this start at the same time, on the same agent, under the same number.
    as_history: bool,
    source: Source,
    closed: Option<u64>,
}

/// Every agent of a fork.
#[derive(Debug)]
pub struct Agents<'a> {
    history: &'a History,
    runs: BTreeMap<u64, Run>,
    /// Reports of agents that are away.
    held: BTreeMap<AgentId, Vec<Utterance>>,
    /// Starts that are to end by themselves and have not.
    open: u64,
    ended: BTreeMap<Source, u64>,
}

impl<'a> Agents<'a> {
    /// The agents at the fork, with the reports that are still to come of the starts before it.
    pub fn at_fork(history: &'a History) -> (Self, Vec<Scheduled>) {
        let (runs, held, ended) = Default::default();
        let mut agents = Self { history, runs, held, open: 0, ended };
        let mut scheduled = Vec::new();
        let before = |place: Place| place.offset < history.fork;
        for (start, script) in history.lives.scripts().iter().filter(|(_, script)| before(script.placed)) {
            let over = script.closed.is_some_and(before);
            if over && !script.echoes().any(|echo| !before(echo.place)) {
                continue;
            }
            let closed = script.closed.filter(|closed| before(*closed)).map(|closed| closed.time);
            let (agent, kind, placed) = (script.agent.clone(), script.kind, script.placed);
            scheduled.extend(agents.begin(script.incarnation, start, agent, kind, placed, closed));
            if let Some(killed) = script.killed.filter(|killed| before(*killed)) {
                scheduled.extend(agents.kill_requested(script.incarnation, killed.time));
            }
        }
        let said_before = |place: Option<Place>| place.is_some_and(before);
        scheduled.retain(|(_, place, _)| !said_before(*place));
        (agents, scheduled)
    }

    /// An agent takes a start on; returns what it will report.
    pub fn placed(
        &mut self,
        incarnation: u64,
        agent: AgentId,
        kind: JobKind,
        active: &Active,
        placed: Place,
    ) -> Vec<Scheduled> {
        self.begin(incarnation, &active.start, agent, kind, placed, None)
    }

    /// An agent is asked to end a start; returns what it will report.
    pub fn kill_requested(&mut self, incarnation: u64, asked: u64) -> Option<Scheduled> {
        let run = self.runs.get(&incarnation).filter(|run| run.closed.is_none())?;
        let planned = self.history.lives.kill_answer(&run.start);
        Some(schedule(asked, Utterance { incarnation, part: Part::End, planned }))
    }

    /// The cell gave a start up.
    pub fn lost(&mut self, incarnation: u64, time: u64) {
        self.close(incarnation, time);
    }

    /// An agent is back; returns what it has to report.
    pub fn returned(&mut self, agent: &AgentId, time: u64) -> Vec<Scheduled> {
        let held = self.held.remove(agent).unwrap_or_default();
        held.into_iter().map(|utterance| (time, None, utterance)).collect()
    }

    /// What an agent says now that a report is due; `place` is where history has it at this time.
    pub fn speak(&mut self, utterance: Utterance, time: u64, place: Option<Place>, state: &State) -> Speech {
        let Some(run) = self.runs.get(&utterance.incarnation).filter(|run| self.may_say(run, &utterance)) else {
            return Speech::Silent;
        };
        let as_history = place.filter(|_| run.as_history).and_then(|place| self.history.at(place.offset));
        if let Some(past) = as_history {
            let record = past.stored.record.clone();
            self.said(&utterance, time);
            return Speech::Said(record);
        }
        match state.agents.by_id(&run.agent).map(|agent| agent.standing) {
            Some(Standing::Up) => {
                let record = report(run, &utterance, time);
                self.said(&utterance, time);
                Speech::Said(record)
            }
            Some(Standing::Unreachable(_)) => {
                self.held.entry(run.agent.clone()).or_default().push(utterance);
                Speech::Silent
            }
            Some(Standing::Leaving) | None => Speech::Silent,
        }
    }

    /// Whether a start that is to end by itself has not ended yet.
    pub fn has_open(&self) -> bool {
        self.open > 0
    }

    /// How many starts ended by themselves, by where their length came from; and how many that have
    /// no end still run.
    pub fn ended(&self) -> BTreeMap<Source, u64> {
        let mut ended = self.ended.clone();
        let endless = self.runs.values().filter(|run| run.closed.is_none() && run.source == Source::Endless).count();
        ended.insert(Source::Endless, endless as u64);
        ended
    }

    fn begin(
        &mut self,
        incarnation: u64,
        start: &StartKey,
        agent: AgentId,
        kind: JobKind,
        placed: Place,
        closed: Option<u64>,
    ) -> Vec<Scheduled> {
        let script = self.history.lives.scripts().get(start);
        let as_history = script.is_some_and(|script| {
            script.incarnation == incarnation && script.agent == agent && script.placed.time == placed.time
        });
        let plan = self.history.lives.plan(start, kind);
        let say = |part, planned: Planned| schedule(placed.time, Utterance { incarnation, part, planned });
        let part = |planned: &Planned| if planned.state.is_terminal() { Part::End } else { Part::Before };
        let mut scheduled: Vec<_> = plan.reports.into_iter().map(|planned| say(part(&planned), planned)).collect();
        for echo in script.into_iter().flat_map(Script::echoes).filter(|_| as_history) {
            let Report { place, state, end } = echo.clone();
            let planned = Planned { after_ms: place.time - placed.time, state, end, place: Some(place) };
            scheduled.push(say(Part::Echo, planned));
        }
        let run = Run { start: start.clone(), agent, placed, kind, as_history, source: plan.source, closed };
        self.open += u64::from(run.is_to_end());
        self.runs.insert(incarnation, run);
        scheduled
    }

    /// An echo is only heard where the end was as history had it; anything else only before the end.
    fn may_say(&self, run: &Run, utterance: &Utterance) -> bool {
        let as_history = || {
            let script = self.history.lives.scripts().get(&run.start);
            script.and_then(|script| script.closed).map(|closed| closed.time)
        };
        match utterance.part {
            Part::Before | Part::End => run.closed.is_none(),
            Part::Echo => run.closed.is_some() && run.closed == as_history(),
        }
    }

    fn said(&mut self, utterance: &Utterance, time: u64) {
        if utterance.part == Part::End {
            let by_itself = utterance.planned.state != TaskState::Killed;
            let source = self.runs[&utterance.incarnation].source;
            *self.ended.entry(source).or_insert(0) += u64::from(by_itself);
            self.close(utterance.incarnation, time);
        }
    }

    fn close(&mut self, incarnation: u64, time: u64) {
        let Some(run) = self.runs.get_mut(&incarnation).filter(|run| run.closed.is_none()) else { return };
        self.open -= u64::from(run.is_to_end());
        run.closed = Some(time);
        if !run.as_history {
            self.runs.remove(&incarnation);
        }
    }
}

impl Run {
    /// Whether the simulation waits for its end.
    fn is_to_end(&self) -> bool {
        self.closed.is_none() && self.kind == JobKind::Batch && self.source != Source::Endless
    }
}

/// At history's place where that is its time, else at a time of its own.
fn schedule(from: u64, utterance: Utterance) -> Scheduled {
    let time = from + utterance.planned.after_ms;
    let place = utterance.planned.place.filter(|place| place.time == time);
    (time, place, utterance)
}

/// The record of a report that history does not have like this.
fn report(run: &Run, utterance: &Utterance, time: u64) -> Record {
    let Planned { state, end, .. } = utterance.planned.clone();
    let envelope = Envelope {
        principal: Principal::new(run.agent.as_str()).expect("an agent's id is a legal principal"),
        key: Key::new(format!("whatif-{}-{state}", utterance.incarnation)).expect("a legal key"),
        caused_by: Some(run.placed.offset),
        class: Class::Intrinsic,
    };
    let body = UpdateTaskStatusV1 {
        task: run.start.task.clone(),
        incarnation: Incarnation(utterance.incarnation),
        agent: run.agent.clone(),
        state,
        end,
        observed: TimeMs(time),
    };
    Command::UpdateTaskStatus(body).to_record(&envelope)
}
