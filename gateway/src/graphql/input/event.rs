//! Which events a client wants.

use async_graphql::InputObject;
use log_schema::Event;

use super::parse;
use crate::{error::RequestError, event::EventFilter};

/// Which events are wanted: those for which every given part holds.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "EventFilter")]
pub struct EventFilterInput {
    /// Names of events, such as `task.placed`; any of them.
    #[graphql(default)]
    pub names: Vec<String>,
    /// Events about this job or its tasks.
    pub job: Option<String>,
    /// Events about this task.
    pub task: Option<String>,
    /// Events about this agent, its tasks and its offers.
    pub agent: Option<String>,
    /// Events about this framework, its tasks and its offers.
    pub framework: Option<String>,
    /// Whether to show `time.advanced` where no names are given; every tick brings one.
    #[graphql(default)]
    pub with_time: bool,
}

impl EventFilterInput {
    /// The filter. Refuses names that no event and nothing else can have: a filter with a typing error would wait
    /// for ever.
    pub(crate) fn filter(self) -> Result<EventFilter, RequestError> {
        fn named<T: std::str::FromStr>(field: &'static str, name: Option<String>) -> Result<Option<T>, RequestError>
        where
            T::Err: std::error::Error,
        {
            name.map(|name| parse(field, &name)).transpose()
        }
        Ok(EventFilter {
            job: named("filter.job", self.job)?,
            task: named("filter.task", self.task)?,
            agent: named("filter.agent", self.agent)?,
            framework: named("filter.framework", self.framework)?,
            names: self.names.iter().map(|name| event_name(name)).collect::<Result<_, _>>()?,
            with_time: self.with_time,
        })
    }
}

fn event_name(name: &str) -> Result<&'static str, RequestError> {
    Event::NAMES.iter().find(|known| **known == name).copied().ok_or_else(|| {
        let why = format!("{name:?} is not the name of an event; those are {}", Event::NAMES.join(" "));
        RequestError::BadInput { field: "names", why }
    })
}
