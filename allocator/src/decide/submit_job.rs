//! [`Command::SubmitJob`](log_schema::Command::SubmitJob): a job is taken on, and its first tasks are placed at once.

use log_schema::{
    Event, JobId, Refusal,
    command::SubmitJobV1,
    event::{JobAcceptedV1, JobForgottenV1},
    job::{CONSTRAINTS_PER_JOB_MAX, ConstraintV1, JobSpecV1, TASKS_PER_JOB_MAX},
};

use super::{
    Emit,
    check_run::{at_most, check_numbers, check_ports, check_resources, check_run},
};
use crate::{
    advance::place_job,
    state::{State, jobs::Standing},
};

/// The most jobs in the allocator's state, ended ones included.
pub const JOBS_MAX: usize = 1_000_000;
/// The most bytes in all names and values of a job's constraints.
pub const CONSTRAINT_BYTES_MAX: usize = 32 * 1024;

pub(super) fn decide(emit: &mut Emit<'_>, command: SubmitJobV1) -> Result<(), Refusal> {
    let spec = command.job;
    check_numbers(&spec.run, &spec.resources)?;
    check_constraint_bytes(&spec.constraints)?;
    let ended = check_name(emit.state, &spec.id)?;
    check_spec(&spec)?;
    if let Some(job) = ended {
        emit.emit(Event::JobForgotten(JobForgottenV1 { job }));
    }
    let number = emit.state.jobs.next_number();
    emit.emit(Event::JobAccepted(Box::new(JobAcceptedV1 { spec })));
    place_job(emit, number);
    Ok(())
}

/// The name must be free, or that of a job that has ended, which is then forgotten.
fn check_name(state: &State, id: &JobId) -> Result<Option<JobId>, Refusal> {
    if let Some(number) = state.jobs.number(id.as_str()) {
        let ended = matches!(state.jobs.get(number).standing, Standing::Ended(..));
        return if ended { Ok(Some(id.clone())) } else { Err(Refusal::JobExists { job: id.clone() }) };
    }
    if state.jobs.count() >= JOBS_MAX {
        return Err(Refusal::TooMany { what: "jobs".into(), max: JOBS_MAX as u64 });
    }
    Ok(None)
}

fn check_spec(spec: &JobSpecV1) -> Result<(), Refusal> {
    let (asked, max) = (spec.count, TASKS_PER_JOB_MAX);
    if !(1..=max).contains(&asked) {
        return Err(Refusal::CountOutOfRange { asked, min: 1, max });
    }
    check_run(&spec.run)?;
    check_resources(&spec.resources)?;
    if !spec.resources.ports.is_empty() {
        return Err(Refusal::PortsByNumber { asked: spec.resources.clone() });
    }
    check_ports(u32::from(spec.ports))?;
    check_constraints(&spec.constraints)
}

fn check_constraint_bytes(constraints: &[ConstraintV1]) -> Result<(), Refusal> {
    let values =
        |constraint: &ConstraintV1| constraint.values.iter().map(compact_str::CompactString::len).sum::<usize>();
    let bytes = constraints.iter().map(|constraint| constraint.attribute.len() + values(constraint)).sum();
    at_most("bytes of constraints", bytes, CONSTRAINT_BYTES_MAX)
}

fn check_constraints(constraints: &[ConstraintV1]) -> Result<(), Refusal> {
    let longest = constraints.iter().map(|constraint| constraint.values.len()).max().unwrap_or(0);
    let asked = constraints.len().max(longest) as u64;
    let max = CONSTRAINTS_PER_JOB_MAX as u64;
    if asked > max {
        return Err(Refusal::TooManyConstraints { asked, max });
    }
    Ok(())
}
