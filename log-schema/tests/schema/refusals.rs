//! A sample of every refusal; filled and bare where it holds resources.

use log_schema::{
    AgentId, FrameworkId, Incarnation, OfferId, Offset, Principal, Refusal, Resources, RoleName, TaskState, TimeMs,
};

use crate::{
    parts::{agent, framework, identity, job, principal, resources, role, task_of_framework, task_of_job},
    sample::{
        Fill::{self, Bare, Full},
        Sample,
    },
};

/// Every refusal, in order of precedence.
pub(crate) fn samples() -> Vec<Sample> {
    let mut refusals = of_any_command();
    refusals.extend(of_agents());
    refusals.extend(of_jobs());
    refusals.extend(of_tasks());
    refusals.extend(of_frameworks());
    refusals.push((Full, Refusal::WeightOutOfRange { role: role(), weight: 0, min: 1, max: 1_000_000 }));
    refusals.into_iter().map(|(fill, refusal)| Sample::new("refusal", refusal.name(), fill, refusal)).collect()
}

fn of_any_command() -> Vec<(Fill, Refusal)> {
    vec![
        (Full, Refusal::Malformed { detail: "3 bytes follow the submit_job".into() }),
        (Full, Refusal::KeyReused { first: Offset(65_536) }),
        (Full, Refusal::TimeRunsBackwards { now: TimeMs(1_700_000_000_000), said: TimeMs(1_600_000_000_000) }),
        (Full, Refusal::ParameterOutOfRange { name: "offer_ttl_ms".into(), value: 0, min: 1_000, max: 3_600_000 }),
        (Full, Refusal::LogicUnknown { asked: 9, newest: 1 }),
        (Full, Refusal::TooMany { what: "agents".into(), max: 100_000 }),
        (Full, Refusal::ResourceMisnamed { name: "memory".into(), meant: "mem".into() }),
    ]
}

fn of_agents() -> Vec<(Fill, Refusal)> {
    vec![
        (Full, Refusal::AgentUnknown { agent: agent() }),
        (Full, Refusal::AgentUnreachableAlready { agent: agent() }),
        (Full, Refusal::AgentLeaving { agent: agent() }),
        (Full, Refusal::CapacityEmpty { agent: agent() }),
        (Full, Refusal::AgentIdentityTaken { agent: agent(), identity: identity(), holder: identity() }),
    ]
}

fn of_jobs() -> Vec<(Fill, Refusal)> {
    vec![
        (Full, Refusal::JobExists { job: job() }),
        (Full, Refusal::JobUnknown { job: job() }),
        (Full, Refusal::JobEnded { job: job() }),
        (Full, Refusal::CountOutOfRange { asked: 2_000_000, min: 1, max: 1_000_000 }),
        (Full, Refusal::CommandEmpty {}),
        (Full, Refusal::CommandIllegal { detail: "the variable \"A=B\" holds =".into() }),
        (Full, Refusal::CommandTooLong { bytes: 40_000, max: 32_768 }),
        (Full, Refusal::ResourcesEmpty {}),
        (Full, Refusal::PortsByNumber { asked: resources() }),
        (Bare, Refusal::PortsByNumber { asked: Resources::default() }),
        (Full, Refusal::TooManyPorts { asked: 65, max: 64 }),
        (Full, Refusal::TooManyConstraints { asked: 33, max: 32 }),
    ]
}

fn of_tasks() -> Vec<(Fill, Refusal)> {
    let task = task_of_job();
    let elsewhere = AgentId::new("a2").expect("legal");
    vec![
        (Full, Refusal::TaskUnknown { task: task.clone() }),
        (Full, Refusal::TaskEnded { task: task.clone(), state: TaskState::Finished }),
        (
            Full,
            Refusal::IncarnationSuperseded { task: task.clone(), current: Incarnation(3), reported: Incarnation(2) },
        ),
        (Full, Refusal::WrongAgent { task: task.clone(), placed_on: agent(), reported_by: elsewhere }),
        (Full, Refusal::IllegalTransition { task: task.clone(), from: TaskState::Running, to: TaskState::Starting }),
        (Full, Refusal::EndMismatch { task, state: TaskState::Running }),
        (Full, Refusal::TaskOfFramework { task: task_of_framework() }),
        (Full, Refusal::TaskScaledAway { task: task_of_job(), count: 2 }),
    ]
}

fn of_frameworks() -> Vec<(Fill, Refusal)> {
    let another = FrameworkId::new("flink").expect("legal");
    let (offer, subscribed) = (OfferId(17), RoleName::new("*").expect("legal"));
    let exceed = |asked, offered| Refusal::LaunchesExceedOffers { asked: Box::new(asked), offered: Box::new(offered) };
    let of_another = |owner| Refusal::FrameworkOfAnother { framework: framework(), owner, asked_by: principal() };
    vec![
        (Full, of_another(Principal::new("alice").expect("legal"))),
        (Full, Refusal::FrameworkUnknown { framework: framework() }),
        (Full, Refusal::FrameworkEnding { framework: framework() }),
        (Full, Refusal::RoleDiffers { framework: framework(), subscribed, asked: role() }),
        (Full, Refusal::OffersEmpty {}),
        (Full, Refusal::OfferUnknown { offer }),
        (Full, Refusal::OfferOfAnother { offer, framework: another }),
        (Full, Refusal::OffersOfSeveralAgents { first: agent(), second: AgentId::new("a2").expect("legal") }),
        (Full, Refusal::TooManyInOne { what: "launches".into(), asked: 2_000, max: 1_000 }),
        (Full, Refusal::TaskExists { task: task_of_framework() }),
        (Full, exceed(resources(), resources())),
        (Bare, exceed(Resources::default(), Resources::default())),
        (Full, Refusal::TaskNameIllegal { detail: "task name is empty".into() }),
        (Full, Refusal::AgentFull { agent: agent(), asked: 5, left: 2 }),
    ]
}
