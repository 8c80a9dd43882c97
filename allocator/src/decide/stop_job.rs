//! [`Command::StopJob`](log_schema::Command::StopJob): nothing of a job is started any more; its tasks end in slices.

use log_schema::{Event, JobId, Refusal, command::StopJobV1, event::JobStoppingV1};

use super::Emit;
use crate::{
    advance::end_job_if_over,
    state::{
        State,
        jobs::{JobNo, Standing},
    },
};

pub(super) fn decide(emit: &mut Emit<'_>, command: &StopJobV1) -> Result<(), Refusal> {
    let number = running_job(emit.state, &command.job)?;
    emit.emit(Event::JobStopping(JobStoppingV1 { job: command.job.clone() }));
    end_job_if_over(emit, number);
    Ok(())
}

/// The job of this name, which must be running.
pub(super) fn running_job(state: &State, job: &JobId) -> Result<JobNo, Refusal> {
    let number = state.jobs.number(job.as_str()).ok_or_else(|| Refusal::JobUnknown { job: job.clone() })?;
    match state.jobs.get(number).standing {
        Standing::Running => Ok(number),
        Standing::Stopping | Standing::Ended(..) => Err(Refusal::JobEnded { job: job.clone() }),
    }
}
