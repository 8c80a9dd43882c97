//! Which events a reader wants.

use log_schema::{AgentId, Event, FrameworkId, JobId, TaskId};

use super::Subjects;

/// Which events are wanted: those for which every given part holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    /// Names of events; any of them.
    pub(crate) names: Vec<&'static str>,
    /// Events about this job or its tasks.
    pub(crate) job: Option<JobId>,
    /// Events about this task.
    pub(crate) task: Option<TaskId>,
    /// Events about this agent, its tasks and its offers.
    pub(crate) agent: Option<AgentId>,
    /// Events about this framework, its tasks and its offers.
    pub(crate) framework: Option<FrameworkId>,
    /// Whether `time.advanced` is wanted if no names are given; every tick brings one.
    pub(crate) with_time: bool,
}

impl EventFilter {
    /// Whether the end of an offer can only be judged by who made it.
    pub(crate) fn asks_for_owners(&self) -> bool {
        self.framework.is_some() || self.agent.is_some()
    }

    /// Whether the filter wants this event, by its name and by whom it is about.
    pub(crate) fn wants(&self, event: &Event, about: &Subjects<'_>) -> bool {
        let name = event.name();
        let named = match self.names.as_slice() {
            [] => self.with_time || !matches!(event, Event::TimeAdvanced(_)),
            names => names.contains(&name),
        };
        named
            && self.job.as_ref().is_none_or(|job| about.job == Some(job.as_str()))
            && self.task.as_ref().is_none_or(|task| about.task == Some(task))
            && self.agent.as_ref().is_none_or(|agent| about.agent == Some(agent))
            && self.framework.as_ref().is_none_or(|framework| about.framework == Some(framework.as_str()))
    }
}
