//! [`Command::ScaleJob`](log_schema::Command::ScaleJob): a job gets another number of tasks.

use log_schema::{Event, Refusal, command::ScaleJobV1, event::JobScaledV1, job::TASKS_PER_JOB_MAX};

use super::{Emit, stop_job::running_job};
use crate::advance::{end_job_if_over, place_job};

pub(super) fn decide(emit: &mut Emit<'_>, command: &ScaleJobV1) -> Result<(), Refusal> {
    let number = running_job(emit.state, &command.job)?;
    let (asked, max) = (command.count, TASKS_PER_JOB_MAX);
    if asked > max {
        return Err(Refusal::CountOutOfRange { asked, min: 0, max });
    }
    let job = emit.state.jobs.get(number);
    if asked != job.count || !job.dead().is_empty() {
        let span = job.span_for(asked);
        emit.emit(Event::JobScaled(JobScaledV1 { job: command.job.clone(), count: asked, span }));
        place_job(emit, number);
        end_job_if_over(emit, number);
    }
    Ok(())
}
