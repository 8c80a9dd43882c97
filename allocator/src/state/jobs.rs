//! The jobs and their tasks.

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{
    JobId, RoleName,
    event::JobOutcome,
    job::{JobKind, RestartV1},
    task::TaskState,
};
use serde::{Deserialize, Serialize};

use super::{
    names::Names,
    queue::{ShapeNo, TASKS_PER_TURN},
    task::{Phase, Task},
    timers::TimerId,
};

/// A job's number: the lowest one that no other job has. The number of a forgotten job is used again.
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

/// What is remembered of a job as submitted; what its tasks run is in the log alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Its name.
    pub id: JobId,
    /// Service or batch.
    pub kind: JobKind,
    /// The role whose share it uses.
    pub role: RoleName,
    /// What happens when a task ends.
    pub restart: RestartV1,
}

/// One job.
///
/// ```text
///  index:  0 ......... fresh ......... count
///          │ in `tasks` │ never placed  │
///          │            │ (`withdrawn`) │
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub number: JobNo,
    /// As submitted.
    pub spec: Spec,
    /// What it asks for, by number.
    pub shape: ShapeNo,
    /// Whether it goes on.
    pub standing: Standing,
    /// How many tasks are wanted.
    pub count: u32,
    /// The tasks that were placed or withdrawn, by index, up to the lowest index that was neither.
    pub tasks: Vec<Task>,
    /// Tasks past those that were withdrawn before they were ever placed.
    pub withdrawn: BTreeSet<u32>,
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
    /// The grace of its tasks while it stops, where it was given with the stop.
    pub grace_ms: Option<u64>,
    /// Tasks of a service with restarts that count, by index.
    pub counted: BTreeMap<u32, Counted>,
}

/// How the restarts of one task are forgotten, in two steps of half of
/// [`RESTART_COUNTS_MS`](log_schema::job::RESTART_COUNTS_MS): one number for each step, where a timer for each restart
/// would have no bound.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Counted {
    /// When it is due, the early restarts are forgotten.
    pub timer: TimerId,
    /// How many of the restarts were there a step ago.
    pub early: u32,
}

impl Job {
    /// The lowest index that was neither placed nor withdrawn.
    pub fn fresh(&self) -> u32 {
        u32::try_from(self.tasks.len()).expect("a job has fewer tasks than numbers")
    }

    /// How many indexes are still to be placed for the first time.
    pub fn fresh_left(&self) -> u32 {
        let withdrawn = self.withdrawn.range(..self.count).count();
        let past = u32::try_from(withdrawn).expect("fewer than count");
        self.count.saturating_sub(self.fresh() + past)
    }

    /// The task with this index, if it was placed or withdrawn and all before it were.
    pub fn task(&self, index: u32) -> Option<&Task> {
        self.tasks.get(index as usize)
    }

    /// The task with this index, to change.
    pub fn task_mut(&mut self, index: u32) -> &mut Task {
        self.tasks.get_mut(index as usize).expect("a task that changes was placed or withdrawn")
    }

    /// Takes in the fresh task, which is being placed. The room for tasks is made when the first one
    /// is: most jobs are small, and this much is all that they ever need.
    pub fn start_fresh(&mut self) {
        if self.tasks.is_empty() {
            self.tasks.reserve_exact(self.count.min(TASKS_PER_TURN) as usize);
        }
        self.tasks.push(Task { doomed: false, ..Task::withdrawn() });
        self.skip_withdrawn();
    }

    /// Withdraws a task that was never placed.
    pub fn withdraw_fresh(&mut self, index: u32) {
        self.withdrawn.insert(index);
        self.skip_withdrawn();
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
        again.or(Some(self.fresh()).filter(|fresh| *fresh < self.count))
    }

    /// Moves `fresh` over indexes that were withdrawn.
    pub fn skip_withdrawn(&mut self) {
        while self.withdrawn.remove(&self.fresh()) {
            self.tasks.push(Task::withdrawn());
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
            self.tasks.iter().take(self.count as usize).any(|task| task.phase == Phase::Ended(wanted))
        };
        let some_withdrawn = self.withdrawn.range(..self.count).next().is_some();
        match () {
            () if ended_as(TaskState::Failed) || ended_as(TaskState::Lost) => JobOutcome::Failed,
            () if ended_as(TaskState::Killed) || some_withdrawn => JobOutcome::Stopped,
            () => JobOutcome::Succeeded,
        }
    }
}

/// All jobs that are not forgotten.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jobs {
    /// By number; forgotten ones leave a gap.
    by_number: Vec<Option<Job>>,
    #[serde(skip)]
    gaps: BTreeSet<JobNo>,
    #[serde(skip)]
    names: Names,
}

impl Jobs {
    /// The number that the next job gets.
    pub fn next_number(&self) -> JobNo {
        self.gaps
            .first()
            .copied()
            .unwrap_or_else(|| JobNo::try_from(self.by_number.len()).expect("fewer jobs than numbers"))
    }

    /// How many jobs there are, ended ones included.
    pub fn count(&self) -> usize {
        self.by_number.len() - self.gaps.len()
    }

    /// The number of the job with this name.
    pub fn number(&self, name: &str) -> Option<JobNo> {
        self.names.get(name, |number| self.get(number).spec.id.as_str())
    }

    /// The job with this number.
    pub fn get(&self, number: JobNo) -> &Job {
        let slot = self.by_number.get(number as usize).and_then(Option::as_ref);
        slot.expect("a job that is referred to is there")
    }

    /// The job with this number, to change.
    pub fn get_mut(&mut self, number: JobNo) -> &mut Job {
        let slot = self.by_number.get_mut(number as usize).and_then(Option::as_mut);
        slot.expect("a job that is referred to is there")
    }

    /// Every job, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.by_number.iter().flatten()
    }

    /// Takes a job in under [`Self::next_number`].
    pub fn insert(&mut self, job: Job) {
        assert_eq!(job.number, self.next_number(), "a job gets the lowest number that is free");
        let number = job.number;
        if self.gaps.remove(&number) {
            self.by_number[number as usize] = Some(job);
        } else {
            self.by_number.push(Some(job));
        }
        self.name(number);
    }

    /// Drops a job.
    pub fn remove(&mut self, number: JobNo) -> Job {
        let job = self.by_number[number as usize].take().expect("a job that is forgotten was there");
        self.names.remove(job.spec.id.as_str(), number);
        self.gaps.insert(number);
        job
    }

    /// Rebuilds what a snapshot does not hold.
    pub fn restore(&mut self) {
        for number in 0..JobNo::try_from(self.by_number.len()).expect("fewer jobs than numbers") {
            match self.by_number[number as usize] {
                Some(_) => self.name(number),
                None => drop(self.gaps.insert(number)),
            }
        }
    }

    /// Makes a job known by its name.
    fn name(&mut self, number: JobNo) {
        let name_of = |number: JobNo| {
            let job = self.by_number[number as usize].as_ref();
            job.expect("a job that has a name is there").spec.id.as_str()
        };
        self.names.insert(name_of(number), number, name_of);
    }
}
