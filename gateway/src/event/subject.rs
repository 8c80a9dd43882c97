//! Whom an event is about.

use log_schema::{AgentId, Event, FrameworkId, JobId, OfferId, RoleName, TaskId, TaskOwner};

/// The names in an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subjects<'a> {
    pub(crate) job: Option<&'a str>,
    pub(crate) task: Option<&'a TaskId>,
    pub(crate) agent: Option<&'a AgentId>,
    pub(crate) framework: Option<&'a str>,
    pub(crate) offer: Option<OfferId>,
    pub(crate) role: Option<&'a RoleName>,
}

impl<'a> Subjects<'a> {
    /// Whom this event names. A task names its job or framework as well.
    pub(crate) fn of(event: &'a Event) -> Self {
        match event {
            Event::TimeAdvanced(_) | Event::ParametersSet(_) | Event::LogicActivated(_) => Self::default(),
            Event::AgentAdmitted(e) => Self::agent(&e.agent),
            Event::AgentChanged(e) => Self::agent(&e.agent),
            Event::AgentOvercommitted(e) => Self::agent(&e.agent),
            Event::AgentRelieved(e) => Self::agent(&e.agent),
            Event::AgentStartFailed(e) => Self { agent: Some(&e.agent), ..Self::task(&e.task) },
            Event::AgentStartForgiven(e) => Self { agent: Some(&e.agent), ..Self::task(&e.task) },
            Event::AgentSuspended(e) => Self::agent(&e.agent),
            Event::AgentResumed(e) => Self::agent(&e.agent),
            Event::AgentPortsHeld(e) => Self::agent(&e.agent),
            Event::AgentPortsFreed(e) => Self::agent(&e.agent),
            Event::AgentUnreachable(e) => Self::agent(&e.agent),
            Event::AgentReturned(e) => Self::agent(&e.agent),
            Event::AgentIdentified(e) => Self::agent(&e.agent),
            Event::AgentStrayed(e) => Self::agent(&e.agent),
            Event::AgentLeaving(e) => Self::agent(&e.agent),
            Event::AgentRemoved(e) => Self::agent(&e.agent),
            Event::JobAccepted(e) => Self { role: Some(&e.spec.role), ..Self::job(&e.spec.id) },
            Event::JobScaled(e) => Self::job(&e.job),
            Event::JobStopping(e) => Self::job(&e.job),
            Event::JobEnded(e) => Self::job(&e.job),
            Event::JobForgotten(e) => Self::job(&e.job),
            Event::PlacementDeferred(e) => Self::job(&e.job),
            Event::TaskPlaced(e) => Self { agent: Some(&e.agent), ..Self::task(&e.task) },
            Event::TaskStatusChanged(e) => Self { agent: Some(&e.agent), ..Self::task(&e.task) },
            Event::TaskKillRequested(e) => Self { agent: Some(&e.agent), ..Self::task(&e.task) },
            Event::TaskRestartScheduled(e) => Self::task(&e.task),
            Event::TaskRestartDue(e) => Self::task(&e.task),
            Event::TaskRestartForgotten(e) => Self::task(&e.task),
            Event::TaskWithdrawn(e) => Self::task(&e.task),
            Event::TaskForgotten(e) => Self::task(&e.task),
            Event::FrameworkSubscribed(e) => Self { role: Some(&e.role), ..Self::framework(&e.framework) },
            Event::FrameworkEnding(e) => Self::framework(&e.framework),
            Event::FrameworkRemoved(e) => Self::framework(&e.framework),
            Event::OffersSuppressed(e) => Self::framework(&e.framework),
            Event::OffersRevived(e) => Self::framework(&e.framework),
            Event::FilterSet(e) => Self { agent: Some(&e.agent), ..Self::framework(&e.framework) },
            Event::FilterExpired(e) => Self { agent: Some(&e.agent), ..Self::framework(&e.framework) },
            Event::OfferMade(e) => {
                Self { agent: Some(&e.agent), offer: Some(e.offer), ..Self::framework(&e.framework) }
            }
            Event::OfferEnded(e) => Self { offer: Some(e.offer), ..Self::default() },
            Event::RoleSet(e) => Self { role: Some(&e.role), ..Self::default() },
        }
    }

    fn agent(agent: &'a AgentId) -> Self {
        Self { agent: Some(agent), ..Self::default() }
    }

    fn job(job: &'a JobId) -> Self {
        Self { job: Some(job.as_str()), ..Self::default() }
    }

    fn framework(framework: &'a FrameworkId) -> Self {
        Self { framework: Some(framework.as_str()), ..Self::default() }
    }

    fn task(task: &'a TaskId) -> Self {
        let (job, framework) = match task.owner() {
            TaskOwner::Job { job, .. } => (Some(job), None),
            TaskOwner::Framework { framework, .. } => (None, Some(framework)),
        };
        Self { task: Some(task), job, framework, ..Self::default() }
    }
}
