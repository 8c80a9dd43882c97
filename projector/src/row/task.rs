//! Tasks: where each stands, its current run and the ones before.
//!
//! A task has a row from the first event that names it: the tasks of a job that were never placed
//! are only counted, in their job's row.

use log_schema::{
    AgentId, FrameworkId, Incarnation, JobId, Resources, TaskId, TaskOwner, TaskState,
    event::{
        KillPurpose, TaskKillRequestedV1, TaskPlacedV1, TaskRestartForgottenV1, TaskRestartScheduledV1,
        TaskStatusChangedV1, TaskWithdrawnV1,
    },
    job::RunSpecV1,
    task::EndV1,
};
use serde::{Deserialize, Serialize};

use super::{JobRow, Moment, Phase, Row, View};
use crate::{
    Contradiction,
    fold::{Fault, Now, Table},
    ledger,
};

/// The name of this projection.
pub const NAME: &str = "tasks";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 2;

/// How many earlier runs a task's row keeps; the oldest goes first.
pub const RUNS_KEPT_MAX: usize = 8;

/// One task of a job or of a framework. A framework that uses a name again begins a new row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Which task.
    pub id: TaskId,
    /// Where it stands.
    pub phase: Phase,
    /// Since when it stands there.
    pub since: Moment,
    /// The newest run, ended or not; none for a task that was withdrawn before its first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The runs before, the newest last, at most [`RUNS_KEPT_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs_before: Vec<Run>,
    /// How many restarts its policy has counted.
    #[serde(default, skip_serializing_if = "ledger::is_zero")]
    pub restarts: u32,
    /// How long it waits for its next start, counted from the first tick after `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_delay_ms: Option<u64>,
    /// When the agent was asked to end the newest run, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_requested: Option<Moment>,
    /// Whether somebody ended this very task, so that it is not started again.
    #[serde(default, skip_serializing_if = "ledger::is_false")]
    pub doomed: bool,
    /// Whether it left the allocator's state. Of a job's tasks the job's row tells.
    #[serde(default, skip_serializing_if = "ledger::is_false")]
    pub forgotten: bool,
}

/// One start of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which start, numbered over the whole cell.
    pub incarnation: Incarnation,
    /// Where.
    pub agent: AgentId,
    /// What it holds or held there, ports by number included.
    pub resources: Resources,
    /// Where it stands.
    pub state: TaskState,
    /// When it was placed.
    pub placed: Moment,
    /// When it was first known to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Moment>,
    /// When it was known to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndV1>,
}

/// What a framework's task runs. A job's task runs what its job says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRunRow {
    /// Which task.
    pub task: TaskId,
    /// What it runs.
    pub run: RunSpecV1,
}

impl Row for TaskRow {
    type Id = TaskId;
    const VIEW: View = View::Tasks;

    fn id(&self) -> TaskId {
        self.id.clone()
    }

    fn write_key(id: &TaskId, key: &mut Vec<u8>) {
        match id.owner() {
            TaskOwner::Job { job, index } => {
                write_job_prefix(job, key);
                key.extend_from_slice(&index.to_be_bytes());
            }
            TaskOwner::Framework { framework, name } => {
                write_framework_prefix(framework, key);
                key.extend_from_slice(name.as_bytes());
            }
        }
    }

    fn index(&self) -> Option<Vec<u8>> {
        let run = self.run.as_ref().filter(|run| !run.state.is_terminal())?;
        let mut key = vec![View::TasksByAgent as u8];
        key.extend_from_slice(run.agent.as_str().as_bytes());
        key.push(0);
        Self::write_key(&self.id, &mut key);
        Some(key)
    }

    fn is_live(&self) -> bool {
        self.phase.is_live()
    }
}

impl Row for TaskRunRow {
    type Id = TaskId;
    const VIEW: View = View::TaskRuns;

    fn id(&self) -> TaskId {
        self.task.clone()
    }

    fn write_key(id: &TaskId, key: &mut Vec<u8>) {
        TaskRow::write_key(id, key);
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// What the keys of a job's tasks begin with. Jobs come before frameworks in a listing.
pub(crate) fn write_job_prefix(job: &str, key: &mut Vec<u8>) {
    key.push(b'j');
    key.extend_from_slice(job.as_bytes());
    key.push(0);
}

/// What the keys of all frameworks' tasks begin with.
pub(crate) const FRAMEWORKS: u8 = b'x';

/// What the keys of a framework's tasks begin with.
pub(crate) fn write_framework_prefix(framework: &str, key: &mut Vec<u8>) {
    key.push(FRAMEWORKS);
    key.extend_from_slice(framework.as_bytes());
    key.push(0);
}

impl TaskRow {
    /// The row of a job's task that no event has named: it waits for its first place, or its job does not want it
    /// any more.
    pub fn never_placed(job: &JobRow, index: u32) -> Self {
        let phase = job.unnamed_phase(index);
        let withdrawn = job.stopping.or(job.ended).filter(|_| phase == Phase::Withdrawn);
        let since = withdrawn.unwrap_or(job.submitted);
        Self {
            id: TaskId::of_job(&job.id, index),
            phase,
            since,
            run: None,
            runs_before: Vec::new(),
            restarts: 0,
            restart_delay_ms: None,
            kill_requested: None,
            doomed: false,
            forgotten: false,
        }
    }

    /// The job whose task it is, if it is a job's.
    pub fn job(&self) -> Option<JobId> {
        match self.id.owner() {
            TaskOwner::Job { job, .. } => Some(JobId::new(job).expect("part of a task id")),
            TaskOwner::Framework { .. } => None,
        }
    }

    /// The framework whose task it is, if it is a framework's.
    pub fn framework(&self) -> Option<FrameworkId> {
        match self.id.owner() {
            TaskOwner::Job { .. } => None,
            TaskOwner::Framework { framework, .. } => Some(FrameworkId::new(framework).expect("part of a task id")),
        }
    }

    fn new(id: TaskId, phase: Phase, since: Moment) -> Self {
        Self {
            id,
            phase,
            since,
            run: None,
            runs_before: Vec::new(),
            restarts: 0,
            restart_delay_ms: None,
            kill_requested: None,
            doomed: false,
            forgotten: false,
        }
    }

    pub(crate) fn step(&mut self, now: &Now, to: Phase) -> Phase {
        self.since = now.moment;
        std::mem::replace(&mut self.phase, to)
    }

    fn current(&mut self, incarnation: Incarnation) -> Result<&mut Run, Fault> {
        let found = self.run.as_ref().map_or(0, |run| run.incarnation.0);
        if found != incarnation.0 {
            let task = self.id.to_string();
            return Err(Contradiction::Incarnation { task, current: found, found: incarnation.0 }.into());
        }
        Ok(self.run.as_mut().expect("it has an incarnation"))
    }
}

type Tasks = Table<TaskRow>;

/// Begins a run. Returns the phase before, if the task had a row.
pub(crate) fn placed(tasks: &mut Tasks, now: &Now, event: &TaskPlacedV1) -> Result<Option<Phase>, Fault> {
    let run = Run {
        incarnation: event.incarnation,
        agent: event.agent.clone(),
        resources: event.resources.clone(),
        state: TaskState::Placed,
        placed: now.moment,
        started: None,
        ended: None,
        end: None,
    };
    let is_job_task = matches!(event.task.owner(), TaskOwner::Job { .. });
    let Some(row) = tasks.find_mut(&event.task)? else {
        let row = TaskRow { run: Some(run), ..TaskRow::new(event.task.clone(), Phase::Placed, now.moment) };
        tasks.put(row)?;
        return Ok(None);
    };
    let before = row.step(now, Phase::Placed);
    if is_job_task {
        row.runs_before.extend(row.run.replace(run));
        let surplus = row.runs_before.len().saturating_sub(RUNS_KEPT_MAX);
        row.runs_before.drain(..surplus);
        row.kill_requested = None;
        row.restart_delay_ms = None;
    } else {
        *row = TaskRow { run: Some(run), ..TaskRow::new(event.task.clone(), Phase::Placed, now.moment) };
    }
    Ok(Some(before))
}

/// Steps a run. Returns the phase before, and what was freed if the run ended.
pub(crate) fn status_changed(
    tasks: &mut Tasks,
    now: &Now,
    event: &TaskStatusChangedV1,
) -> Result<(Phase, Option<Resources>), Fault> {
    let row = tasks.must(&event.task)?;
    let run = row.current(event.incarnation)?;
    run.state = event.state;
    if event.state == TaskState::Running {
        run.started = Some(now.moment);
    }
    let freed = event.state.is_terminal().then(|| run.resources.clone());
    if freed.is_some() {
        run.ended = Some(now.moment);
        run.end.clone_from(&event.end);
    }
    Ok((row.step(now, event.state.into()), freed))
}

pub(crate) fn kill_requested(tasks: &mut Tasks, now: &Now, event: &TaskKillRequestedV1) -> Result<(), Fault> {
    let row = tasks.must(&event.task)?;
    row.current(event.incarnation)?;
    row.kill_requested = Some(now.moment);
    row.doomed = match event.purpose {
        KillPurpose::Asked => true,
        KillPurpose::Restart => false,
        KillPurpose::Surplus => row.doomed,
    };
    Ok(())
}

/// Waits for the next start, or for a place where there is no delay. Returns the phases before and after.
pub(crate) fn restart_scheduled(
    tasks: &mut Tasks,
    now: &Now,
    event: &TaskRestartScheduledV1,
) -> Result<(Phase, Phase), Fault> {
    let row = tasks.must(&event.task)?;
    row.restarts = event.restarts;
    row.doomed = false;
    row.restart_delay_ms = (event.delay_ms > 0).then_some(event.delay_ms);
    let to = if event.delay_ms > 0 { Phase::Restarting } else { Phase::Waiting };
    Ok((row.step(now, to), to))
}

pub(crate) fn restart_forgotten(tasks: &mut Tasks, event: &TaskRestartForgottenV1) -> Result<(), Fault> {
    tasks.must(&event.task)?.restarts = event.restarts;
    Ok(())
}

/// Returns the phase before.
pub(crate) fn restart_due(tasks: &mut Tasks, now: &Now, task: &TaskId) -> Result<Phase, Fault> {
    let row = tasks.must(task)?;
    row.restart_delay_ms = None;
    Ok(row.step(now, Phase::Waiting))
}

/// Returns the phase before, if the task had a row.
pub(crate) fn withdrawn(tasks: &mut Tasks, now: &Now, event: &TaskWithdrawnV1) -> Result<Option<Phase>, Fault> {
    let (task, dooms) = (&event.task, event.purpose == KillPurpose::Asked);
    let Some(row) = tasks.find_mut(task)? else {
        let row = TaskRow { doomed: dooms, ..TaskRow::new(task.clone(), Phase::Withdrawn, now.moment) };
        tasks.put(row)?;
        return Ok(None);
    };
    row.restart_delay_ms = None;
    row.doomed = dooms;
    Ok(Some(row.step(now, Phase::Withdrawn)))
}

pub(crate) fn forgotten(tasks: &mut Tasks, task: &TaskId) -> Result<(), Fault> {
    tasks.must(task)?.forgotten = true;
    Ok(())
}
