//! Mutations: parse, append, wait for the decision, map. Each is one command of the log.
//!
//! A refusal is an answer, in `userErrors`; a GraphQL error means that there is no answer.

pub mod agent;
pub mod cell;
pub mod framework;
pub mod job;
pub mod payload;

use async_graphql::{Context, MergedObject};
use log_schema::{Class, Command, Envelope, Key, Offset};

use self::payload::Answer;
use crate::{
    context::{caller, gateway},
    error::{RequestError, graphql},
    hub::Answered,
    input::parse,
    moment,
    scalar::OffsetText,
};

/// The commands of clients. Each waits until the cell has decided.
#[derive(Default, MergedObject)]
pub struct Mutation(job::JobMutation, agent::AgentMutation, framework::FrameworkMutation, cell::CellMutation);

/// Asks for something from outside, whatever the cell decides.
pub(crate) async fn ask(ctx: &Context<'_>, key: Option<String>, command: Command) -> async_graphql::Result<Answer> {
    send(ctx, key, Class::Exogenous, None, command).await.map_err(graphql)
}

/// Answers what the cell decided.
pub(crate) async fn respond(
    ctx: &Context<'_>,
    key: Option<String>,
    caused_by: Option<OffsetText>,
    command: Command,
) -> async_graphql::Result<Answer> {
    let caused_by = caused_by.map(Offset::from);
    send(ctx, key, Class::Endogenous, caused_by, command).await.map_err(graphql)
}

async fn send(
    ctx: &Context<'_>,
    key: Option<String>,
    class: Class,
    caused_by: Option<Offset>,
    command: Command,
) -> Result<Answer, RequestError> {
    let gateway = gateway(ctx);
    let key: Key = key.map_or_else(|| Ok(gateway.keys.pick()), |key| parse("key", &key))?;
    let envelope = Envelope { principal: caller(ctx).principal.clone(), key: key.clone(), caused_by, class };
    let answered = gateway.hub.ask(&command, &envelope, gateway.patience).await.map_err(|error| {
        gateway.metrics.unanswered.add(1);
        RequestError::of_ask(&error, key.as_str())
    })?;
    let first = match answered.answer().and_then(|answer| answer.repeats) {
        None => None,
        Some(first) => Some(first_answer(ctx, first).await?),
    };
    let answer = Answer::new(key, answered, first);
    gateway.metrics.refusals.add(u64::from(answer.refusal().is_some()));
    Ok(answer)
}

/// What was answered to the command that another one repeats.
async fn first_answer(ctx: &Context<'_>, first: Offset) -> Result<Answered, RequestError> {
    let gateway = gateway(ctx);
    if let Some(answered) = gateway.hub.recent_answer(first) {
        return Ok(answered);
    }
    // A gateway that has just started knows of the repeat before it has folded what is repeated.
    moment::answered(&gateway.rows, first).await?;
    let found = gateway.rows.as_of(None)?.answer_of(first)?;
    let old = match found {
        Some(answer) => gateway.hub.old_answer(first, answer.decided).await,
        None => None,
    };
    let why = || format!("what was answered to the command at offset {first} is not kept any more");
    old.ok_or_else(|| RequestError::Trimmed { why: why() })
}
