//! What must end: tasks of agents that are gone, of frameworks and jobs that stop, and of jobs that
//! were scaled down.

use log_schema::{
    Event, TaskId, TaskState,
    event::{
        AgentRemovedV1, FrameworkRemovedV1, JobEndedV1, KillPurpose, OfferEnd, OfferEndedV1, TaskKillRequestedV1,
        TaskRestartScheduledV1, TaskStatusChangedV1, TaskWithdrawnV1,
    },
    task::{EndReason, EndV1},
};

use super::after_end;
use crate::{
    decide::Emit,
    state::{
        State,
        agents::AgentNo,
        frameworks::FrameworkNo,
        jobs::JobNo,
        task::{Phase, TaskRef},
    },
};

/// Ends one thing that must end; says whether there was one.
pub fn step(emit: &mut Emit<'_>) -> bool {
    let state = &emit.state;
    if let Some(agent) = state.leaving.first().copied() {
        leave(emit, agent);
    } else if let Some(framework) = state.next_teardown() {
        tear_down(emit, framework);
    } else if let Some(framework) = state.rescinding.first().copied() {
        rescind(emit, framework);
    } else if let Some(job) = state.surplus.first().copied() {
        fit(emit, job);
    } else {
        return false;
    }
    true
}

/// Takes the next thing off an agent that leaves; the agent goes last.
fn leave(emit: &mut Emit<'_>, number: AgentNo) {
    let agent = emit.state.agents.get(number);
    if let Some(offer) = agent.offers.first().copied() {
        emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::AgentAway }));
    } else if let Some(task_ref) = agent.tasks.first() {
        lose(emit, &task_ref);
    } else {
        let agent = agent.id.clone();
        emit.emit(Event::AgentRemoved(AgentRemovedV1 { agent }));
    }
}

fn lose(emit: &mut Emit<'_>, task_ref: &TaskRef) {
    let state = &emit.state;
    let task = state.find_task(task_ref).expect("an agent's task is known");
    let event = TaskStatusChangedV1 {
        task: task_id(state, task_ref),
        incarnation: task.incarnation,
        agent: state.agents.get(task.agent).id.clone(),
        state: TaskState::Lost,
        end: Some(EndV1::because(EndReason::AgentLost)),
    };
    emit.emit(Event::TaskStatusChanged(event));
    after_end(emit, task_ref, Some(EndReason::AgentLost));
}

/// Ends the next offer of a framework that wants none.
fn rescind(emit: &mut Emit<'_>, number: FrameworkNo) {
    let offer = *emit.state.frameworks.get(number).offers.first().expect("the framework is in the set for it");
    emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::FrameworkAway }));
}

/// Ends the next offer or task of a framework; the framework goes last.
fn tear_down(emit: &mut Emit<'_>, number: FrameworkNo) {
    let framework = emit.state.frameworks.get(number);
    if let Some(offer) = framework.offers.first().copied() {
        emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::FrameworkAway }));
    } else if let Some(name) = framework.alive.first().cloned() {
        let kill = Kill { grace_ms: None, purpose: KillPurpose::Surplus };
        request_kill(emit, &TaskRef::Framework { framework: number, name }, kill);
    } else {
        let framework = framework.id.clone();
        emit.emit(Event::FrameworkRemoved(FrameworkRemovedV1 { framework }));
    }
}

/// Ends the next task that a job has too many, or wants the next one again that it has too few.
fn fit(emit: &mut Emit<'_>, job: JobNo) {
    let known = emit.state.jobs.get(job);
    let Some(index) = known.next_surplus() else {
        let index = known.next_revival().expect("the job is in the set for it");
        let task = TaskId::of_job(&known.spec.id, index);
        emit.emit(Event::TaskRestartScheduled(TaskRestartScheduledV1 { task, delay_ms: 0, restarts: 0 }));
        return;
    };
    let kill = Kill { grace_ms: known.grace_ms, purpose: KillPurpose::Surplus };
    request_kill(emit, &TaskRef::Job { job, index }, kill);
    end_job_if_over(emit, job);
}

/// How a task is ended.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// Its grace, where that is not what its job says.
    pub grace_ms: Option<u64>,
    /// What it is for.
    pub purpose: KillPurpose,
}

/// Asks the agent to end a task; withdraws it where it holds nothing.
pub fn request_kill(emit: &mut Emit<'_>, task_ref: &TaskRef, kill: Kill) {
    let state = &emit.state;
    let task = task_id(state, task_ref);
    let known = state.find_task(task_ref).filter(|known| matches!(known.phase, Phase::Active(_)));
    let event = match known {
        None => Event::TaskWithdrawn(TaskWithdrawnV1 { task, purpose: kill.purpose }),
        Some(known) => {
            let agent = state.agents.get(known.agent).id.clone();
            Event::TaskKillRequested(TaskKillRequestedV1 {
                task,
                incarnation: known.incarnation,
                agent,
                grace_ms: kill.grace_ms,
                purpose: kill.purpose,
            })
        }
    };
    emit.emit(event);
}

/// Says that a job has ended if nothing of it is left to run.
pub fn end_job_if_over(emit: &mut Emit<'_>, number: JobNo) {
    if let Some(outcome) = emit.state.jobs.get(number).outcome() {
        let job = emit.state.job_id(number);
        emit.emit(Event::JobEnded(JobEndedV1 { job, outcome }));
    }
}

/// The text form of a task's id.
pub fn task_id(state: &State, task_ref: &TaskRef) -> TaskId {
    match task_ref {
        TaskRef::Job { job, index } => TaskId::of_job(&state.jobs.get(*job).spec.id, *index),
        TaskRef::Framework { framework, name } => {
            TaskId::of_framework(&state.frameworks.get(*framework).id, name).expect("its name was checked at launch")
        }
    }
}
