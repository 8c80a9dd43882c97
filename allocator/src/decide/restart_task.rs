//! [`Command::RestartTask`](log_schema::Command::RestartTask): one task of a job starts again, whatever became of it.

use log_schema::{
    Event, JobId, Refusal, TaskId, TaskOwner,
    command::RestartTaskV1,
    event::{KillPurpose, TaskRestartDueV1, TaskRestartScheduledV1},
};

use super::{Emit, check_run::check_grace, stop_job::running_job};
use crate::{
    advance::{Kill, request_kill},
    state::{
        State,
        jobs::JobNo,
        task::{Phase, TaskRef},
    },
};

pub(super) fn decide(emit: &mut Emit<'_>, command: &RestartTaskV1) -> Result<(), Refusal> {
    check_grace(command.grace_ms)?;
    let (number, index) = restartable(emit.state, &command.task)?;
    let job = emit.state.jobs.get(number);
    let task = command.task.clone();
    let again = job.task(index).is_some_and(|task| task.restart_requested);
    match job.task(index).map(|task| task.phase) {
        // Asked already, and nothing is new.
        Some(Phase::Active(_)) if again && command.grace_ms.is_none() => {}
        Some(Phase::Active(_)) => {
            let kill = Kill { grace_ms: command.grace_ms, purpose: KillPurpose::Restart };
            request_kill(emit, &TaskRef::Job { job: number, index }, kill);
        }
        Some(Phase::BackingOff(_)) => emit.emit(Event::TaskRestartDue(TaskRestartDueV1 { task })),
        Some(Phase::Ended(_)) => start_over(emit, task),
        None if job.withdrawn.contains(&index) => start_over(emit, task),
        // It waits for a place already.
        Some(Phase::Waiting) | None => {}
    }
    Ok(())
}

/// Wants an ended task again, as if it had never been restarted.
fn start_over(emit: &mut Emit<'_>, task: TaskId) {
    emit.emit(Event::TaskRestartScheduled(TaskRestartScheduledV1 { task, delay_ms: 0, restarts: 0 }));
}

/// The task of a running job that has an index for it.
fn restartable(state: &State, id: &TaskId) -> Result<(JobNo, u32), Refusal> {
    match id.owner() {
        TaskOwner::Framework { .. } => Err(Refusal::TaskOfFramework { task: id.clone() }),
        TaskOwner::Job { job, index } => {
            let unknown = || Refusal::TaskUnknown { task: id.clone() };
            let number = running_job(state, &JobId::new(job).map_err(|_| unknown())?)?;
            let job = state.jobs.get(number);
            match () {
                () if index >= job.span => Err(unknown()),
                () if !job.is_wanted(index) => Err(Refusal::TaskScaledAway { task: id.clone(), count: job.count }),
                () => Ok((number, index)),
            }
        }
    }
}
