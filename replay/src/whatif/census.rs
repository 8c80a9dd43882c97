//! Who is who: gives every start of a task a name that history and a fork of it share.
//!
//! Incarnations are numbered over the whole cell and differ between forks. A start is therefore named
//! by its task, by the submission that its job came from, and by its rank among the starts of that task.

use std::collections::BTreeMap;

use log_schema::{
    AgentId, DecisionV1, Event, JobId, Offset, TaskId, TaskOwner, TaskState,
    event::{JobAcceptedV1, JobScaledV1, TaskPlacedV1, TaskStatusChangedV1},
    job::JobKind,
};

/// One start of one task, in history and in every fork of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StartKey {
    /// Which task.
    pub task: TaskId,
    /// The offset in history of the command that submitted its job; 0 for a framework's task.
    pub born: u64,
    /// Which start, from 1.
    pub ordinal: u32,
}

/// A start that holds something on an agent.
#[derive(Clone, Debug)]
pub struct Active {
    /// Which start.
    pub start: StartKey,
    /// The milli-CPU that it holds.
    pub cpu_millis: u64,
    /// When the task was asked for, for the first start of a job's task.
    pub asked: Option<u64>,
}

/// What a decision says about starts and agents.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A start began.
    Placed {
        /// Its number in this log.
        incarnation: u64,
        /// Where it is.
        agent: AgentId,
        /// Whether its job is to end.
        kind: JobKind,
        /// Which start, and what it holds.
        active: Active,
    },
    /// The agent is to end a start.
    KillRequested {
        /// Its number in this log.
        incarnation: u64,
    },
    /// A start stepped to another state.
    Stepped {
        /// Its number in this log.
        incarnation: u64,
        /// The new state.
        state: TaskState,
        /// When the command was appended that said so.
        said: u64,
        /// Which start, and what it holds or held.
        active: Active,
    },
    /// An unreachable agent came back.
    AgentReturned {
        /// Which agent.
        agent: AgentId,
    },
}

/// What is known of a command by its offset: when it was appended, and its offset in history.
pub type Lookup<'a> = &'a dyn Fn(Offset) -> (u64, Option<u64>);

/// The jobs and starts of a log, as its decisions tell of them.
#[derive(Clone, Debug, Default)]
pub struct Census {
    jobs: BTreeMap<JobId, JobLife>,
    framework_starts: BTreeMap<TaskId, u32>,
    active: BTreeMap<u64, Active>,
}

#[derive(Clone, Debug)]
struct JobLife {
    born: u64,
    kind: JobKind,
    count: u32,
    /// From which index on tasks were asked for, and when; the newest last.
    asked: Vec<(u32, u64)>,
    starts: BTreeMap<u32, u32>,
}

impl Census {
    /// Reads one decision and returns its facts, in order.
    pub fn read(&mut self, decision: &DecisionV1, lookup: Lookup<'_>) -> Vec<Fact> {
        let mut facts = Vec::new();
        for answer in &decision.answers {
            let (said, image) = lookup(answer.at);
            for event in &answer.events {
                facts.extend(self.read_event(event, said, image.unwrap_or(u64::MAX)));
            }
        }
        facts
    }

    /// The starts that hold something, by their number in this log.
    pub fn active(&self) -> &BTreeMap<u64, Active> {
        &self.active
    }

    fn read_event(&mut self, event: &Event, said: u64, image: u64) -> Option<Fact> {
        match event {
            Event::JobAccepted(e) => self.job_accepted(e, said, image),
            Event::JobScaled(e) => self.job_scaled(e, said),
            Event::JobForgotten(e) => drop(self.jobs.remove(&e.job)),
            Event::TaskPlaced(e) => return Some(self.task_placed(e, said)),
            Event::TaskStatusChanged(e) => return Some(self.task_stepped(e, said)),
            Event::TaskKillRequested(e) => return Some(Fact::KillRequested { incarnation: e.incarnation.0 }),
            Event::AgentReturned(e) => return Some(Fact::AgentReturned { agent: e.agent.clone() }),
            Event::TimeAdvanced(_)
            | Event::AgentAdmitted(_)
            | Event::AgentChanged(_)
            | Event::AgentOvercommitted(_)
            | Event::AgentRelieved(_)
            | Event::AgentStartFailed(_)
            | Event::AgentStartForgiven(_)
            | Event::AgentSuspended(_)
            | Event::AgentResumed(_)
            | Event::AgentPortsHeld(_)
            | Event::AgentPortsFreed(_)
            | Event::AgentUnreachable(_)
            | Event::AgentIdentified(_)
            | Event::AgentStrayed(_)
            | Event::AgentLeaving(_)
            | Event::AgentRemoved(_)
            | Event::JobStopping(_)
            | Event::JobEnded(_)
            | Event::PlacementDeferred(_)
            | Event::TaskRestartScheduled(_)
            | Event::TaskRestartForgotten(_)
            | Event::TaskRestartDue(_)
            | Event::TaskWithdrawn(_)
            | Event::TaskForgotten(_)
            | Event::FrameworkSubscribed(_)
            | Event::FrameworkEnding(_)
            | Event::FrameworkRemoved(_)
            | Event::OffersSuppressed(_)
            | Event::OffersRevived(_)
            | Event::FilterSet(_)
            | Event::FilterExpired(_)
            | Event::OfferMade(_)
            | Event::OfferEnded(_)
            | Event::RoleSet(_)
            | Event::ParametersSet(_)
            | Event::LogicActivated(_) => {}
        }
        None
    }

    fn job_accepted(&mut self, event: &JobAcceptedV1, said: u64, image: u64) {
        let JobAcceptedV1 { spec } = event;
        let asked = vec![(0, said)];
        let life = JobLife { born: image, kind: spec.kind, count: spec.count, asked, starts: BTreeMap::new() };
        self.jobs.insert(spec.id.clone(), life);
    }

    fn job_scaled(&mut self, event: &JobScaledV1, said: u64) {
        let Some(life) = self.jobs.get_mut(&event.job) else { return };
        if event.count > life.count {
            life.asked.push((life.count, said));
        }
        life.count = event.count;
    }

    fn task_placed(&mut self, event: &TaskPlacedV1, said: u64) -> Fact {
        let (kind, start, asked) = match event.task.owner() {
            TaskOwner::Job { job, index } => self.job_start(&event.task, job, index, said),
            TaskOwner::Framework { .. } => {
                let ordinal = self.framework_starts.entry(event.task.clone()).or_insert(0);
                *ordinal += 1;
                (JobKind::Batch, StartKey { task: event.task.clone(), born: 0, ordinal: *ordinal }, None)
            }
        };
        let active = Active { start, cpu_millis: event.resources.cpu.0, asked };
        let incarnation = event.incarnation.0;
        self.active.insert(incarnation, active.clone());
        Fact::Placed { incarnation, agent: event.agent.clone(), kind, active }
    }

    fn job_start(&mut self, task: &TaskId, job: &str, index: u32, said: u64) -> (JobKind, StartKey, Option<u64>) {
        let life = self.jobs.get_mut(job).expect("a task is placed of a job that was accepted");
        let ordinal = life.starts.entry(index).or_insert(0);
        *ordinal += 1;
        let asked = life.asked.iter().rev().find(|(from, _)| *from <= index).map_or(said, |(_, asked)| *asked);
        let start = StartKey { task: task.clone(), born: life.born, ordinal: *ordinal };
        (life.kind, start, (*ordinal == 1).then_some(asked))
    }

    fn task_stepped(&mut self, event: &TaskStatusChangedV1, said: u64) -> Fact {
        let incarnation = event.incarnation.0;
        let active = self.active.get(&incarnation).expect("only a start that was placed steps").clone();
        if event.state.is_terminal() {
            self.active.remove(&incarnation);
        }
        Fact::Stepped { incarnation, state: event.state, said, active }
    }
}
