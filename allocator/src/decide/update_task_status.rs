//! [`Command::UpdateTaskStatus`](log_schema::Command::UpdateTaskStatus): an agent says where a task stands.
//!
//! Idempotent by task, incarnation and state: a status that is said again changes nothing.

use log_schema::{Event, Refusal, TaskState, command::UpdateTaskStatusV1, event::TaskStatusChangedV1, task::EndV1};

use super::Emit;
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
    let end = end.map(short);
    emit.emit(Event::TaskStatusChanged(TaskStatusChangedV1 { task, incarnation, agent, state, end }));
    if state.is_terminal() {
        after_end(emit, &task_ref);
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

/// An end with its message cut to [`MESSAGE_BYTES_MAX`]: a task that has ended is not refused over a
/// long message.
fn short(mut end: EndV1) -> EndV1 {
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
