//! An event of the log as GraphQL shows it.

use async_graphql::{Context, Json, Object, Result};
use log_schema::Event;

use super::{
    context::desk,
    error::graphql,
    scalar::{OffsetText, TimeText},
};
use crate::event::LogEvent;

/// A fact that a decision states. Events are never refused, changed or taken back.
#[Object]
impl LogEvent {
    /// The offset of the decision.
    async fn offset(&self) -> OffsetText {
        self.decided().offset.into()
    }

    /// The number of the event in its decision, from 0.
    async fn index(&self) -> u32 {
        u32::try_from(self.number()).expect("a record holds fewer events than u32 counts")
    }

    /// The place right after this event; `events(since:)` goes on from it.
    async fn cursor(&self) -> String {
        self.after().to_string()
    }

    /// When the log took the decision.
    async fn time(&self) -> TimeText {
        self.decided().time.into()
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
        let owner = desk(ctx).owner_of_ended(self).await.map_err(graphql)?;
        Ok(owner.map(|(_, agent)| agent.to_string()))
    }

    /// The framework that it is about, by itself, by its task or by its offer.
    async fn framework(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        if let Some(framework) = self.about().framework {
            return Ok(Some(framework.to_owned()));
        }
        let owner = desk(ctx).owner_of_ended(self).await.map_err(graphql)?;
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
