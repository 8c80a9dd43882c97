//! Mutations: parse, append, wait for the decision, map. Each is one command of the log.
//!
//! A refusal is an answer, in `userErrors`; a GraphQL error means that there is no answer.

pub mod agent;
pub mod cell;
pub mod framework;
pub mod job;
pub mod payload;

use async_graphql::{Context, MergedObject};
use log_schema::{Class, Command};

use super::{
    context::{caller, desk},
    error::graphql,
    scalar::OffsetText,
};
use crate::desk::submit::{Ask, Submitted};

/// The commands of clients. Each waits until the cell has decided.
#[derive(Default, MergedObject)]
pub struct Mutation(job::JobMutation, agent::AgentMutation, framework::FrameworkMutation, cell::CellMutation);

/// Asks for something from outside, whatever the cell decides.
pub(crate) async fn ask(ctx: &Context<'_>, key: Option<String>, command: Command) -> async_graphql::Result<Submitted> {
    let ask = Ask { key, class: Class::Exogenous, caused_by: None, command };
    desk(ctx).submit(caller(ctx), ask).await.map_err(graphql)
}

/// Answers what the cell decided.
pub(crate) async fn respond(
    ctx: &Context<'_>,
    key: Option<String>,
    caused_by: Option<OffsetText>,
    command: Command,
) -> async_graphql::Result<Submitted> {
    let ask = Ask { key, class: Class::Endogenous, caused_by: caused_by.map(Into::into), command };
    desk(ctx).submit(caller(ctx), ask).await.map_err(graphql)
}
