//! The reading of a log: decides it again, follows each start, and remembers the cell at the fork.

use std::collections::{BTreeSet, VecDeque};

use command_log::{Stored, reader::Verdict};
use log_schema::{AgentId, Class, Command, DecisionV1, JobId, Offset, TaskState, command::Speaker};

use super::{AtFork, History, Past, Role, Tally, skew_ms, tick_wanted};
use crate::{
    moment::Moment,
    redecide::Redecider,
    whatif::{
        Error,
        census::{Census, Fact},
        life::Lives,
        script::{Place, Scripts},
        typical::Typical,
    },
};

/// The reading of a log.
pub(super) struct Scan {
    moment: Moment,
    again: Redecider,
    census: Census,
    scripts: Scripts,
    latencies: Typical,
    /// The time of the last record.
    time: u64,
    skew_ms: i64,
    /// The times of the records that no decision has answered.
    waiting: VecDeque<Place>,
    fork: Option<(Offset, AtFork)>,
    records: Vec<Past>,
    tally: Tally,
    agents: BTreeSet<AgentId>,
    jobs: BTreeSet<JobId>,
}

impl Scan {
    /// Nothing read yet.
    pub(super) fn new(moment: Moment) -> Self {
        Self {
            moment,
            again: Redecider::default(),
            census: Census::default(),
            scripts: Scripts::default(),
            latencies: Typical::default(),
            time: 0,
            skew_ms: 0,
            waiting: VecDeque::new(),
            fork: None,
            records: Vec::new(),
            tally: Tally::default(),
            agents: BTreeSet::new(),
            jobs: BTreeSet::new(),
        }
    }

    /// Takes in the next record.
    pub(super) fn step(&mut self, mut stored: Stored) -> Result<(), Error> {
        stored.time.0 = stored.time.0.max(self.time);
        let reached = match self.moment {
            Moment::Offset(offset) => stored.offset >= offset,
            Moment::Time(time) => stored.time >= time,
        };
        if reached && self.fork.is_none() {
            self.take_fork(stored.offset, stored.time.0);
        }
        self.time = stored.time.0;
        let place = Place { offset: stored.offset, time: self.time };
        let verdict = self.again.step(&stored)?;
        let role = match &verdict {
            Verdict::Decision(decision) => self.decision(decision, place),
            Verdict::DuplicateDecision { .. } => Role::Duplicate,
            Verdict::Command => self.command(&stored, place),
            Verdict::Epoch(_) | Verdict::VoidEpoch { .. } | Verdict::VoidDecision { .. } => Role::Said,
        };
        self.waiting.push_back(place);
        if self.fork.is_some() {
            self.records.push(Past { stored, role, cover: None });
        }
        Ok(())
    }

    fn decision(&mut self, decision: &DecisionV1, place: Place) -> Role {
        let answered = self.waiting.partition_point(|waiting| waiting.offset <= decision.to);
        let range: Vec<Place> = self.waiting.drain(..answered).collect();
        self.cover(&range, place);
        let lookup = |at: Offset| {
            let index = usize::try_from(at.0 - decision.from.0).expect("what is undecided can be counted");
            (range[index].time, Some(at.0))
        };
        for fact in self.census.read(decision, &lookup) {
            match fact {
                Fact::Placed { incarnation, agent, kind, active } => {
                    self.scripts.placed(incarnation, agent, kind, &active, place);
                }
                Fact::KillRequested { incarnation } => self.scripts.kill_requested(incarnation, place),
                Fact::Stepped { incarnation, state: TaskState::Lost, .. } => self.scripts.lost(incarnation, place),
                Fact::Stepped { .. } | Fact::AgentReturned { .. } => {}
            }
        }
        Role::Decision { ask: tick_wanted(self.again.state()) }
    }

    /// Notes which decision answered these records, and how long they waited for it.
    fn cover(&mut self, range: &[Place], by: Place) {
        for place in range {
            self.latencies.add(by.time - place.time);
        }
        let (Some(first), Some(asked)) = (self.records.first(), range.last()) else { return };
        let first = first.stored.offset.0;
        let until = usize::try_from((asked.offset.0 + 1).saturating_sub(first)).expect("kept in memory");
        let from = usize::try_from(range[0].offset.0.saturating_sub(first)).expect("kept in memory");
        for past in &mut self.records[from..until] {
            past.cover = Some(by);
        }
    }

    fn command(&mut self, stored: &Stored, place: Place) -> Role {
        let Ok((envelope, command)) = Command::from_record(&stored.record) else { return Role::Said };
        if self.fork.is_some() {
            self.count(envelope.class, &command);
        }
        if let Command::Tick(tick) = command {
            self.skew_ms = skew_ms(tick.now.0, place.time);
            return Role::Tick { now: tick.now.0 };
        }
        // Every other command is said again as it was, whatever it asks.
        let Command::UpdateTaskStatus(report) = command else { return Role::Said };
        let is_known = self.scripts.reported(place, &report);
        if is_known { Role::Report } else { Role::Stray { incarnation: report.incarnation.0 } }
    }

    fn count(&mut self, class: Class, command: &Command) {
        let of_framework = command.speaker() == Speaker::Framework;
        self.tally.framework_commands += u64::from(of_framework);
        self.tally.endogenous += u64::from(of_framework || class == Class::Endogenous);
        if let Command::ReportAgent(report) = command {
            self.agents.insert(report.agent.clone());
        }
        if let Command::SubmitJob(submit) = command {
            self.jobs.insert(submit.job.id.clone());
        }
    }

    /// Remembers the cell as it is before the record at `offset`.
    fn take_fork(&mut self, offset: Offset, next_time: u64) {
        let asked = match self.moment {
            Moment::Offset(_) => None,
            Moment::Time(time) => Some(time.0),
        };
        // Between two records: at the time that was asked for, else right after the first of them.
        let after = if offset == Offset(0) { next_time } else { self.time };
        let state = self.again.state().clone();
        self.agents.extend(state.agents.iter().map(|agent| agent.id.clone()));
        self.jobs.extend(state.jobs.iter().map(|job| job.spec.id.clone()));
        let undecided = self.again.undecided().iter().cloned();
        self.records = undecided.map(|stored| Past { stored, role: Role::Said, cover: None }).collect();
        let at_fork = AtFork {
            reader: self.again.reader().clone(),
            ask: tick_wanted(&state),
            state,
            census: self.census.clone(),
            time: asked.map_or(after, |asked| asked.max(after)),
            skew_ms: self.skew_ms,
        };
        self.fork = Some((offset, at_fork));
    }

    /// The history, after the last record.
    pub(super) fn finish(mut self) -> History {
        if self.fork.is_none() {
            self.take_fork(self.again.reader().next(), self.time);
        }
        let (fork, at_fork) = self.fork.expect("taken above");
        self.tally.decisions = self.again.reader().counts().decisions;
        History {
            records: self.records,
            fork,
            end: self.time.max(at_fork.time),
            at_fork,
            lives: Lives::learn(self.scripts, self.time),
            latency_ms: self.latencies.median().unwrap_or(0),
            tally: self.tally,
            agents: self.agents,
            jobs: self.jobs,
        }
    }
}
