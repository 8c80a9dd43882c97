//! An event of the log as GraphQL shows it, and the cursor that names it.

pub(crate) mod owners;
pub(crate) mod stream;
pub(crate) mod subject;

use std::{fmt, str::FromStr, sync::Arc};

use async_graphql::{Context, Json, Object, Result};
use log_schema::{Event, Offset};
use projector::Decided;

use owners::owner_of_ended;
pub use subject::EventFilter;
use subject::Subjects;

use crate::{
    context::gateway,
    error::graphql,
    scalar::{OffsetText, TimeText},
};

/// A place between two events: right after the event `index` of the decision at `offset`.
///
/// Its text is `offset:index`; a client keeps it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The offset of the decision.
    pub offset: Offset,
    /// The number of the event in the decision, from 0.
    pub index: usize,
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.offset, self.index)
    }
}

/// Where a stream of events begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// With the first event of the log.
    Start,
    /// With the first event that is decided from now on.
    Now,
    /// With the event after this one.
    Event(EventCursor),
    /// With the first event of a decision behind this offset.
    Offset(Offset),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        const EXPECTED: &str = "neither \"start\", \"now\", the cursor of an event nor an offset";
        let number = |text: &str| -> std::result::Result<u64, Self::Err> { text.parse().map_err(|_| EXPECTED) };
        match (text, text.split_once(':')) {
            ("start", _) => Ok(Self::Start),
            ("now", _) => Ok(Self::Now),
            (_, Some((offset, index))) => {
                let index = usize::try_from(number(index)?).map_err(|_| EXPECTED)?;
                Ok(Self::Event(EventCursor { offset: Offset(number(offset)?), index }))
            }
            (offset, None) => Ok(Self::Offset(Offset(number(offset)?))),
        }
    }
}

/// One event of one decision, without a copy of it.
#[derive(Clone, Debug)]
pub struct LogEvent {
    decided: Arc<Decided>,
    answer: usize,
    in_answer: usize,
    index: usize,
}

/// Every event of a decision, in order.
pub(crate) fn events_of(decided: &Arc<Decided>) -> impl Iterator<Item = LogEvent> + use<> {
    let decided = Arc::clone(decided);
    let places: Vec<_> = decided
        .decision
        .answers
        .iter()
        .enumerate()
        .flat_map(|(a, answer)| (0..answer.events.len()).map(move |e| (a, e)))
        .collect();
    places.into_iter().enumerate().map(move |(index, (answer, in_answer))| LogEvent {
        decided: Arc::clone(&decided),
        answer,
        in_answer,
        index,
    })
}

impl LogEvent {
    /// The event itself.
    pub(crate) fn event(&self) -> &Event {
        &self.decided.decision.answers[self.answer].events[self.in_answer]
    }

    /// The place right after it.
    pub(crate) fn after(&self) -> EventCursor {
        EventCursor { offset: self.decided.offset, index: self.index }
    }

    /// The offset of the command that brought it.
    pub(crate) fn command(&self) -> Offset {
        self.decided.decision.answers[self.answer].at
    }

    fn about(&self) -> Subjects<'_> {
        Subjects::of(self.event())
    }
}

/// A fact that a decision states. Events are never refused, changed or taken back.
#[Object]
impl LogEvent {
    /// The offset of the decision.
    async fn offset(&self) -> OffsetText {
        self.decided.offset.into()
    }

    /// The number of the event in its decision, from 0.
    async fn index(&self) -> u32 {
        u32::try_from(self.index).expect("a record holds fewer events than u32 counts")
    }

    /// The place right after this event; `events(since:)` goes on from it.
    async fn cursor(&self) -> String {
        self.after().to_string()
    }

    /// When the log took the decision.
    async fn time(&self) -> TimeText {
        self.decided.time.into()
    }

    /// The offset of the command that brought it about.
    async fn command_offset(&self) -> OffsetText {
        self.command().into()
    }

    /// The name of the event, such as `task.placed`.
    async fn name(&self) -> &'static str {
        self.event().name()
    }

    /// The job that it is about, by itself or by its task.
    async fn job(&self) -> Option<&str> {
        self.about().job
    }

    /// The task that it is about.
    async fn task(&self) -> Option<&str> {
        self.about().task.map(log_schema::TaskId::as_str)
    }

    /// The agent that it is about, by itself or by its offer.
    async fn agent(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        if let Some(agent) = self.about().agent {
            return Ok(Some(agent.to_string()));
        }
        let owner = owner_of_ended(gateway(ctx), self).await.map_err(graphql)?;
        Ok(owner.map(|(_, agent)| agent.to_string()))
    }

    /// The framework that it is about, by itself, by its task or by its offer.
    async fn framework(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        if let Some(framework) = self.about().framework {
            return Ok(Some(framework.to_owned()));
        }
        let owner = owner_of_ended(gateway(ctx), self).await.map_err(graphql)?;
        Ok(owner.map(|(framework, _)| framework.to_string()))
    }

    /// The offer that it is about, such as `o17`.
    async fn offer(&self) -> Option<String> {
        self.about().offer.map(|offer| offer.to_string())
    }

    /// The role that it is about.
    async fn role(&self) -> Option<&str> {
        self.about().role.map(log_schema::RoleName::as_str)
    }

    /// All that the event says, with the field names of the log.
    async fn body(&self) -> Json<serde_json::Value> {
        Json(body(self.event()))
    }
}

/// The body of an event, without its name.
fn body(event: &Event) -> serde_json::Value {
    match serde_json::to_value(event) {
        Ok(serde_json::Value::Object(named)) => {
            named.into_iter().next().map_or(serde_json::Value::Null, |(_, body)| body)
        }
        Ok(_) | Err(_) => serde_json::Value::Null,
    }
}
