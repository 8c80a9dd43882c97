//! What follows when a task has ended: another start, or the end of its job.

use log_schema::{Event, TaskState, event::TaskRestartScheduledV1, job::RestartOn, task::EndReason};

use super::end::{end_job_if_over, task_id};
use crate::{
    decide::Emit,
    state::{
        jobs::{Job, Standing},
        task::{Phase, Task, TaskRef},
    },
};

/// How long a start that never began waits before it is tried again.
const NEVER_BEGAN_DELAY_MS: u64 = 1_000;

/// Schedules the next start of a job's task that has just ended, or ends its job.
pub fn after_end(emit: &mut Emit<'_>, task_ref: &TaskRef, reason: Option<EndReason>) {
    let TaskRef::Job { job: number, index } = task_ref else { return };
    let job = emit.state.jobs.get(*number);
    let task = job.task(*index).expect("a task that has ended was placed");
    let Phase::Ended(state) = task.phase else { panic!("a task that has ended is in its last state") };
    if let Some((delay_ms, restarts)) = next_start(job, *index, task, state, reason) {
        let task = task_id(emit.state, task_ref);
        emit.emit(Event::TaskRestartScheduled(TaskRestartScheduledV1 { task, delay_ms, restarts }));
    } else {
        end_job_if_over(emit, *number);
    }
}

/// The wait before the next start and the restarts counted by then; `None` where there is none.
fn next_start(job: &Job, index: u32, task: &Task, state: TaskState, reason: Option<EndReason>) -> Option<(u64, u32)> {
    let policy = &job.spec.restart;
    let unwanted = job.standing != Standing::Running || !job.is_wanted(index) || task.doomed;
    if unwanted {
        return None;
    }
    // Somebody wants it started again, however it ended meanwhile.
    if task.restart_requested {
        return Some((0, 0));
    }
    // Killed for a scale-down that was taken back meanwhile: it is wanted again at once.
    if task.kill_requested && state == TaskState::Killed {
        return Some((0, task.restarts));
    }
    // The cell gave it ports that others hold. Nothing of it ran, and it gets other ports: at once, whatever
    // its policy is, and not counted.
    if reason == Some(EndReason::PortsHeld) {
        return Some((0, task.restarts));
    }
    // Nothing of it ran, so the policy, which is about runs, has no say; a job that runs at most once
    // still runs at most once. The wait keeps an agent that can begin nothing from being asked in a ring.
    if state == TaskState::Failed && reason == Some(EndReason::NeverBegan) {
        return Some((NEVER_BEGAN_DELAY_MS, task.restarts));
    }
    let counted = (policy.delay_ms(task.restarts), task.restarts.saturating_add(1));
    match (policy.on, state) {
        (RestartOn::Never, _) | (RestartOn::Failure, TaskState::Finished) => None,
        // The machine's fault, not the task's: at once, and not counted.
        (_, TaskState::Lost) => Some((0, task.restarts)),
        _ => (task.restarts < policy.limit).then_some(counted),
    }
}
