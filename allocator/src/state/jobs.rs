//! The jobs and their tasks.

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{
    JobId,
    event::JobOutcome,
    job::{JobKind, JobSpecV1},
    task::TaskState,
};
use serde::{Deserialize, Serialize};

use super::{
    names::Names,
    queue::ShapeNo,
    task::{Phase, Task},
    timers::TimerId,
};

/// A job's number in order of acceptance. Numbers are not used again.
pub type JobNo = u32;

/// Whether a job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Its tasks are placed and restarted.
    Running,
    /// Its tasks are being ended.
    Stopping,
    /// Nothing of it is left to run; when the timer is due it is forgotten.
    Ended(JobOutcome, TimerId),
}

/// One job.
///
/// ```text
///  index:  0 ......... fresh ........ count
///          │ have been  │ never placed │
///          │ placed     │ (no `Task`)  │
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub number: JobNo,
    /// As submitted; `count` there is the first one.
    pub spec: JobSpecV1,
    /// What it asks for, by number.
    pub shape: ShapeNo,
    /// Whether it goes on.
    pub standing: Standing,
    /// How many tasks are wanted.
    pub count: u32,
    /// The lowest index that was never placed.
    pub fresh: u32,
    /// Every task that was ever placed, or withdrawn before that.
    pub tasks: BTreeMap<u32, Task>,
    /// Tasks to be placed again.
    pub again: BTreeSet<u32>,
    /// Tasks that wait for their next start.
    pub backing_off: BTreeSet<u32>,
    /// Active tasks that were not asked to end.
    pub alive: BTreeSet<u32>,
    /// How many tasks are active.
    pub active: u32,
    /// Its place in the queue, while tasks wait.
    pub turn: Option<u64>,
    /// How many tasks were placed in this turn.
    pub placed_in_turn: u32,
    /// Whether it was said that its tasks cannot be placed.
    pub deferred: bool,
}

impl Job {
    /// How many indexes have never been placed.
    pub fn fresh_left(&self) -> u32 {
        if self.fresh >= self.count {
            return 0;
        }
        let withdrawn = self.tasks.range(self.fresh..self.count).count();
        self.count - self.fresh - u32::try_from(withdrawn).expect("fewer than count")
    }

    /// How many tasks wait for a place.
    pub fn waiting(&self) -> u32 {
        if self.standing != Standing::Running {
            return 0;
        }
        let again = self.again.range(..self.count).count();
        self.fresh_left() + u32::try_from(again).expect("fewer than count")
    }

    /// Whether any task waits for a place; the same as `waiting() > 0`, without the count.
    pub fn waits(&self) -> bool {
        self.next_waiting().is_some()
    }

    /// The task to place next: those that ran before go first; those past `count` are surplus.
    pub fn next_waiting(&self) -> Option<u32> {
        if self.standing != Standing::Running {
            return None;
        }
        let again = self.again.first().copied().filter(|index| *index < self.count);
        again.or((self.fresh < self.count).then_some(self.fresh))
    }

    /// Moves `fresh` over indexes that were withdrawn.
    pub fn skip_withdrawn(&mut self) {
        while self.fresh < self.count && self.tasks.contains_key(&self.fresh) {
            self.fresh += 1;
        }
    }

    /// The next of its tasks that the cell must end: all when it stops, those past `count` when it was scaled down.
    pub fn next_surplus(&self) -> Option<u32> {
        let from = match self.standing {
            Standing::Running => self.count,
            Standing::Stopping => 0,
            Standing::Ended(..) => return None,
        };
        let first = |set: &BTreeSet<u32>| set.range(from..).next().copied();
        first(&self.again).or_else(|| first(&self.backing_off)).or_else(|| first(&self.alive))
    }

    /// How the job ended, if nothing of it is left to run.
    pub fn outcome(&self) -> Option<JobOutcome> {
        let idle = self.active == 0 && self.again.is_empty() && self.backing_off.is_empty();
        match self.standing {
            Standing::Stopping if idle => Some(JobOutcome::Stopped),
            Standing::Running if idle && self.fresh_left() == 0 && self.can_end() => Some(self.worst_end()),
            Standing::Running | Standing::Stopping | Standing::Ended(..) => None,
        }
    }

    /// A service that was scaled to nothing goes on.
    fn can_end(&self) -> bool {
        self.spec.kind == JobKind::Batch || self.count > 0
    }

    fn worst_end(&self) -> JobOutcome {
        let ended_as = |wanted: TaskState| {
            self.tasks.range(..self.count).any(|(_, task)| task.phase == Phase::Ended(wanted))
        };
        match () {
            () if ended_as(TaskState::Failed) || ended_as(TaskState::Lost) => JobOutcome::Failed,
            () if ended_as(TaskState::Killed) => JobOutcome::Stopped,
            () => JobOutcome::Succeeded,
        }
    }
}

/// All jobs that are not forgotten.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jobs {
    by_number: BTreeMap<JobNo, Box<Job>>,
    next_number: JobNo,
    #[serde(skip)]
    names: Names<JobId>,
}

impl Jobs {
    /// The number that the next job gets.
    pub fn next_number(&self) -> JobNo {
        self.next_number
    }

    /// How many jobs there are, ended ones included.
    pub fn count(&self) -> usize {
        self.by_number.len()
    }

    /// The number of the job with this name.
    pub fn number(&self, name: &str) -> Option<JobNo> {
        self.names.get(name)
    }

    /// The job with this number.
    pub fn get(&self, number: JobNo) -> &Job {
        self.by_number.get(&number).expect("a job that is referred to is there")
    }

    /// The job with this number, to change.
    pub fn get_mut(&mut self, number: JobNo) -> &mut Job {
        self.by_number.get_mut(&number).expect("a job that is referred to is there")
    }

    /// Every job, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.by_number.values().map(|job| &**job)
    }

    /// Takes a job in under [`Self::next_number`].
    pub fn insert(&mut self, job: Job) {
        assert_eq!(job.number, self.next_number, "jobs are numbered in order");
        self.next_number += 1;
        self.names.insert(job.spec.id.clone(), job.number);
        self.by_number.insert(job.number, Box::new(job));
    }

    /// Drops a job.
    pub fn remove(&mut self, number: JobNo) -> Job {
        let job = self.by_number.remove(&number).expect("a job that is forgotten was there");
        self.names.remove(job.spec.id.as_str());
        *job
    }

    /// Rebuilds what a snapshot does not hold.
    pub fn restore(&mut self) {
        for job in self.by_number.values() {
            self.names.insert(job.spec.id.clone(), job.number);
        }
    }
}
