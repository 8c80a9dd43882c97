//! Jobs: how far each has come, as numbers of tasks by phase.
//!
//! Two rows: the one with the numbers changes with every task, the one with the spec hardly ever.
//! A job whose name is used again begins new rows, and the tasks of the old one are gone from there
//! on; before that offset they can still be read.

use std::collections::BTreeMap;

use log_schema::{
    JobId, Principal, Resources, RoleName, TaskId,
    event::{JobAcceptedV1, JobOutcome, JobScaledV1, PlacementDeferredV1, Reason},
    job::{JobKind, JobSpecV1},
};
use serde::{Deserialize, Serialize};

use super::{Moment, Phase, Row, TaskCounts, TaskRow, View};
use crate::{
    fold::{Fault, Now, Table},
    ledger,
};

/// The name of this projection.
pub const NAME: &str = "jobs";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 2;

/// One job.
///
/// ```text
///  index:  0 ............... named ........ span ........ count_max
///          │ every task with a  │ no task has   │ scaled away; may
///          │ row is below here  │ a row yet     │ have rows as well
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    /// Which job.
    pub id: JobId,
    /// Service or batch.
    pub kind: JobKind,
    /// The role whose share it uses.
    pub role: RoleName,
    /// What one task needs, ports aside.
    pub resources: Resources,
    /// Whether it goes on.
    pub state: JobState,
    /// How many tasks are wanted.
    pub count: u32,
    /// One more than the highest index that its tasks have: more than `count` where tasks of lower indexes went.
    pub span: u32,
    /// How many tasks are in each phase, the ones that were scaled away included.
    pub tasks: TaskCounts,
    /// How many restarts its tasks' policy has counted, all together.
    #[serde(default, skip_serializing_if = "ledger::is_zero")]
    pub restarts: u32,
    /// Why tasks could not be placed, as said last, until none waits. Some may have been placed since:
    /// the allocator says it once for as long as any task waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Deferred>,
    /// Who submitted it, where the decision says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<Principal>,
    /// When it was taken on.
    pub submitted: Moment,
    /// When a stop was asked for, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Moment>,
    /// When nothing of it was left to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// Whether it left the allocator's state and its name may be used again.
    #[serde(default, skip_serializing_if = "ledger::is_false")]
    pub forgotten: bool,
    /// The most indexes that there ever were: the sum of `tasks`.
    pub count_max: u32,
    /// One more than the highest index that has a row.
    pub named: u32,
    /// How many of the waiting tasks have no row.
    pub unnamed: u32,
}

/// Whether a job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Its tasks are placed and restarted.
    Running,
    /// Its tasks are being ended.
    Stopping,
    /// Every task finished.
    Succeeded,
    /// Some task failed for good.
    Failed,
    /// It was stopped.
    Stopped,
}

/// Why tasks of a job could not be placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// How many tasks waited.
    pub waiting: u32,
    /// Numbers of agents by reason. Empty: there is no agent.
    pub reasons: BTreeMap<Reason, u32>,
    /// When that was said.
    pub said: Moment,
}

/// A job as submitted. Its `count` is the first one; [`JobRow::count`] is the current one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpecRow {
    /// The spec.
    pub spec: JobSpecV1,
}

impl Row for JobRow {
    type Id = JobId;
    const VIEW: View = View::Jobs;

    fn id(&self) -> JobId {
        self.id.clone()
    }

    fn write_key(id: &JobId, key: &mut Vec<u8>) {
        key.extend_from_slice(id.as_str().as_bytes());
    }

    fn is_live(&self) -> bool {
        self.ended.is_none()
    }
}

impl Row for JobSpecRow {
    type Id = JobId;
    const VIEW: View = View::JobSpecs;

    fn id(&self) -> JobId {
        self.spec.id.clone()
    }

    fn write_key(id: &JobId, key: &mut Vec<u8>) {
        JobRow::write_key(id, key);
    }

    fn is_live(&self) -> bool {
        false
    }
}

impl JobRow {
    /// Where a task of this index stands that has no row.
    pub fn unnamed_phase(&self, index: u32) -> Phase {
        if self.is_running() && index < self.span { Phase::Waiting } else { Phase::Withdrawn }
    }

    /// Whether its tasks are placed and restarted.
    pub fn is_running(&self) -> bool {
        self.state == JobState::Running
    }

    /// Once nothing waits for a place, the reasons why it waited are history.
    fn drop_reasons(&mut self) {
        if !self.is_running() || self.tasks.waiting == 0 {
            self.deferred = None;
        }
    }

    fn of(now: &Now, spec: &JobSpecV1) -> Self {
        let waiting = TaskCounts { waiting: spec.count, ..TaskCounts::default() };
        Self {
            id: spec.id.clone(),
            kind: spec.kind,
            role: spec.role.clone(),
            resources: spec.resources.clone(),
            state: JobState::Running,
            count: spec.count,
            span: spec.count,
            tasks: waiting,
            restarts: 0,
            deferred: None,
            submitted_by: now.asked.map(|asked| asked.principal.clone()),
            submitted: now.moment,
            stopping: None,
            ended: None,
            forgotten: false,
            count_max: spec.count,
            named: 0,
            unnamed: spec.count,
        }
    }
}

type Jobs = Table<JobRow>;
type Tasks = Table<TaskRow>;

/// Begins the rows of a job. Returns those of the job that had the name before, whose tasks are gone.
pub(crate) fn accepted(
    jobs: &mut Jobs,
    specs: &mut Table<JobSpecRow>,
    tasks: &mut Tasks,
    now: &Now,
    event: &JobAcceptedV1,
) -> Result<Option<JobRow>, Fault> {
    let spec = &event.spec;
    let before = jobs.get(&spec.id)?.cloned();
    for index in 0..before.as_ref().map_or(0, |job| job.named) {
        tasks.remove(&TaskId::of_job(&spec.id, index))?;
    }
    jobs.put(JobRow::of(now, spec))?;
    specs.put(JobSpecRow { spec: spec.clone() })?;
    Ok(before)
}

/// Steps one task: `from` is none where it had no row. Returns the phase from which it is counted off.
pub(crate) fn task_stepped(job: &mut JobRow, index: u32, from: Option<Phase>, to: Phase) -> Result<Phase, Fault> {
    let counted = from.unwrap_or_else(|| job.unnamed_phase(index));
    if from.is_none() {
        job.named = job.named.max(index + 1);
        if counted == Phase::Waiting {
            job.unnamed = ledger::less(job.unnamed, 1, "tasks without a row")?;
        }
    }
    job.tasks.take(counted, 1)?;
    job.tasks.give(to, 1);
    job.drop_reasons();
    Ok(counted)
}

pub(crate) fn deferred(jobs: &mut Jobs, now: &Now, event: &PlacementDeferredV1) -> Result<(), Fault> {
    let PlacementDeferredV1 { job, waiting, reasons } = event;
    let said = Deferred { waiting: *waiting, reasons: reasons.clone(), said: now.moment };
    jobs.must(job)?.deferred = Some(said);
    Ok(())
}

/// Stops a job: what waited without ever having been named is withdrawn by this alone; each of the
/// others has an event of its own.
pub(crate) fn stopping(jobs: &mut Jobs, now: &Now, job: &JobId) -> Result<(), Fault> {
    let job = jobs.must(job)?;
    job.state = JobState::Stopping;
    // Asked again with less grace: it stops since the first time.
    job.stopping.get_or_insert(now.moment);
    let unnamed = std::mem::take(&mut job.unnamed);
    job.tasks.take(Phase::Waiting, unnamed)?;
    job.tasks.give(Phase::Withdrawn, unnamed);
    job.drop_reasons();
    Ok(())
}

/// Returns the role, which has one job fewer.
pub(crate) fn ended(jobs: &mut Jobs, now: &Now, job: &JobId, outcome: JobOutcome) -> Result<RoleName, Fault> {
    let job = jobs.must(job)?;
    job.state = match outcome {
        JobOutcome::Succeeded => JobState::Succeeded,
        JobOutcome::Failed => JobState::Failed,
        JobOutcome::Stopped => JobState::Stopped,
    };
    job.ended = Some(now.moment);
    job.drop_reasons();
    Ok(job.role.clone())
}

pub(crate) fn forgotten(jobs: &mut Jobs, job: &JobId) -> Result<(), Fault> {
    jobs.must(job)?.forgotten = true;
    Ok(())
}

/// Scales a job, as the allocator does: indexes past the new span were never placed. What has no row there is
/// withdrawn by this alone, and waits again when the span grows; each of the others has an event of its own.
pub(crate) fn scaled(jobs: &mut Jobs, tasks: &mut Tasks, now: &Now, event: &JobScaledV1) -> Result<(), Fault> {
    let job = jobs.must(&event.job)?;
    job.count = event.count;
    let (before, span) = (std::mem::replace(&mut job.span, event.span), event.span);
    if span < before {
        let unnamed = before - span - named_within(tasks, job, span, before)?;
        job.unnamed = ledger::less(job.unnamed, unnamed, "tasks without a row")?;
        job.tasks.take(Phase::Waiting, unnamed)?;
        job.tasks.give(Phase::Withdrawn, unnamed);
        job.drop_reasons();
        return Ok(());
    }
    let unnamed = span - before - named_within(tasks, job, before, span)?;
    let fresh = span.saturating_sub(job.count_max);
    job.count_max = job.count_max.max(span);
    job.unnamed += unnamed;
    job.tasks.give(Phase::Withdrawn, fresh);
    job.tasks.take(Phase::Withdrawn, unnamed)?;
    job.tasks.give(Phase::Waiting, unnamed);
    renew(tasks, job, now, before)
}

/// How many tasks with these indexes have rows.
fn named_within(tasks: &mut Tasks, job: &JobRow, first: u32, end: u32) -> Result<u32, Fault> {
    let mut named = 0;
    for index in first..end.min(job.named) {
        named += u32::from(tasks.get(&TaskId::of_job(&job.id, index))?.is_some());
    }
    Ok(named)
}

/// Tasks from `first` on that were withdrawn before they were ever placed wait again.
fn renew(tasks: &mut Tasks, job: &mut JobRow, now: &Now, first: u32) -> Result<(), Fault> {
    for index in first..job.span.min(job.named) {
        let id = TaskId::of_job(&job.id, index);
        if tasks.get(&id)?.is_some_and(|row| row.phase == Phase::Withdrawn) {
            let row = tasks.must(&id)?;
            row.doomed = false;
            let from = row.step(now, Phase::Waiting);
            job.tasks.take(from, 1)?;
            job.tasks.give(Phase::Waiting, 1);
        }
    }
    Ok(())
}
