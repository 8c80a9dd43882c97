//! Commands of frameworks. What the cell says to them comes as `events(filter: {framework})`.

use async_graphql::{Context, Object, Result};
use log_schema::Command;

use super::{ask, payload::FrameworkPayload, respond};
use crate::{
    graphql::error::graphql,
    graphql::input::framework::{
        AcceptOffersInput, DeclineOffersInput, FrameworkOffersInput, SubscribeFrameworkInput, TeardownFrameworkInput,
    },
};

/// See [`super::Mutation`].
#[derive(Default)]
pub struct FrameworkMutation;

#[Object]
impl FrameworkMutation {
    /// Asks for offers, or comes back under the same name.
    async fn subscribe_framework(&self, ctx: &Context<'_>, input: SubscribeFrameworkInput) -> Result<FrameworkPayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.framework.clone();
        let answer = ask(ctx, input.key, Command::SubscribeFramework(command)).await?;
        Ok(FrameworkPayload { answer, id })
    }

    /// Launches tasks on offers of one agent.
    async fn accept_offers(&self, ctx: &Context<'_>, mut input: AcceptOffersInput) -> Result<FrameworkPayload> {
        let (key, caused_by) = (input.key.take(), input.caused_by);
        let command = input.command().map_err(graphql)?;
        let id = command.framework.clone();
        let answer = respond(ctx, key, caused_by, Command::AcceptOffers(command)).await?;
        Ok(FrameworkPayload { answer, id })
    }

    /// Gives offers back.
    async fn decline_offers(&self, ctx: &Context<'_>, input: DeclineOffersInput) -> Result<FrameworkPayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.framework.clone();
        let answer = respond(ctx, input.key, input.caused_by, Command::DeclineOffers(command)).await?;
        Ok(FrameworkPayload { answer, id })
    }

    /// Wants offers again, and drops all filters.
    async fn revive_offers(&self, ctx: &Context<'_>, input: FrameworkOffersInput) -> Result<FrameworkPayload> {
        let command = input.revive().map_err(graphql)?;
        let id = command.framework.clone();
        let answer = respond(ctx, input.key, input.caused_by, Command::ReviveOffers(command)).await?;
        Ok(FrameworkPayload { answer, id })
    }

    /// Wants no offers until they are revived.
    async fn suppress_offers(&self, ctx: &Context<'_>, input: FrameworkOffersInput) -> Result<FrameworkPayload> {
        let command = input.suppress().map_err(graphql)?;
        let id = command.framework.clone();
        let answer = respond(ctx, input.key, input.caused_by, Command::SuppressOffers(command)).await?;
        Ok(FrameworkPayload { answer, id })
    }

    /// Ends a framework, with all its tasks.
    async fn teardown_framework(&self, ctx: &Context<'_>, input: TeardownFrameworkInput) -> Result<FrameworkPayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.framework.clone();
        let answer = ask(ctx, input.key, Command::TeardownFramework(command)).await?;
        Ok(FrameworkPayload { answer, id })
    }
}
