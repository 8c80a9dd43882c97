//! All that a fork needs of a real log: copied out once, with no way back to the log.
//!
//! The whole log is decided again while it is read, so a history exists only where every recorded
//! decision follows from its commands, byte for byte.

use std::collections::{BTreeSet, VecDeque};

use allocator::State;
use command_log::{
    Log, Stored,
    reader::{Reader, Verdict},
};
use log_schema::{AgentId, Class, Command, DecisionV1, JobId, Offset, TaskState, TimeMs};

use super::{
    Error,
    census::{Census, Fact},
    life::Lives,
    script::{Place, Scripts},
    ticks::skew_ms,
    typical::Typical,
};
use crate::{
    moment::Moment,
    redecide::Redecider,
    view::{OnProgress, View},
};

/// Timers that wait for a tick to run from wait this long for one, as with a real leader.
const TICK_COALESCE_MS: u64 = 20;

/// What a record of history is to a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A decision that counts, and when the leader then needed a tick, in log time.
    Decision {
        /// `None` where it needed none.
        ask: Option<u64>,
    },
    /// A decision that repeats another.
    Duplicate,
    /// A tick, with the time that it says.
    Tick {
        /// Log time.
        now: u64,
    },
    /// An agent's report of a start: the modelled agent makes it.
    Report,
    /// An agent's report of no start that is known: it was refused, and is said again unless the fork
    /// has a start of this number, which it must not touch.
    Stray {
        /// The start that it names.
        incarnation: u64,
    },
    /// Anything else: it is said again at its time.
    Said,
}

/// One record of history.
#[derive(Clone, Debug)]
pub struct Past {
    /// The record; its time is never earlier than that of the record before it.
    pub stored: Stored,
    /// What it is to a fork.
    pub role: Role,
    /// The decision that answered it.
    pub cover: Option<Place>,
}

impl Past {
    /// Where it is.
    pub fn place(&self) -> Place {
        Place { offset: self.stored.offset, time: self.stored.time.0 }
    }
}

/// The cell as it was at the fork.
#[derive(Clone, Debug)]
pub struct AtFork {
    /// The reader, which wants the record at the fork next.
    pub reader: Reader,
    /// The allocator's state as of the last decision.
    pub state: State,
    /// Who is who.
    pub census: Census,
    /// When the leader needed a tick.
    pub ask: Option<u64>,
    /// The time of the fork: nothing before it is later, nothing after it earlier.
    pub time: u64,
    /// Log time minus the time of records, as of the last tick.
    pub skew_ms: i64,
}

/// What the report says of the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Decisions that were made again and found equal: all that count.
    pub decisions: u64,
    /// Commands of frameworks after the fork.
    pub framework_commands: u64,
    /// Commands after the fork that answer what the cell decided, those of frameworks included.
    pub endogenous: u64,
}

/// A history, and the place where it is forked.
#[derive(Clone, Debug)]
pub struct History {
    /// The records from the first one that was undecided at the fork.
    pub records: Vec<Past>,
    /// The first offset of the fork.
    pub fork: Offset,
    /// The cell at the fork.
    pub at_fork: AtFork,
    /// What each start did.
    pub lives: Lives,
    /// How long a command usually waited for its decision.
    pub latency_ms: u64,
    /// The time of the last record.
    pub end: u64,
    /// For the report.
    pub tally: Tally,
    /// Agents that are there at the fork or that history names later.
    pub agents: BTreeSet<AgentId>,
    /// Jobs that are there at the fork or that are submitted later.
    pub jobs: BTreeSet<JobId>,
}

impl History {
    /// Reads a log up to where it reaches now, decides it again, and remembers the cell at `moment`.
    pub async fn read(log: &dyn Log, moment: Moment, progress: OnProgress<'_>) -> Result<Self, Error> {
        let view = View::open(log).await?;
        if view.low() > Offset(0) {
            return Err(Error::NeedsSnapshot { low: view.low() });
        }
        let (Moment::Offset(at), high) = (moment, view.high()) else {
            return Self::scan(&view, moment, progress).await;
        };
        if at > high {
            return Err(Error::BeyondEnd { at, high });
        }
        Self::scan(&view, moment, progress).await
    }

    async fn scan(view: &View<'_>, moment: Moment, progress: OnProgress<'_>) -> Result<Self, Error> {
        let mut scan = Scan::new(moment);
        view.for_each(progress, |stored| scan.step(stored)).await?;
        Ok(scan.finish())
    }

    /// The index in [`Self::records`] of the first record of the fork.
    pub fn first_index(&self) -> usize {
        self.records.iter().take_while(|past| past.stored.offset < self.fork).count()
    }

    /// The record at an offset that is not below [`Self::base`].
    pub fn at(&self, offset: Offset) -> Option<&Past> {
        let first = self.records.first()?.stored.offset;
        self.records.get(usize::try_from(offset.0.checked_sub(first.0)?).ok()?)
    }
}

/// When a state needs its next tick, in log time.
pub fn tick_wanted(state: &State) -> Option<u64> {
    let wanted = state.next_tick()?;
    Some(match wanted {
        _ if state.has_backlog() => state.now.0,
        TimeMs(0) => state.now.0 + TICK_COALESCE_MS,
        TimeMs(due) => due.max(state.now.0),
    })
}

/// The reading of a log.
struct Scan {
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
    fn new(moment: Moment) -> Self {
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

    fn step(&mut self, mut stored: Stored) -> Result<(), Error> {
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
        match command {
            Command::Tick(tick) => {
                self.skew_ms = skew_ms(tick.now.0, place.time);
                Role::Tick { now: tick.now.0 }
            }
            Command::UpdateTaskStatus(report) if self.scripts.reported(place, &report) => Role::Report,
            Command::UpdateTaskStatus(report) => Role::Stray { incarnation: report.incarnation.0 },
            Command::SubmitJob(_)
            | Command::StopJob(_)
            | Command::ScaleJob(_)
            | Command::KillTask(_)
            | Command::ReportAgent(_)
            | Command::MarkAgentUnreachable(_)
            | Command::RemoveAgent(_)
            | Command::SubscribeFramework(_)
            | Command::AcceptOffers(_)
            | Command::DeclineOffers(_)
            | Command::ReviveOffers(_)
            | Command::SuppressOffers(_)
            | Command::TeardownFramework(_)
            | Command::SetRole(_)
            | Command::SetParameters(_)
            | Command::ActivateLogic(_) => Role::Said,
        }
    }

    fn count(&mut self, class: Class, command: &Command) {
        let of_framework = matches!(
            command,
            Command::SubscribeFramework(_)
                | Command::AcceptOffers(_)
                | Command::DeclineOffers(_)
                | Command::ReviveOffers(_)
                | Command::SuppressOffers(_)
                | Command::TeardownFramework(_)
        );
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

    fn finish(mut self) -> History {
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
