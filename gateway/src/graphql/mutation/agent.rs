//! Commands about agents. What agents themselves say comes over the agents' link.

use async_graphql::{Context, Object, Result};
use log_schema::Command;

use super::{ask, payload::AgentPayload};
use crate::{graphql::error::graphql, graphql::input::cell::RemoveAgentInput};

/// See [`super::Mutation`].
#[derive(Default)]
pub struct AgentMutation;

#[Object]
impl AgentMutation {
    /// Removes an agent for good; its tasks are lost.
    async fn remove_agent(&self, ctx: &Context<'_>, input: RemoveAgentInput) -> Result<AgentPayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.agent.clone();
        Ok(AgentPayload { answer: ask(ctx, input.key, Command::RemoveAgent(command)).await?, id })
    }
}
