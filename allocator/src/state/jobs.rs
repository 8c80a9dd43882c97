//! The jobs and their tasks.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use log_schema::{
    Incarnation, JobId, RoleName,
    event::{JobOutcome, KillPurpose},
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
///  index:  0 ......... fresh ......... span
///          │ in `tasks` │ never placed  │
///          │            │ (`withdrawn`) │
///          └── all but those in `retired` are wanted: `count`, once it is so ──┘
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
    /// One more than the highest index that a task of it may have.
    pub span: u32,
    /// Indexes below `span` that hold no wanted task, because the job was scaled down.
    pub retired: BTreeSet<u32>,
    /// The tasks that were placed or withdrawn, by index, up to the lowest index that was neither.
    pub tasks: Vec<Task>,
    /// Tasks past those that were withdrawn before they were ever placed.
    pub withdrawn: BTreeSet<u32>,
    /// Tasks to be placed again.
    pub again: BTreeSet<u32>,
    /// Tasks that wait for their next start.
    pub backing_off: BTreeSet<u32>,
    /// Active tasks that were not asked to end for good, the one that is to end first at the front.
    pub alive: BTreeSet<EndOrder>,
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

/// Who ends first when there are too many: a task that is being started again, one that does not run yet, the one that
/// started last; then its index.
pub type EndOrder = (u8, Reverse<Incarnation>, u32);

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
        let withdrawn = u32::try_from(self.withdrawn.len()).expect("fewer than span");
        self.span.saturating_sub(self.fresh() + withdrawn)
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
        if !self.waits() {
            return 0;
        }
        self.fresh_left() + u32::try_from(self.again.len()).expect("fewer than span")
    }

    /// Whether any task waits for a place; the same as `waiting() > 0`, without the count.
    pub fn waits(&self) -> bool {
        self.next_waiting().is_some()
    }

    /// The task to place next: those that ran before go first; none before what is surplus was ended.
    pub fn next_waiting(&self) -> Option<u32> {
        if self.standing != Standing::Running || self.has_surplus() {
            return None;
        }
        self.again.first().copied().or(Some(self.fresh()).filter(|fresh| *fresh < self.span))
    }

    /// Moves `fresh` over indexes that were withdrawn.
    pub fn skip_withdrawn(&mut self) {
        while self.withdrawn.remove(&self.fresh()) {
            self.tasks.push(Task::withdrawn());
        }
    }

    /// How many tasks it has, dead or alive, that were not scaled away.
    pub fn members(&self) -> u32 {
        self.span - u32::try_from(self.retired.len()).expect("fewer than span")
    }

    /// Whether the job, while it runs, wants a task of this index.
    pub fn is_wanted(&self, index: u32) -> bool {
        index < self.span && !self.retired.contains(&index)
    }

    /// Whether there are more tasks than are wanted.
    pub fn has_surplus(&self) -> bool {
        self.members() > self.count
    }

    /// The next of its tasks that the cell must end: all when it stops; when it was scaled down first those that
    /// hold nothing, so that what runs well is kept for as long as possible.
    pub fn next_surplus(&self) -> Option<u32> {
        let alive = || self.alive.first().map(|(_, _, index)| *index);
        match self.standing {
            Standing::Running if !self.has_surplus() => None,
            Standing::Running | Standing::Stopping => {
                self.again.last().or(self.backing_off.last()).copied().or_else(alive)
            }
            Standing::Ended(..) => None,
        }
    }

    /// The next index that was scaled away and is wanted again.
    pub fn next_revival(&self) -> Option<u32> {
        let is_missing = self.standing == Standing::Running && self.members() < self.count;
        self.retired.first().copied().filter(|_| is_missing)
    }

    /// Indexes whose tasks somebody ended, or which failed for good where they were to run for ever. Scaling counts
    /// only what lives: these make room for others, and are the first to come back.
    pub fn dead(&self) -> BTreeSet<u32> {
        let is_dead = |task: &Task| match task.phase {
            Phase::Active(_) => task.doomed,
            Phase::Ended(TaskState::Killed) => true,
            Phase::Ended(TaskState::Failed | TaskState::Lost) => self.spec.kind == JobKind::Service,
            Phase::Ended(_) | Phase::BackingOff(_) | Phase::Waiting => false,
        };
        let placed = (0..).zip(&self.tasks).filter(|(_, task)| is_dead(task)).map(|(index, _)| index);
        placed.chain(self.withdrawn.iter().copied()).filter(|index| self.is_wanted(*index)).collect()
    }

    /// The span for another number of tasks: what was never placed goes first, from the end; more indexes are taken
    /// when all that were scaled away are in use again.
    pub fn span_for(&self, count: u32) -> u32 {
        let dead = self.dead();
        let is_gone = |index: u32| dead.contains(&index) || !self.is_wanted(index);
        let gone = u32::try_from(self.retired.len() + dead.len()).expect("fewer than span");
        let (mut members, mut span) = (self.span - gone, self.span);
        while members > count && span > self.fresh() {
            span -= 1;
            members -= u32::from(!is_gone(span));
        }
        span + count.saturating_sub(members).saturating_sub(gone)
    }

    /// Takes another number of tasks. What is then too much or too little is ended or started in slices.
    pub fn scale(&mut self, count: u32, span: u32) {
        for index in self.dead() {
            self.retired.insert(index);
            if index < self.fresh() {
                self.task_mut(index).doomed = false;
            }
        }
        (self.count, self.span) = (count, span);
        self.retired.split_off(&span);
        self.withdrawn.split_off(&span);
        self.take_back_ending();
        self.skip_withdrawn();
    }

    /// Tasks that are still ending need no start of their own: they start again when they have ended.
    fn take_back_ending(&mut self) {
        let is_active = |index: &u32| self.task(*index).is_some_and(|task| task.active().is_some());
        let missing = self.count.saturating_sub(self.members()) as usize;
        let ending: Vec<u32> = self.retired.iter().copied().filter(is_active).take(missing).collect();
        for index in ending {
            self.retired.remove(&index);
            self.task_mut(index).doomed = false;
        }
    }

    /// Notes that a task is ended because the job wants fewer.
    pub fn retire(&mut self, index: u32, purpose: KillPurpose) {
        if purpose == KillPurpose::Surplus && self.standing == Standing::Running {
            self.retired.insert(index);
        }
    }

    /// Takes a task off the list of those that may be ended, before it changes.
    pub fn unlist(&mut self, index: u32) {
        if let Some(place) = self.end_order(index) {
            self.alive.remove(&place);
        }
    }

    /// Puts a task back there after a change, if it is one of them.
    pub fn list(&mut self, index: u32) {
        self.alive.extend(self.end_order(index));
    }

    /// The place of a task among those that may be ended.
    pub fn end_order(&self, index: u32) -> Option<EndOrder> {
        let task = self.task(index)?;
        let rank = match (task.active()?, task.kill_requested, task.restart_requested) {
            (_, true, false) => return None,
            (_, _, true) => 0,
            (TaskState::Running, false, false) => 2,
            (_, false, false) => 1,
        };
        Some((rank, Reverse(task.incarnation), index))
    }

    /// How the job ended, if nothing of it is left to run.
    pub fn outcome(&self) -> Option<JobOutcome> {
        let idle = self.active == 0 && self.again.is_empty() && self.backing_off.is_empty();
        match self.standing {
            Standing::Stopping if idle => Some(JobOutcome::Stopped),
            Standing::Running if idle && self.fresh_left() == 0 && self.members() >= self.count && self.can_end() => {
                Some(self.worst_end())
            }
            Standing::Running | Standing::Stopping | Standing::Ended(..) => None,
        }
    }

    /// A service that was scaled to nothing goes on.
    fn can_end(&self) -> bool {
        self.spec.kind == JobKind::Batch || self.count > 0
    }

    fn worst_end(&self) -> JobOutcome {
        let ended_as = |wanted: TaskState| {
            (0..).zip(&self.tasks).any(|(index, task)| task.phase == Phase::Ended(wanted) && self.is_wanted(index))
        };
        let some_withdrawn = self.withdrawn.iter().any(|index| self.is_wanted(*index));
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
