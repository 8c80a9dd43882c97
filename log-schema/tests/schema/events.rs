//! A sample of every event; filled and bare where it has optional fields.

use std::collections::BTreeMap;

use log_schema::{
    Event, Incarnation, OfferId, Offset, PortRanges, Resources, TaskState, TimeMs,
    command::Policy,
    event::{
        AgentAdmittedV1, AgentChangedV1, AgentIdentifiedV1, AgentLeavingV1, AgentOvercommittedV1, AgentPortsFreedV1,
        AgentPortsHeldV1, AgentRelievedV1, AgentRemovedV1, AgentResumedV1, AgentReturnedV1, AgentStartFailedV1,
        AgentStartForgivenV1, AgentStrayedV1, AgentSuspendedV1, AgentUnreachableV1, FilterExpiredV1, FilterSetV1,
        FrameworkEndingV1, FrameworkRemovedV1, FrameworkSubscribedV1, JobAcceptedV1, JobEndedV1, JobForgottenV1,
        JobOutcome, JobScaledV1, JobStoppingV1, KillPurpose, LogicActivatedV1, OfferEnd, OfferEndedV1, OfferMadeV1,
        OffersRevivedV1, OffersSuppressedV1, ParametersV1, PlacementDeferredV1, Reason, RoleSetV1, StartFault,
        TaskForgottenV1, TaskKillRequestedV1, TaskPlacedV1, TaskRestartDueV1, TaskRestartForgottenV1,
        TaskRestartScheduledV1, TaskStatusChangedV1, TaskWithdrawnV1, TimeAdvancedV1,
    },
};

use crate::{
    parts::{
        agent, attributes, end_bare, end_full, framework, identity, job, principal, resources, role, run_full,
        spec_bare, spec_full, task_of_framework, task_of_job,
    },
    sample::{
        Fill::{self, Bare, Full},
        Sample,
    },
};

/// Every event, in the order of the list.
pub(crate) fn samples() -> Vec<Sample> {
    let mut events = vec![(Full, Event::TimeAdvanced(TimeAdvancedV1 { now: TimeMs(1_700_000_000_000) }))];
    events.extend(of_agents());
    events.extend(of_jobs());
    events.extend(of_tasks());
    events.extend(of_frameworks());
    events.extend(of_offers());
    events.extend(of_the_cell());
    events.into_iter().map(|(fill, event)| Sample::new("event", event.name(), fill, event)).collect()
}

fn of_agents() -> Vec<(Fill, Event)> {
    let agent = agent();
    let admitted = |capacity, attributes, tasks_max| AgentAdmittedV1 {
        agent: agent.clone(),
        number: 11,
        capacity,
        attributes,
        tasks_max,
    };
    let overcommitted = |used, capacity| AgentOvercommittedV1 { agent: agent.clone(), used, capacity };
    let ports = || PortRanges::new(vec![(31_000, 31_001), (40_000, 40_000)]).expect("legal");
    let start_failed =
        AgentStartFailedV1 { agent: agent.clone(), task: task_of_job(), fault: StartFault::Machine, counts_ms: 60_000 };
    let suspended = AgentSuspendedV1 { agent: agent.clone(), suspended_ms: 30_000, suspensions: 1 };
    let changed =
        |capacity, attributes, tasks_max| AgentChangedV1 { agent: agent.clone(), capacity, attributes, tasks_max };
    vec![
        (Full, Event::AgentAdmitted(admitted(resources(), attributes(), Some(74)))),
        (Bare, Event::AgentAdmitted(admitted(Resources::default(), BTreeMap::new(), None))),
        (Full, Event::AgentChanged(changed(resources(), attributes(), Some(74)))),
        (Bare, Event::AgentChanged(changed(Resources::default(), BTreeMap::new(), None))),
        (Full, Event::AgentOvercommitted(overcommitted(resources(), Resources::default()))),
        (Bare, Event::AgentOvercommitted(overcommitted(Resources::default(), Resources::default()))),
        (Full, Event::AgentRelieved(AgentRelievedV1 { agent: agent.clone() })),
        (Full, Event::AgentStartFailed(start_failed)),
        (Full, Event::AgentStartForgiven(AgentStartForgivenV1 { agent: agent.clone(), task: task_of_framework() })),
        (Full, Event::AgentSuspended(suspended)),
        (Full, Event::AgentResumed(AgentResumedV1 { agent: agent.clone() })),
        (Full, Event::AgentPortsHeld(AgentPortsHeldV1 { agent: agent.clone(), ports: ports(), held_ms: 300_000 })),
        (Full, Event::AgentPortsFreed(AgentPortsFreedV1 { agent: agent.clone(), ports: ports() })),
        (Full, Event::AgentUnreachable(AgentUnreachableV1 { agent: agent.clone() })),
        (Full, Event::AgentReturned(AgentReturnedV1 { agent: agent.clone() })),
        (Full, Event::AgentIdentified(AgentIdentifiedV1 { agent: agent.clone(), identity: identity() })),
        (Full, Event::AgentStrayed(AgentStrayedV1 { agent: agent.clone(), obeyed: Offset(65_536) })),
        (Full, Event::AgentLeaving(AgentLeavingV1 { agent: agent.clone() })),
        (Full, Event::AgentRemoved(AgentRemovedV1 { agent: agent.clone() })),
    ]
}

fn of_jobs() -> Vec<(Fill, Event)> {
    let reasons = BTreeMap::from([
        (Reason::AgentAway, 1),
        (Reason::CpuTooSmall, 300),
        (Reason::PortsTaken, 2),
        (Reason::TasksTaken, 4),
    ]);
    let deferred = |reasons| PlacementDeferredV1 { job: job(), waiting: 299, reasons };
    vec![
        (Full, Event::JobAccepted(Box::new(JobAcceptedV1 { spec: spec_full() }))),
        (Bare, Event::JobAccepted(Box::new(JobAcceptedV1 { spec: spec_bare() }))),
        (Full, Event::JobScaled(JobScaledV1 { job: job(), count: 100_000, span: 100_003 })),
        (Full, Event::JobStopping(JobStoppingV1 { job: job(), grace_ms: Some(0) })),
        (Bare, Event::JobStopping(JobStoppingV1 { job: job(), grace_ms: None })),
        (Full, Event::JobEnded(JobEndedV1 { job: job(), outcome: JobOutcome::Succeeded })),
        (Full, Event::JobForgotten(JobForgottenV1 { job: job() })),
        (Full, Event::PlacementDeferred(deferred(reasons))),
        (Bare, Event::PlacementDeferred(deferred(BTreeMap::new()))),
    ]
}

fn of_tasks() -> Vec<(Fill, Event)> {
    let incarnation = Incarnation(3);
    let placed = |task, resources, run| TaskPlacedV1 { task, incarnation, agent: agent(), resources, run };
    let changed = |state, end| TaskStatusChangedV1 { task: task_of_job(), incarnation, agent: agent(), state, end };
    let kill = |grace_ms, purpose| {
        Event::TaskKillRequested(TaskKillRequestedV1 {
            task: task_of_job(),
            incarnation,
            agent: agent(),
            grace_ms,
            purpose,
        })
    };
    let restart = TaskRestartScheduledV1 { task: task_of_job(), delay_ms: 2_000, restarts: 2 };
    vec![
        (Full, Event::TaskPlaced(placed(task_of_framework(), resources(), Some(Box::new(run_full()))))),
        (Bare, Event::TaskPlaced(placed(task_of_job(), Resources::default(), None))),
        (Full, Event::TaskStatusChanged(changed(TaskState::Failed, Some(end_full())))),
        (Bare, Event::TaskStatusChanged(changed(TaskState::Running, None))),
        (Full, kill(Some(0), KillPurpose::Restart)),
        (Bare, kill(None, KillPurpose::Asked)),
        (Full, Event::TaskRestartScheduled(restart)),
        (Full, Event::TaskRestartDue(TaskRestartDueV1 { task: task_of_job() })),
        (Full, Event::TaskRestartForgotten(TaskRestartForgottenV1 { task: task_of_job(), restarts: 1 })),
        (Full, Event::TaskWithdrawn(TaskWithdrawnV1 { task: task_of_job(), purpose: KillPurpose::Surplus })),
        (Full, Event::TaskForgotten(TaskForgottenV1 { task: task_of_framework() })),
    ]
}

fn of_frameworks() -> Vec<(Fill, Event)> {
    let framework = framework();
    vec![
        (
            Full,
            Event::FrameworkSubscribed(FrameworkSubscribedV1 {
                framework: framework.clone(),
                role: role(),
                owner: principal(),
            }),
        ),
        (Full, Event::FrameworkEnding(FrameworkEndingV1 { framework: framework.clone() })),
        (Full, Event::FrameworkRemoved(FrameworkRemovedV1 { framework: framework.clone() })),
        (Full, Event::OffersSuppressed(OffersSuppressedV1 { framework: framework.clone() })),
        (Full, Event::OffersRevived(OffersRevivedV1 { framework })),
    ]
}

fn of_offers() -> Vec<(Fill, Event)> {
    let (offer, framework, agent) = (OfferId(17), framework(), agent());
    let made = |resources| OfferMadeV1 { offer, framework: framework.clone(), agent: agent.clone(), resources };
    let filter = FilterSetV1 { framework: framework.clone(), agent: agent.clone(), filter_ms: 5_000 };
    let expired = FilterExpiredV1 { framework: framework.clone(), agent: agent.clone() };
    vec![
        (Full, Event::FilterSet(filter)),
        (Full, Event::FilterExpired(expired)),
        (Full, Event::OfferMade(made(resources()))),
        (Bare, Event::OfferMade(made(Resources::default()))),
        (Full, Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::NeededByJob })),
    ]
}

fn of_the_cell() -> Vec<(Fill, Event)> {
    let parameters = ParametersV1 {
        policy: Policy::Binpack,
        offer_ttl_ms: 30_000,
        agent_lost_after_ms: 600_000,
        key_kept_ms: 86_400_000,
        ended_kept_ms: 3_600_000,
    };
    vec![
        (Full, Event::RoleSet(RoleSetV1 { role: role(), weight: 200 })),
        (Full, Event::ParametersSet(parameters)),
        (Full, Event::LogicActivated(LogicActivatedV1 { version: 2 })),
    ]
}

/// `end_bare` belongs to the parts; a status with an end that only has a reason is read as such.
#[test]
fn an_end_may_have_only_a_reason() {
    let bytes = log_schema::codec::encode(&end_bare());
    assert_eq!(bytes, b"\x81\xa6reason\xaaagent_lost");
}
