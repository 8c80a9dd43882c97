//! Jobs.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use compact_str::CompactString;
use log_schema::{JobId, RoleName, job::JobSpecV1};
use projector::{
    Pick, Scope,
    row::{Deferred, Entity, JobRow, JobSpecRow, RoleRow, UsageRow},
};

use super::{
    kind::{JobStateKind, PhaseKind, ReasonKind},
    task::{Task, listing::Owner},
    timeline::{self, Timeline},
    value::{MomentValue, NamedValue, Resources, TaskCountsValue, named},
};
use crate::{
    graphql::error::graphql,
    graphql::input::{
        job::{JobKindInput, OperatorInput, ROLE_DEFAULT, RestartOnInput},
        known, parse,
    },
    graphql::moment::{At, scope},
    graphql::page::{self, Nodes, PageArgs},
    graphql::scalar::{CountText, MillisText, OffsetText},
};

/// One job, as of one moment.
pub struct Job {
    scope: Scope,
    pub(crate) row: JobRow,
}

impl Job {
    pub(crate) fn find(scope: Scope, id: &JobId) -> Result<Option<Self>> {
        let row = scope.get::<JobRow>(id).map_err(graphql)?;
        Ok(row.map(|row| Self { scope, row }))
    }
}

/// Work that the cell places itself.
#[Object]
impl Job {
    /// The id of this node.
    pub async fn id(&self) -> ID {
        format!("Job:{}", self.row.id).into()
    }

    /// The name of the job.
    async fn name(&self) -> &str {
        self.row.id.as_str()
    }

    /// The offset that this answer reflects.
    async fn as_of(&self) -> OffsetText {
        self.scope.offset().into()
    }

    /// Service or batch.
    async fn kind(&self) -> JobKindInput {
        self.row.kind.into()
    }

    /// The role whose share it uses.
    async fn role(&self) -> &str {
        self.row.role.as_str()
    }

    /// What one task needs, ports aside.
    async fn resources(&self) -> Resources {
        Resources(self.row.resources.clone())
    }

    /// Custom resources that the job asks for and no agent of the cell has, at the moment of this answer: its tasks
    /// wait until an agent joins that has them.
    async fn missing_resources(&self) -> Result<Vec<&str>> {
        let usage = self.scope.get::<UsageRow>(&()).map_err(graphql)?.unwrap_or_default();
        let asked = self.row.resources.custom.keys();
        Ok(asked.map(CompactString::as_str).filter(|name| usage.capacity.custom(name) == 0).collect())
    }

    /// Whether it goes on.
    async fn state(&self) -> JobStateKind {
        self.row.state.into()
    }

    /// How many tasks are wanted.
    async fn count(&self) -> u32 {
        self.row.count
    }

    /// How many tasks are in each state, those that were scaled away included.
    async fn task_counts(&self) -> TaskCountsValue {
        self.row.tasks.into()
    }

    /// How many restarts its tasks' policy has counted.
    async fn restarts(&self) -> u32 {
        self.row.restarts
    }

    /// Why tasks could not be placed, until one is placed.
    async fn deferred(&self) -> Option<DeferredValue> {
        self.row.deferred.as_ref().map(DeferredValue::of)
    }

    /// Who submitted it.
    async fn submitted_by(&self) -> Option<&str> {
        self.row.submitted_by.as_ref().map(log_schema::Principal::as_str)
    }

    /// When it was taken on.
    async fn submitted(&self) -> MomentValue {
        self.row.submitted.into()
    }

    /// When a stop was asked for.
    async fn stopping(&self) -> Option<MomentValue> {
        self.row.stopping.map(Into::into)
    }

    /// When nothing of it was left to run.
    async fn ended(&self) -> Option<MomentValue> {
        self.row.ended.map(Into::into)
    }

    /// Whether its name may be used again.
    async fn forgotten(&self) -> bool {
        self.row.forgotten
    }

    /// The job as it was submitted.
    async fn spec(&self) -> Result<Option<JobSpec>> {
        let row = self.scope.get::<JobSpecRow>(&self.row.id).map_err(graphql)?;
        Ok(row.map(|row| JobSpec(row.spec)))
    }

    /// Its tasks, by index, those that were never placed included.
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
        Task::page(&self.scope, &Owner::Job(self.row.id.clone()), &args, state).await
    }

    /// What happened to it.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn timeline(
        &self,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(default)] newest_first: bool,
    ) -> Result<Timeline> {
        timeline::read(&self.scope, &Entity::Job(self.row.id.clone()), first, after.as_deref(), newest_first)
    }
}

/// Why tasks of a job could not be placed.
#[derive(SimpleObject)]
#[graphql(name = "Deferred")]
pub struct DeferredValue {
    /// How many tasks wait.
    pub waiting: u32,
    /// Numbers of agents by reason; every agent is counted once. Empty: there is no agent.
    pub reasons: Vec<ReasonCount>,
    /// Since when.
    pub since: MomentValue,
}

/// How many agents cannot take a task, for one reason.
#[derive(SimpleObject)]
pub struct ReasonCount {
    /// The reason.
    pub reason: ReasonKind,
    /// How many agents.
    pub agents: u32,
}

impl DeferredValue {
    fn of(deferred: &Deferred) -> Self {
        let count = |(reason, agents): (&log_schema::event::Reason, &u32)| ReasonCount {
            reason: (*reason).into(),
            agents: *agents,
        };
        let reasons = deferred.reasons.iter().map(count).collect();
        Self { waiting: deferred.waiting, reasons, since: deferred.said.into() }
    }
}

/// A job as submitted.
pub struct JobSpec(JobSpecV1);

/// A job as submitted.
#[Object]
impl JobSpec {
    /// How many tasks were wanted at first.
    async fn count(&self) -> u32 {
        self.0.count
    }

    /// How many ports one task needs.
    async fn ports(&self) -> u32 {
        self.0.ports.into()
    }

    /// The program and its arguments.
    async fn command(&self) -> &[String] {
        &self.0.run.argv
    }

    /// Environment variables.
    async fn env(&self) -> Vec<NamedValue> {
        named(&self.0.run.env)
    }

    /// The working directory.
    async fn directory(&self) -> Option<&str> {
        self.0.run.directory.as_deref()
    }

    /// Milliseconds between SIGTERM and SIGKILL.
    async fn kill_grace_ms(&self) -> MillisText {
        MillisText(self.0.run.kill_grace_ms)
    }

    /// Where the tasks may run.
    async fn constraints(&self) -> Vec<Constraint> {
        self.0.constraints.iter().map(Constraint::of).collect()
    }

    /// What happens when a task ends.
    async fn restart(&self) -> Restart {
        let restart = self.0.restart;
        Restart {
            on: restart.on.into(),
            limit: CountText(restart.limit.into()),
            backoff_ms: MillisText(restart.backoff_ms),
            backoff_max_ms: MillisText(restart.backoff_max_ms),
        }
    }
}

/// One condition on an agent's attributes.
#[derive(SimpleObject)]
pub struct Constraint {
    /// The attribute's name.
    pub attribute: String,
    /// How it is compared.
    pub operator: OperatorInput,
    /// The values that it is compared with.
    pub values: Vec<String>,
}

impl Constraint {
    fn of(constraint: &log_schema::job::ConstraintV1) -> Self {
        let values = constraint.values.iter().map(ToString::to_string).collect();
        Self { attribute: constraint.attribute.to_string(), operator: constraint.operator.into(), values }
    }
}

/// When and how often an ended task is started again.
#[derive(SimpleObject)]
pub struct Restart {
    /// After which ends.
    pub on: RestartOnInput,
    /// How many restarts one task may have.
    pub limit: CountText,
    /// The wait before the first restart; it doubles with each one.
    pub backoff_ms: MillisText,
    /// The longest wait.
    pub backoff_max_ms: MillisText,
}

/// See [`super::Query`].
#[derive(Default)]
pub struct JobQuery;

#[Object]
impl JobQuery {
    /// One job.
    async fn job(
        &self,
        ctx: &Context<'_>,
        name: String,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Option<Job>> {
        let id = parse("name", &name).map_err(graphql)?;
        Job::find(scope(ctx, at, min_offset).await?, &id)
    }

    /// Jobs by name. A filter by a role that does not exist is an error.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay page")]
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        state: Option<Vec<JobStateKind>>,
        role: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Nodes<Job>> {
        let window = PageArgs { first, after, last, before }.window().map_err(graphql)?;
        let role = role.map(|role| parse::<RoleName>("role", &role)).transpose().map_err(graphql)?;
        let scope = scope(ctx, at, min_offset).await?;
        // A job that names no role has the default one, which exists before any job.
        if let Some(role) = role.as_ref().filter(|role| role.as_str() != ROLE_DEFAULT) {
            known::<RoleRow>(&scope, "role", role).map_err(graphql)?;
        }
        let wanted = |row: &JobRow| {
            state.as_ref().is_none_or(|states| states.contains(&row.state.into()))
                && role.as_ref().is_none_or(|role| row.role == *role)
        };
        let page = page::rows(&scope, &Pick::all(), window, wanted).await.map_err(graphql)?;
        Ok(page::connection(&scope, page, |row| row.id.clone(), |row| Job { scope: scope.clone(), row }))
    }
}
