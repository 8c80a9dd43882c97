//! Frameworks.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use log_schema::FrameworkId;
use projector::{
    Pick, Scope,
    row::{Entity, FilterRow, FrameworkRow},
};

use super::{
    kind::{FrameworkStateKind, PhaseKind},
    offer::Offer,
    task::{Task, listing::Owner},
    timeline::{self, Timeline},
    value::{MomentValue, Resources, TaskCountsValue},
};
use crate::{
    budget,
    graphql::error::graphql,
    graphql::input::parse,
    graphql::moment::{At, scope},
    graphql::page::{self, Nodes, PageArgs},
    graphql::scalar::{MillisText, OffsetText},
};

/// One framework, as of one moment.
pub struct Framework {
    scope: Scope,
    row: FrameworkRow,
}

impl Framework {
    pub(crate) fn find(scope: Scope, id: &FrameworkId) -> Result<Option<Self>> {
        let row = scope.get::<FrameworkRow>(id).map_err(graphql)?;
        Ok(row.map(|row| Self { scope, row }))
    }
}

/// An outside scheduler that takes offers.
#[Object]
impl Framework {
    /// The id of this node.
    pub async fn id(&self) -> ID {
        format!("Framework:{}", self.row.id).into()
    }

    /// The name of the framework.
    async fn name(&self) -> &str {
        self.row.id.as_str()
    }

    /// The offset that this answer reflects.
    async fn as_of(&self) -> OffsetText {
        self.scope.offset().into()
    }

    /// The role whose share it uses.
    async fn role(&self) -> &str {
        self.row.role.as_str()
    }

    /// Whether it is there.
    async fn state(&self) -> FrameworkStateKind {
        self.row.state.into()
    }

    /// Since when it is in its state.
    async fn since(&self) -> MomentValue {
        self.row.since.into()
    }

    /// When it subscribed.
    async fn subscribed(&self) -> MomentValue {
        self.row.subscribed.into()
    }

    /// Whether it wants no offers.
    async fn suppressed(&self) -> bool {
        self.row.suppressed
    }

    /// How many tasks are in each state, those that ended included.
    async fn task_counts(&self) -> TaskCountsValue {
        self.row.tasks.into()
    }

    /// How many offers stand.
    async fn offer_count(&self) -> u32 {
        self.row.offers
    }

    /// Of which agents it wants no offers, by name of the agent.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn filters(&self, first: Option<i32>, after: Option<String>) -> Result<Vec<Filter>> {
        let limit = page::limit("first", first).map_err(graphql)?;
        let after = after.map(|agent| parse("after", &agent)).transpose().map_err(graphql)?;
        budget::look(LOOKS_PER_FILTERS).await.map_err(graphql)?;
        let page = self.scope.filters_of(&self.row.id, after.as_ref(), limit).map_err(graphql)?;
        Ok(page.rows.into_iter().map(Filter::of).collect())
    }

    /// What its tasks hold, without ports.
    async fn used(&self) -> Resources {
        Resources(self.row.used.clone())
    }

    /// What stands offered to it, without ports.
    async fn offered(&self) -> Resources {
        Resources(self.row.offered.clone())
    }

    /// Its tasks, by name.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn tasks(
        &self,
        state: Option<Vec<PhaseKind>>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Task>> {
        let args = PageArgs { first, after, last, before };
        Task::page(&self.scope, &Owner::Framework(self.row.id.clone()), &args, state).await
    }

    /// The offers that stand; forwards only.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn offers(&self, first: Option<i32>, after: Option<String>) -> Result<Nodes<Offer>> {
        Offer::page_to(&self.scope, &self.row.id, &PageArgs { first, after, ..PageArgs::default() }).await
    }

    /// What happened to it.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn timeline(
        &self,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(default)] newest_first: bool,
    ) -> Result<Timeline> {
        timeline::read(&self.scope, &Entity::Framework(self.row.id.clone()), first, after.as_deref(), newest_first)
    }
}

/// A framework wants no offers of one agent.
#[derive(SimpleObject)]
pub struct Filter {
    /// Of which agent.
    pub agent: String,
    /// For how long, counted from the first tick after `set`.
    pub filter_ms: MillisText,
    /// When it was set.
    pub set: MomentValue,
}

impl Filter {
    fn of(row: FilterRow) -> Self {
        Self { agent: row.agent.to_string(), filter_ms: MillisText(row.filter_ms), set: row.set.into() }
    }
}

/// What the filters of a framework are charged with: most of those that are looked at count, but need not.
const LOOKS_PER_FILTERS: u64 = 1000;

/// See [`super::Query`].
#[derive(Default)]
pub struct FrameworkQuery;

#[Object]
impl FrameworkQuery {
    /// One framework.
    async fn framework(
        &self,
        ctx: &Context<'_>,
        name: String,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Option<Framework>> {
        let id = parse("name", &name).map_err(graphql)?;
        Framework::find(scope(ctx, at, min_offset).await?, &id)
    }

    /// Frameworks by name, those that are gone included unless `state` says otherwise.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay page")]
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn frameworks(
        &self,
        ctx: &Context<'_>,
        state: Option<Vec<FrameworkStateKind>>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Nodes<Framework>> {
        let window = PageArgs { first, after, last, before }.window().map_err(graphql)?;
        let scope = scope(ctx, at, min_offset).await?;
        let wanted = |row: &FrameworkRow| state.as_ref().is_none_or(|states| states.contains(&row.state.into()));
        let page = page::rows(&scope, &Pick::all(), window, wanted).await.map_err(graphql)?;
        Ok(page::connection(&scope, page, |row| row.id.clone(), |row| Framework { scope: scope.clone(), row }))
    }
}
