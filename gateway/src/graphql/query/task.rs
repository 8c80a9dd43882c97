//! Tasks: where each stands, its runs, and what it uses now.

pub(crate) mod listing;

use async_graphql::{Context, ID, InputObject, Object, Result};
use listing::Owner;
use log_schema::{AgentId, FrameworkId, JobId, TaskId, TaskOwner, job::RunSpecV1};
use projector::{
    Scope,
    row::{AgentRow, Entity, FrameworkRow, JobRow, JobSpecRow, Run, TaskRow, TaskRunRow},
};

use super::{
    kind::{EndReasonKind, PhaseKind, RunStateKind},
    timeline::{self, Timeline},
    usage::TaskSample,
    value::{MomentValue, NamedValue, Resources, named},
};
use crate::{
    error::RequestError,
    graphql::context::desk,
    graphql::error::graphql,
    graphql::input::{check_name, known, parse},
    graphql::moment::{At, scope},
    graphql::page::{self, Nodes, PageArgs},
    graphql::scalar::{CountText, MillisText, OffsetText},
};

/// One task, as of one moment.
pub struct Task {
    scope: Scope,
    pub(crate) row: TaskRow,
}

impl Task {
    pub(crate) fn find(scope: Scope, id: &TaskId) -> Result<Option<Self>> {
        let row = match scope.get::<TaskRow>(id).map_err(graphql)? {
            Some(row) => Some(row),
            None => listing::never_placed(&scope, id).map_err(graphql)?,
        };
        Ok(row.map(|row| Self { scope, row }))
    }

    /// A page of the tasks of one owner, or of all.
    pub(crate) async fn page(
        scope: &Scope,
        owner: &Owner,
        args: &PageArgs,
        state: Option<Vec<PhaseKind>>,
    ) -> Result<Nodes<Self>> {
        let window = args.window().map_err(graphql)?;
        let page = listing::list(scope, owner, &window, state.as_deref()).await.map_err(graphql)?;
        Ok(page::connection(scope, (page, window), |row| row.id.clone(), |row| Self { scope: scope.clone(), row }))
    }

    /// A page of the tasks that hold resources of an agent.
    pub(crate) async fn page_on(
        scope: &Scope,
        agent: &AgentId,
        args: &PageArgs,
        wanted: impl Fn(&TaskRow) -> bool,
    ) -> Result<Nodes<Self>> {
        let window = args.window::<TaskId>().map_err(graphql)?;
        if window.direction == projector::Direction::Backwards {
            let why = "the tasks of an agent are listed forwards only".to_owned();
            return Err(graphql(RequestError::BadInput { field: "last", why }));
        }
        let read = |start: Option<TaskId>, rows| {
            let mut page = scope.tasks_on(agent, start.as_ref(), rows)?;
            let looked = page.rows.len() as u64;
            page.rows.retain(&wanted);
            Ok((page, looked))
        };
        let found = page::find(&window, read).await.map_err(graphql)?;
        Ok(page::connection(scope, (found, window), |row| row.id.clone(), |row| Self { scope: scope.clone(), row }))
    }

    fn spec(&self) -> Result<Option<RunSpecV1>> {
        match self.row.id.owner() {
            TaskOwner::Framework { .. } => {
                let run = self.scope.get::<TaskRunRow>(&self.row.id).map_err(graphql)?;
                Ok(run.map(|row| row.run))
            }
            TaskOwner::Job { job, .. } => {
                let job = parse("job", job).map_err(graphql)?;
                let spec = self.scope.get::<JobSpecRow>(&job).map_err(graphql)?;
                Ok(spec.map(|row| row.spec.run))
            }
        }
    }
}

fn is_in(row: &TaskRow, states: Option<&[PhaseKind]>) -> bool {
    states.is_none_or(|states| states.contains(&row.phase.into()))
}

/// One process (group) on one agent.
#[Object]
impl Task {
    /// The id of this node.
    pub async fn id(&self) -> ID {
        format!("Task:{}", self.row.id).into()
    }

    /// The name of the task: `job.index` or `framework/name`.
    async fn name(&self) -> &str {
        self.row.id.as_str()
    }

    /// The offset that this answer reflects.
    async fn as_of(&self) -> OffsetText {
        self.scope.offset().into()
    }

    /// The job whose task it is.
    async fn job(&self) -> Option<&str> {
        match self.row.id.owner() {
            TaskOwner::Job { job, .. } => Some(job),
            TaskOwner::Framework { .. } => None,
        }
    }

    /// The framework whose task it is.
    async fn framework(&self) -> Option<&str> {
        match self.row.id.owner() {
            TaskOwner::Job { .. } => None,
            TaskOwner::Framework { framework, .. } => Some(framework),
        }
    }

    /// Where it stands.
    async fn state(&self) -> PhaseKind {
        self.row.phase.into()
    }

    /// Since when it stands there. A task that was never placed has waited since its job was submitted.
    async fn since(&self) -> MomentValue {
        self.row.since.into()
    }

    /// The agent of its newest run.
    async fn agent(&self) -> Option<&str> {
        self.row.run.as_ref().map(|run| run.agent.as_str())
    }

    /// Its newest run, ended or not.
    async fn run(&self) -> Option<TaskRun> {
        self.row.run.clone().map(TaskRun)
    }

    /// The runs before, the newest last; only the latest few are kept.
    async fn runs_before(&self) -> Vec<TaskRun> {
        self.row.runs_before.iter().cloned().map(TaskRun).collect()
    }

    /// How many restarts its policy has counted.
    async fn restarts(&self) -> u32 {
        self.row.restarts
    }

    /// How long it waits for its next start, counted from the first tick after `since`.
    async fn restart_delay_ms(&self) -> Option<MillisText> {
        self.row.restart_delay_ms.map(MillisText)
    }

    /// When the agent was asked to end the newest run.
    async fn kill_requested(&self) -> Option<MomentValue> {
        self.row.kill_requested.map(Into::into)
    }

    /// Whether somebody ended this very task, so that it is not started again.
    async fn doomed(&self) -> bool {
        self.row.doomed
    }

    /// The program and its arguments.
    async fn command(&self) -> Result<Option<Vec<String>>> {
        Ok(self.spec()?.map(|run| run.argv))
    }

    /// Environment variables, beside those that the agent sets.
    async fn env(&self) -> Result<Vec<NamedValue>> {
        Ok(self.spec()?.map(|run| named(&run.env)).unwrap_or_default())
    }

    /// What it uses now, as its agent says once a second; never of the past.
    async fn usage(&self, ctx: &Context<'_>) -> Option<TaskSample> {
        let run = self.row.run.as_ref()?;
        let sample = desk(ctx).sample(&run.agent)?;
        let is_this = |usage: &&command_log::telemetry::TaskUsage| {
            usage.task == self.row.id && usage.incarnation == run.incarnation
        };
        sample.tasks.iter().find(is_this).cloned().map(TaskSample)
    }

    /// What happened to it.
    #[graphql(complexity = "page::cost(first, None, child_complexity)")]
    async fn timeline(
        &self,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(default)] newest_first: bool,
    ) -> Result<Timeline> {
        timeline::read(&self.scope, &Entity::Task(self.row.id.clone()), first, after.as_deref(), newest_first)
    }
}

/// One start of a task.
pub struct TaskRun(Run);

/// One start of a task.
#[Object]
impl TaskRun {
    /// Which start, numbered over the whole cell.
    async fn incarnation(&self) -> CountText {
        CountText(self.0.incarnation.0)
    }

    /// Where.
    async fn agent(&self) -> &str {
        self.0.agent.as_str()
    }

    /// What it holds or held there, ports by number included.
    async fn resources(&self) -> Resources {
        Resources(self.0.resources.clone())
    }

    /// Where it stands.
    async fn state(&self) -> RunStateKind {
        self.0.state.into()
    }

    /// When it was placed.
    async fn placed(&self) -> MomentValue {
        self.0.placed.into()
    }

    /// When it was first known to run.
    async fn started(&self) -> Option<MomentValue> {
        self.0.started.map(Into::into)
    }

    /// When it was known to have ended.
    async fn ended(&self) -> Option<MomentValue> {
        self.0.ended.map(Into::into)
    }

    /// Why it ended.
    async fn end_reason(&self) -> Option<EndReasonKind> {
        self.0.end.as_ref().map(|end| end.reason.into())
    }

    /// The exit code of the process, where it exited.
    async fn exit_code(&self) -> Option<i32> {
        self.0.end.as_ref()?.exit_code
    }

    /// The signal that ended the process, where one did.
    async fn signal(&self) -> Option<i32> {
        self.0.end.as_ref()?.signal
    }

    /// Milliseconds from start to end, by the agent's clock.
    async fn ran_ms(&self) -> Option<MillisText> {
        self.0.end.as_ref()?.ran_ms.map(MillisText)
    }

    /// A line for people about the end.
    async fn message(&self) -> Option<&str> {
        self.0.end.as_ref()?.message.as_deref()
    }
}

/// Which tasks are wanted: those for which every given part holds.
#[derive(Clone, Debug, Default, InputObject)]
pub struct TaskFilter {
    /// Tasks of this job.
    pub job: Option<String>,
    /// Tasks of this framework.
    pub framework: Option<String>,
    /// Tasks that hold resources of this agent.
    pub agent: Option<String>,
    /// Tasks in any of these states.
    pub state: Option<Vec<PhaseKind>>,
}

impl TaskFilter {
    async fn page(&self, scope: &Scope, args: &PageArgs) -> Result<Nodes<Task>> {
        let owner = self.owner(scope).map_err(graphql)?;
        if let Some(agent) = &self.agent {
            let agent = parse("agent", agent).map_err(graphql)?;
            known::<AgentRow>(scope, "agent", &agent).map_err(graphql)?;
            return Task::page_on(scope, &agent, args, |row| {
                self.is_of_owner(row) && is_in(row, self.state.as_deref())
            })
            .await;
        }
        Task::page(scope, &owner, args, self.state.clone()).await
    }

    /// Whose tasks are wanted; refuses an owner that does not exist.
    fn owner(&self, scope: &Scope) -> std::result::Result<Owner, RequestError> {
        match (&self.job, &self.framework) {
            (None, None) => Ok(Owner::All),
            (Some(job), None) => {
                let job = parse("job", job)?;
                known::<JobRow>(scope, "job", &job)?;
                Ok(Owner::Job(job))
            }
            (None, Some(framework)) => {
                let framework = parse("framework", framework)?;
                known::<FrameworkRow>(scope, "framework", &framework)?;
                Ok(Owner::Framework(framework))
            }
            (Some(job), Some(framework)) => {
                check_name::<JobId>("job", Some(job))?;
                check_name::<FrameworkId>("framework", Some(framework))?;
                let why = "a task is of a job or of a framework, not of both".to_owned();
                Err(RequestError::BadInput { field: "filter", why })
            }
        }
    }

    fn is_of_owner(&self, row: &TaskRow) -> bool {
        let (job, framework) = match row.id.owner() {
            TaskOwner::Job { job, .. } => (Some(job), None),
            TaskOwner::Framework { framework, .. } => (None, Some(framework)),
        };
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|w| found == Some(w));
        is(&self.job, job) && is(&self.framework, framework)
    }
}

/// See [`super::Query`].
#[derive(Default)]
pub struct TaskQuery;

#[Object]
impl TaskQuery {
    /// One task.
    async fn task(
        &self,
        ctx: &Context<'_>,
        name: String,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Option<Task>> {
        let id = parse("name", &name).map_err(graphql)?;
        Task::find(scope(ctx, at, min_offset).await?, &id)
    }

    /// Tasks: those of jobs first, by job and index, then those of frameworks. A filter by a job,
    /// framework or agent that does not exist is an error.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay page")]
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        filter: Option<TaskFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Nodes<Task>> {
        let args = PageArgs { first, after, last, before };
        filter.unwrap_or_default().page(&scope(ctx, at, min_offset).await?, &args).await
    }
}
