//! [`Command::KillTask`](log_schema::Command::KillTask): one task ends for good.

use log_schema::{Principal, Refusal, TaskId, TaskState, command::KillTaskV1, event::KillPurpose};

use super::{Emit, check_run::check_grace, frameworks::check_owner};
use crate::{
    advance::{Kill, end_job_if_over, request_kill},
    state::{
        State,
        jobs::Standing,
        task::{Phase, TaskRef},
    },
};

pub(super) fn decide(emit: &mut Emit<'_>, command: &KillTaskV1, by: &Principal) -> Result<(), Refusal> {
    check_grace(command.grace_ms)?;
    let task_ref = killable(emit.state, &command.task)?;
    if let TaskRef::Framework { framework, .. } = &task_ref {
        check_owner(emit.state, *framework, by)?;
    }
    let known = emit.state.find_task(&task_ref);
    // Asked already: the answer is the same, and the agent knows. A grace is news, and so is that it is not to be
    // started again.
    let asked = known.is_some_and(|task| task.active().is_some() && task.kill_requested && !task.restart_requested);
    if asked && command.grace_ms.is_none() {
        return Ok(());
    }
    let purpose = match &task_ref {
        // One of those that are too many: no other is ended for it.
        TaskRef::Job { job, .. } if emit.state.jobs.get(*job).has_surplus() => KillPurpose::Surplus,
        TaskRef::Job { .. } | TaskRef::Framework { .. } => KillPurpose::Asked,
    };
    request_kill(emit, &task_ref, Kill { grace_ms: command.grace_ms, purpose });
    if let TaskRef::Job { job, .. } = task_ref {
        end_job_if_over(emit, job);
    }
    Ok(())
}

/// The task, which must not have ended.
fn killable(state: &State, id: &TaskId) -> Result<TaskRef, Refusal> {
    let unknown = || Refusal::TaskUnknown { task: id.clone() };
    let task_ref = state.find_task_ref(id).ok_or_else(unknown)?;
    match state.find_task(&task_ref).map(|task| task.phase) {
        Some(Phase::Ended(ended)) => Err(Refusal::TaskEnded { task: id.clone(), state: ended }),
        Some(_) => Ok(task_ref),
        None if was_withdrawn(state, &task_ref) => {
            Err(Refusal::TaskEnded { task: id.clone(), state: TaskState::Killed })
        }
        None if waits_fresh(state, &task_ref) => Ok(task_ref),
        None => Err(unknown()),
    }
}

/// Whether it is a job's task that was withdrawn before it was ever placed.
fn was_withdrawn(state: &State, task_ref: &TaskRef) -> bool {
    matches!(task_ref, TaskRef::Job { job, index } if state.jobs.get(*job).withdrawn.contains(index))
}

/// Whether it is a job's task that was never placed and still could be.
fn waits_fresh(state: &State, task_ref: &TaskRef) -> bool {
    let TaskRef::Job { job, index } = task_ref else { return false };
    let job = state.jobs.get(*job);
    job.standing == Standing::Running && (job.fresh()..job.span).contains(index)
}
