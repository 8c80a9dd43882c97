//! What is due by log time.

use log_schema::{
    Event, TaskId,
    event::{
        AgentLeavingV1, AgentPortsFreedV1, AgentResumedV1, AgentStartForgivenV1, FilterExpiredV1, JobForgottenV1,
        OfferEnd, OfferEndedV1, TaskForgottenV1, TaskRestartDueV1, TaskRestartForgottenV1,
    },
};

use crate::{decide::Emit, state::timers::Due};

/// Handles the first timer that is due; says whether there was one.
pub fn step(emit: &mut Emit<'_>) -> bool {
    let state = &emit.state;
    let Some(due) = state.timers.first_due(state.now).cloned() else { return false };
    let event = match due {
        Due::AgentLost(agent) => Event::AgentLeaving(AgentLeavingV1 { agent: state.agents.get(agent).id.clone() }),
        Due::StartForgiven(number, owner) => {
            let agent = state.agents.get(number);
            let task = agent.failed_starts[&owner].task.clone();
            Event::AgentStartForgiven(AgentStartForgivenV1 { agent: agent.id.clone(), task })
        }
        Due::Resumed(agent) => Event::AgentResumed(AgentResumedV1 { agent: state.agents.get(agent).id.clone() }),
        Due::PortsFreed(agent, ports) => {
            Event::AgentPortsFreed(AgentPortsFreedV1 { agent: state.agents.get(agent).id.clone(), ports })
        }
        Due::Restart(job, index) => {
            Event::TaskRestartDue(TaskRestartDueV1 { task: TaskId::of_job(&state.job_id(job), index) })
        }
        Due::RestartsForgotten(job, index) => {
            let known = state.jobs.get(job);
            let restarts = known.task(index).expect("a task that was restarted was placed").restarts;
            let early = known.counted.get(&index).map_or(restarts, |counted| counted.early);
            let (task, restarts) = (TaskId::of_job(&known.spec.id, index), restarts.saturating_sub(early));
            Event::TaskRestartForgotten(TaskRestartForgottenV1 { task, restarts })
        }
        Due::ForgetJob(job) => Event::JobForgotten(JobForgottenV1 { job: state.job_id(job) }),
        Due::ForgetTask(framework, name) => {
            let framework = &state.frameworks.get(framework).id;
            let task = TaskId::of_framework(framework, &name).expect("its name was checked at launch");
            Event::TaskForgotten(TaskForgottenV1 { task })
        }
        Due::OfferTimedOut(offer) => Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::TimedOut }),
        Due::FilterExpired(framework, agent) => Event::FilterExpired(FilterExpiredV1 {
            framework: state.frameworks.get(framework).id.clone(),
            agent: state.agents.get(agent).id.clone(),
        }),
    };
    emit.emit(event);
    true
}
