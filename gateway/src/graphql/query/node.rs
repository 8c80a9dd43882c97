//! Relay's `node`: anything by its id.

use async_graphql::{Context, ID, Interface, Object, Result};

use super::{agent::Agent, framework::Framework, job::Job, offer::Offer, role::Role, task::Task};
use crate::{
    error::RequestError,
    graphql::error::graphql,
    graphql::input::parse,
    graphql::moment::{At, scope},
    graphql::scalar::OffsetText,
};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The id of this node."))]
pub enum Node {
    /// A machine.
    Agent(Agent),
    /// Work that the cell places itself.
    Job(Job),
    /// One process (group) on one agent.
    Task(Task),
    /// An outside scheduler.
    Framework(Framework),
    /// Resources offered to a framework.
    Offer(Offer),
    /// A name that shares hang on.
    Role(Role),
}

/// See [`super::Query`].
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The node with this id.
    async fn node(
        &self,
        ctx: &Context<'_>,
        id: ID,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Option<Node>> {
        let unknown =
            || graphql(RequestError::BadInput { field: "id", why: format!("{:?} is not the id of a node", id.0) });
        let (kind, name) = id.split_once(':').ok_or_else(unknown)?;
        let scope = scope(ctx, at, min_offset).await?;
        match kind {
            "Agent" => Ok(Agent::find(scope, &parse("id", name).map_err(graphql)?)?.map(Node::Agent)),
            "Job" => Ok(Job::find(scope, &parse("id", name).map_err(graphql)?)?.map(Node::Job)),
            "Task" => Ok(Task::find(scope, &parse("id", name).map_err(graphql)?)?.map(Node::Task)),
            "Framework" => Ok(Framework::find(scope, &parse("id", name).map_err(graphql)?)?.map(Node::Framework)),
            "Offer" => Ok(Offer::find(scope, parse("id", name).map_err(graphql)?)?.map(Node::Offer)),
            "Role" => Ok(Role::find(scope, &parse("id", name).map_err(graphql)?)?.map(Node::Role)),
            _ => Err(unknown()),
        }
    }
}
