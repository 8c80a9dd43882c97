//! Roles: weights, and what hangs on each.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use log_schema::RoleName;
use projector::{
    Pick, Scope,
    row::{Entity, RoleRow},
};

use super::{
    timeline::{self, Timeline},
    value::Resources,
};
use crate::{
    graphql::error::graphql,
    graphql::input::parse,
    graphql::moment::{At, scope},
    graphql::page::{self, Nodes, PageArgs},
    graphql::scalar::{CountText, OffsetText},
};

/// One role, as of one moment.
pub struct Role {
    scope: Scope,
    row: RoleRow,
}

impl Role {
    pub(crate) fn find(scope: Scope, id: &RoleName) -> Result<Option<Self>> {
        let row = scope.get::<RoleRow>(id).map_err(graphql)?;
        Ok(row.map(|row| Self { scope, row }))
    }
}

/// A name that shares and weights hang on.
#[Object]
impl Role {
    /// The id of this node.
    pub async fn id(&self) -> ID {
        format!("Role:{}", self.row.name).into()
    }

    /// The name of the role.
    async fn name(&self) -> &str {
        self.row.name.as_str()
    }

    /// The offset that this answer reflects.
    async fn as_of(&self) -> OffsetText {
        self.scope.offset().into()
    }

    /// Its weight among the roles.
    async fn weight(&self) -> u32 {
        self.row.weight
    }

    /// What the tasks of its jobs and frameworks hold, without ports.
    async fn used(&self) -> Resources {
        Resources(self.row.used.clone())
    }

    /// What stands offered to its frameworks, without ports.
    async fn offered(&self) -> Resources {
        Resources(self.row.offered.clone())
    }

    /// How many tasks hold resources.
    async fn task_count(&self) -> u32 {
        self.row.tasks
    }

    /// How many of its jobs have not ended.
    async fn job_count(&self) -> u32 {
        self.row.jobs
    }

    /// How many of its frameworks are subscribed or ending.
    async fn framework_count(&self) -> u32 {
        self.row.frameworks
    }

    /// The resource of which it has the largest part of the cell.
    async fn dominant(&self) -> Result<Option<DominantShare>> {
        let capacity = self.scope.usage().map_err(graphql)?.capacity;
        Ok(self.row.dominant(&capacity).map(|dominant| DominantShare {
            resource: dominant.resource.to_string(),
            held: CountText(dominant.held),
            capacity: CountText(dominant.capacity),
        }))
    }

    /// What happened to it.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn timeline(
        &self,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(default)] newest_first: bool,
    ) -> Result<Timeline> {
        timeline::read(&self.scope, &Entity::Role(self.row.name.clone()), first, after.as_deref(), newest_first)
    }
}

/// A part of the cell, as two whole numbers in the resource's unit.
#[derive(SimpleObject)]
pub struct DominantShare {
    /// Which resource.
    pub resource: String,
    /// How much of it is held or offered.
    pub held: CountText,
    /// How much of it the cell has.
    pub capacity: CountText,
}

/// See [`super::Query`].
#[derive(Default)]
pub struct RoleQuery;

#[Object]
impl RoleQuery {
    /// One role.
    async fn role(
        &self,
        ctx: &Context<'_>,
        name: String,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Option<Role>> {
        let id = parse("name", &name).map_err(graphql)?;
        Role::find(scope(ctx, at, min_offset).await?, &id)
    }

    /// Roles by name.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay page")]
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn roles(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Nodes<Role>> {
        let window = PageArgs { first, after, last, before }.window().map_err(graphql)?;
        let scope = scope(ctx, at, min_offset).await?;
        let page = page::rows(&scope, &Pick::all(), window, |_: &RoleRow| true).await.map_err(graphql)?;
        Ok(page::connection(&scope, page, |row| row.name.clone(), |row| Role { scope: scope.clone(), row }))
    }
}
