//! [`Command::StopJob`](log_schema::Command::StopJob): nothing of a job is started any more; its tasks end in slices.

use log_schema::{Event, JobId, Refusal, command::StopJobV1, event::JobStoppingV1};

use super::{Emit, check_run::check_grace};
use crate::{
    advance::end_job_if_over,
    state::{
        State,
        jobs::{JobNo, Standing},
    },
};

pub(super) fn decide(emit: &mut Emit<'_>, command: &StopJobV1) -> Result<(), Refusal> {
    check_grace(command.grace_ms)?;
    let job = &command.job;
    let number = emit.state.jobs.number(job.as_str()).ok_or_else(|| Refusal::JobUnknown { job: job.clone() })?;
    let known = emit.state.jobs.get(number);
    let changes = match known.standing {
        Standing::Running => true,
        // Asked already. Only less grace is news; how much its job gives it is in the log alone.
        Standing::Stopping => command.grace_ms.is_some_and(|grace| known.grace_ms.is_none_or(|given| grace < given)),
        Standing::Ended(..) => return Err(Refusal::JobEnded { job: job.clone() }),
    };
    if changes {
        emit.emit(Event::JobStopping(JobStoppingV1 { job: job.clone(), grace_ms: command.grace_ms }));
        end_job_if_over(emit, number);
    }
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
