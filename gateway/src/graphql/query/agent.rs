//! Agents: what each machine has, what is held and offered of it, and what it says of itself.

use async_graphql::{Context, ID, Object, Result};
use log_schema::{AgentId, AgentIdentity};
use projector::{
    Pick, Scope,
    row::{AgentRow, Entity},
};

use super::{
    kind::AgentStateKind,
    task::Task,
    timeline::{self, Timeline},
    usage::Sample,
    value::{MomentValue, NamedValue, Resources, named},
};
use crate::{
    graphql::context::desk,
    graphql::error::graphql,
    graphql::input::parse,
    graphql::moment::{At, scope},
    graphql::page::{self, Nodes, PageArgs},
    graphql::scalar::OffsetText,
};

/// One agent, as of one moment.
pub struct Agent {
    scope: Scope,
    pub(crate) row: AgentRow,
}

impl Agent {
    pub(crate) fn find(scope: Scope, id: &AgentId) -> Result<Option<Self>> {
        let row = scope.get::<AgentRow>(id).map_err(graphql)?;
        Ok(row.map(|row| Self { scope, row }))
    }
}

/// A machine.
#[Object]
impl Agent {
    /// The id of this node.
    pub async fn id(&self) -> ID {
        format!("Agent:{}", self.row.id).into()
    }

    /// The name of the agent.
    async fn name(&self) -> &str {
        self.row.id.as_str()
    }

    /// The offset that this answer reflects.
    async fn as_of(&self) -> OffsetText {
        self.scope.offset().into()
    }

    /// Its number in order of admission.
    async fn number(&self) -> u32 {
        self.row.number
    }

    /// Its directory, by which two agents of one name can be told apart; it proves nothing. Absent if it does not say.
    async fn identity(&self) -> Option<&str> {
        self.row.identity.as_ref().map(AgentIdentity::as_str)
    }

    /// The last offset that it had obeyed of a log of which the end was lost; absent when its state changes.
    async fn strayed(&self) -> Option<OffsetText> {
        self.row.strayed.map(|strayed| strayed.obeyed.into())
    }

    /// Whether it is there.
    async fn state(&self) -> AgentStateKind {
        self.row.state.into()
    }

    /// Since when it is in its state.
    async fn since(&self) -> MomentValue {
        self.row.since.into()
    }

    /// When it was admitted.
    async fn admitted(&self) -> MomentValue {
        self.row.admitted.into()
    }

    /// All that it has.
    async fn capacity(&self) -> Resources {
        Resources(self.row.capacity.clone())
    }

    /// What its tasks hold.
    async fn used(&self) -> Resources {
        Resources(self.row.used.clone())
    }

    /// What stands offered to frameworks.
    async fn offered(&self) -> Resources {
        Resources(self.row.offered.clone())
    }

    /// Whether its tasks hold more than it has, since it reported less than before: nothing new is placed on it.
    async fn overcommitted(&self) -> bool {
        self.row.overcommitted
    }

    /// Whether it is suspended, because starts failed on it: nothing new is placed on it for some time.
    async fn suspended(&self) -> bool {
        self.row.suspended
    }

    /// Tasks that could not be started here: one for each job and framework for which it counts. These are
    /// placed elsewhere first.
    async fn failed_starts(&self) -> Vec<&str> {
        self.row.failed_starts.iter().map(|failed| failed.task.as_str()).collect()
    }

    /// Ports that programs outside the cell hold, and that are given to no task for some time; as in `31000-31005,40000`.
    async fn ports_held(&self) -> String {
        self.row.ports_held.to_string()
    }

    /// What is neither held nor offered.
    async fn free(&self) -> Resources {
        Resources(self.row.free())
    }

    /// What constraints are compared with.
    async fn attributes(&self) -> Vec<NamedValue> {
        named(&self.row.attributes)
    }

    /// How many tasks at once its own limits (open files, processes) leave room for; absent if it does not say.
    async fn tasks_max(&self) -> Option<u32> {
        self.row.tasks_max
    }

    /// How many tasks hold resources here.
    async fn task_count(&self) -> u32 {
        self.row.tasks
    }

    /// How many offers of it stand.
    async fn offer_count(&self) -> u32 {
        self.row.offers
    }

    /// Whether it is connected to this gateway now; never of the past.
    async fn connected(&self, ctx: &Context<'_>) -> bool {
        desk(ctx).agents.is_connected(&self.row.id)
    }

    /// What it said of its machine last, once a second; never of the past.
    async fn sample(&self, ctx: &Context<'_>) -> Option<Sample> {
        desk(ctx).sample(&self.row.id).map(Sample)
    }

    /// The tasks that hold resources here; forwards only.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn tasks(&self, first: Option<i32>, after: Option<String>) -> Result<Nodes<Task>> {
        let args = PageArgs { first, after, ..PageArgs::default() };
        Task::page_on(&self.scope, &self.row.id, &args, |_| true).await
    }

    /// What happened to it.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn timeline(
        &self,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(default)] newest_first: bool,
    ) -> Result<Timeline> {
        timeline::read(&self.scope, &Entity::Agent(self.row.id.clone()), first, after.as_deref(), newest_first)
    }
}

/// See [`super::Query`].
#[derive(Default)]
pub struct AgentQuery;

#[Object]
impl AgentQuery {
    /// One agent.
    async fn agent(
        &self,
        ctx: &Context<'_>,
        name: String,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Option<Agent>> {
        let id = parse("name", &name).map_err(graphql)?;
        Agent::find(scope(ctx, at, min_offset).await?, &id)
    }

    /// Agents by name, those that are gone included unless `state` says otherwise.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay page")]
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn agents(
        &self,
        ctx: &Context<'_>,
        state: Option<Vec<AgentStateKind>>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Nodes<Agent>> {
        let window = PageArgs { first, after, last, before }.window().map_err(graphql)?;
        let scope = scope(ctx, at, min_offset).await?;
        let wanted = |row: &AgentRow| state.as_ref().is_none_or(|states| states.contains(&row.state.into()));
        let page = page::rows(&scope, &Pick::all(), window, wanted).await.map_err(graphql)?;
        Ok(page::connection(&scope, page, |row| row.id.clone(), |row| Agent { scope: scope.clone(), row }))
    }
}
