//! [`Command::UpdateTaskStatus`](log_schema::Command::UpdateTaskStatus): an agent says where a task stands.
//!
//! Idempotent by task, incarnation and state: a status that is said again changes nothing.

use log_schema::{
    Event, PortRanges, Refusal, TaskState,
    command::UpdateTaskStatusV1,
    event::TaskStatusChangedV1,
    task::{EndReason, EndV1},
};

use super::{Emit, failed_start::after_failed_start, report_agent::relieve_if_enough};
use crate::{
    advance::after_end,
    state::{
        State,
        task::{Phase, Task, TaskRef},
    },
};

/// The longest message of a task's end, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024;

pub(super) fn decide(emit: &mut Emit<'_>, command: UpdateTaskStatusV1) -> Result<(), Refusal> {
    let (task_ref, current) = find(emit.state, &command)?;
    if current != command.state && !current.may_become(command.state) {
        let UpdateTaskStatusV1 { task, state: to, .. } = command;
        return Err(Refusal::IllegalTransition { task, from: current, to });
    }
    check_end(&command)?;
    if current == command.state {
        return Ok(());
    }
    let UpdateTaskStatusV1 { task, incarnation, agent, state, end, observed: _ } = command;
    let known = emit.state.find_task(&task_ref).expect("found above");
    let (number, given) = (known.agent, known.resources.ports.clone());
    let end = end.map(|end| short(end, &given));
    let status = TaskStatusChangedV1 { task: task.clone(), incarnation, agent, state, end: end.clone() };
    emit.emit(Event::TaskStatusChanged(status));
    if let Some(end) = end {
        relieve_if_enough(emit, number);
        after_failed_start(emit, number, &task, &end);
        after_end(emit, &task_ref, Some(end.reason));
    }
    Ok(())
}

/// The task and the state of the incarnation that the status is about.
fn find(state: &State, command: &UpdateTaskStatusV1) -> Result<(TaskRef, TaskState), Refusal> {
    let id = &command.task;
    let unknown = || Refusal::TaskUnknown { task: id.clone() };
    let task_ref = state.find_task_ref(id).ok_or_else(unknown)?;
    let task = state.find_task(&task_ref).ok_or_else(unknown)?;
    let stands = match task.phase {
        Phase::Active(state) | Phase::Ended(state) => Some(state),
        // It ended and waits for its next start: its end was reported before, and nothing else is news.
        Phase::BackingOff(_) | Phase::Waiting => command.state.is_terminal().then_some(command.state),
    };
    let stands = stands.filter(|_| task.incarnation == command.incarnation).ok_or_else(|| {
        let (current, reported) = (task.incarnation, command.incarnation);
        Refusal::IncarnationSuperseded { task: id.clone(), current, reported }
    })?;
    check_agent(state, task, command)?;
    Ok((task_ref, stands))
}

fn check_agent(state: &State, task: &Task, command: &UpdateTaskStatusV1) -> Result<(), Refusal> {
    match state.agents.find(task.agent) {
        Some(host) if host.id != command.agent => Err(Refusal::WrongAgent {
            task: command.task.clone(),
            placed_on: host.id.clone(),
            reported_by: command.agent.clone(),
        }),
        _ => Ok(()),
    }
}

/// An end with its message cut to [`MESSAGE_BYTES_MAX`], and with none but the ports that the task was
/// given: a task that has ended is not refused over a long message or a wrong port.
fn short(mut end: EndV1, given: &PortRanges) -> EndV1 {
    end.ports = given.minus(&given.minus(&end.ports));
    match end.reason {
        // A task without ports is not started again and again over ports that it never had.
        EndReason::PortsHeld if given.is_empty() => end.reason = EndReason::CannotStart,
        EndReason::PortsHeld if end.ports.is_empty() => end.ports = given.clone(),
        _ => {}
    }
    if let Some(message) = &mut end.message {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    }
    end
}

fn check_end(command: &UpdateTaskStatusV1) -> Result<(), Refusal> {
    let end: Option<&EndV1> = command.end.as_ref();
    if command.state.is_terminal() == end.is_some() {
        return Ok(());
    }
    Err(Refusal::EndMismatch { task: command.task.clone(), state: command.state })
}
