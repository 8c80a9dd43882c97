//! Jobs as clients write them, with what holds where they say nothing.

use async_graphql::{Enum, InputObject};
use log_schema::{
    MiB, MilliCpu, Resources, RoleName,
    command::{KillTaskV1, RestartTaskV1, ScaleJobV1, StopJobV1, SubmitJobV1},
    job::{
        BACKOFF_MS_MIN, CPU_MILLIS_DEFAULT, ConstraintV1, JobKind, JobSpecV1, MEM_MIB_DEFAULT, Operator, RestartOn,
        RestartV1,
    },
};

use super::{EnvInput, parse, run};
use crate::{
    error::RequestError,
    graphql::scalar::{CountText, MillisText},
};

/// The role of a job that names none.
pub const ROLE_DEFAULT: &str = "*";
/// How often a service's task may be restarted where nothing is said.
pub const SERVICE_RESTARTS: u32 = 1000;
/// How often a batch job's task may be restarted where nothing is said.
pub const BATCH_RESTARTS: u32 = 3;
/// The wait before the first restart where nothing is said, in milliseconds.
pub const BACKOFF_MS: u64 = 1000;
/// The longest wait before a restart where nothing is said, in milliseconds.
pub const BACKOFF_MAX_MS: u64 = 60_000;

/// Whether the tasks of a job are meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "JobKind", remote = "JobKind")]
pub enum JobKindInput {
    /// Runs until it is stopped; a task that ends is started again, whatever its exit code.
    Service,
    /// Runs to its end; a task that fails is started again up to its limit.
    Batch,
}

/// When an ended task is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "RestartOn", remote = "RestartOn")]
pub enum RestartOnInput {
    /// Never.
    Never,
    /// After a failure or a loss.
    Failure,
    /// After any end that was not asked for.
    Any,
}

/// How a constraint compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "ConstraintOperator", remote = "Operator")]
pub enum OperatorInput {
    /// The attribute is one of the values.
    In,
    /// The attribute is none of the values, or absent.
    NotIn,
    /// The attribute is present, whatever its value.
    Exists,
}

/// One condition on an agent's attributes. The attribute `agent` is the agent's name.
#[derive(Clone, Debug, InputObject)]
pub struct ConstraintInput {
    /// The attribute's name.
    pub attribute: String,
    /// How it is compared.
    #[graphql(default_with = "OperatorInput::In")]
    pub operator: OperatorInput,
    /// The values that it is compared with.
    #[graphql(default)]
    pub values: Vec<String>,
}

/// When and how often an ended task is started again.
#[derive(Clone, Debug, Default, InputObject)]
pub struct RestartInput {
    /// After which ends. A service: `ANY`; a batch job: `FAILURE`.
    pub on: Option<RestartOnInput>,
    /// How many restarts one task may have, at most 4294967295. A service: 1000 within ten minutes; a batch job: 3 in
    /// all.
    pub limit: Option<CountText>,
    /// The wait before the first restart; it doubles with each one. 1000. The least is 250: a shorter one becomes 250.
    pub backoff_ms: Option<MillisText>,
    /// The longest wait. 60000, or `backoffMs` where that is more.
    pub backoff_max_ms: Option<MillisText>,
}

/// A whole job.
#[derive(Clone, Debug, InputObject)]
pub struct JobInput {
    /// The name of the job, unique among the jobs that the cell still remembers.
    pub name: String,
    /// Service or batch.
    pub kind: JobKindInput,
    /// The role whose share the job uses.
    #[graphql(default_with = "ROLE_DEFAULT.to_owned()")]
    pub role: String,
    /// How many tasks.
    #[graphql(default = 1)]
    pub count: u32,
    /// What one task needs, such as `cpu=0.5 mem=64Mi`. A job that names no CPU, or zero, has `cpu=0.5`; one that names
    /// no memory, or zero, has `mem=128Mi`; one that names neither is refused.
    pub resources: String,
    /// How many ports one task needs; the cell picks them and the task finds them in its environment.
    #[graphql(default)]
    pub ports: u16,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables.
    #[graphql(default)]
    pub env: Vec<EnvInput>,
    /// The working directory; the task's sandbox where none is given.
    pub directory: Option<String>,
    /// Milliseconds between SIGTERM and SIGKILL when a task is asked to end. 10000.
    pub kill_grace_ms: Option<MillisText>,
    /// Where the tasks may run: every constraint must hold.
    #[graphql(default)]
    pub constraints: Vec<ConstraintInput>,
    /// What happens when a task ends.
    pub restart: Option<RestartInput>,
}

/// What `submitJob` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct SubmitJobInput {
    /// The job.
    pub job: JobInput,
    /// The idempotency key: sent again with the same key, the command has its effect once. The
    /// gateway picks one where none is given; a retry after a failure needs the same one.
    pub key: Option<String>,
}

/// What `stopJob` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct StopJobInput {
    /// The name of the job.
    pub job: String,
    /// How long its tasks may take from SIGTERM to SIGKILL; 0 is at once. The job's own grace where it is absent. Asked
    /// again with less, it cuts the grace of tasks that are being ended.
    pub grace_ms: Option<MillisText>,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `scaleJob` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct ScaleJobInput {
    /// The name of the job.
    pub job: String,
    /// How many tasks it is to have, counting what lives: a task that somebody killed, and one of a service that failed
    /// for good, goes first and comes back first, also where the number stays the same. Of the others, what waits goes
    /// first, then what backs off, then what is not known to run, then what started last.
    pub count: u32,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `killTask` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct KillTaskInput {
    /// The name of the task, such as `web.0` or `framework/name`. It is not started again by itself: `restartTask` and
    /// `scaleJob` bring a task of a job back.
    pub task: String,
    /// How long it may take from SIGTERM to SIGKILL; 0 is at once. The grace of its job where it is absent. Asked again with
    /// less, it cuts the grace of a task that is being ended.
    pub grace_ms: Option<MillisText>,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `restartTask` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct RestartTaskInput {
    /// The name of the task of a job, such as `web.0`. One that runs is ended first; one that was killed or withdrawn, has
    /// ended, failed for good or backs off comes back, with all of its restarts.
    pub task: String,
    /// How long it may take from SIGTERM to SIGKILL; 0 is at once. The grace of its job where it is absent.
    pub grace_ms: Option<MillisText>,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

impl JobInput {
    /// The job as the log states it.
    pub(crate) fn spec(self) -> Result<JobSpecV1, RequestError> {
        let kind = JobKind::from(self.kind);
        let role: RoleName = parse("role", &self.role)?;
        Ok(JobSpecV1 {
            id: parse("name", &self.name)?,
            kind,
            role,
            count: self.count,
            resources: with_defaults(parse("resources", &self.resources)?),
            ports: self.ports,
            run: run(self.command, self.env, self.directory, self.kill_grace_ms)?,
            constraints: self.constraints.into_iter().map(ConstraintInput::spec).collect(),
            restart: self.restart.unwrap_or_default().spec(kind)?,
        })
    }
}

/// A task without CPU or without memory would reserve and limit nothing of it, and could take all of its machine.
fn with_defaults(mut resources: Resources) -> Resources {
    match (resources.cpu.is_zero(), resources.mem.is_zero()) {
        // Left as it is: the cell refuses a job that asks for neither.
        (true, true) | (false, false) => {}
        (true, false) => resources.cpu = MilliCpu(CPU_MILLIS_DEFAULT),
        (false, true) => resources.mem = MiB(MEM_MIB_DEFAULT),
    }
    resources
}

impl ConstraintInput {
    fn spec(self) -> ConstraintV1 {
        ConstraintV1 {
            attribute: self.attribute.into(),
            operator: self.operator.into(),
            values: self.values.into_iter().map(Into::into).collect(),
        }
    }
}

impl RestartInput {
    fn spec(self, kind: JobKind) -> Result<RestartV1, RequestError> {
        let (on, limit) = match kind {
            JobKind::Service => (RestartOn::Any, SERVICE_RESTARTS),
            JobKind::Batch => (RestartOn::Failure, BATCH_RESTARTS),
        };
        let limit = match self.limit {
            None => limit,
            Some(CountText(asked)) => u32::try_from(asked).map_err(|_| RequestError::BadInput {
                field: "restart.limit",
                why: format!("it is {asked}, and may be 0 to {}", u32::MAX),
            })?,
        };
        let backoff_ms = self.backoff_ms.map_or(BACKOFF_MS, |wait| wait.0).max(BACKOFF_MS_MIN);
        Ok(RestartV1 {
            on: self.on.map_or(on, Into::into),
            limit,
            backoff_ms,
            backoff_max_ms: self.backoff_max_ms.map_or(BACKOFF_MAX_MS, |wait| wait.0).max(backoff_ms),
        })
    }
}

impl SubmitJobInput {
    pub(crate) fn command(self) -> Result<SubmitJobV1, RequestError> {
        Ok(SubmitJobV1 { job: self.job.spec()? })
    }
}

impl StopJobInput {
    pub(crate) fn command(&self) -> Result<StopJobV1, RequestError> {
        Ok(StopJobV1 { job: parse("job", &self.job)?, grace_ms: self.grace_ms.map(|grace| grace.0) })
    }
}

impl ScaleJobInput {
    pub(crate) fn command(&self) -> Result<ScaleJobV1, RequestError> {
        Ok(ScaleJobV1 { job: parse("job", &self.job)?, count: self.count })
    }
}

impl KillTaskInput {
    pub(crate) fn command(&self) -> Result<KillTaskV1, RequestError> {
        Ok(KillTaskV1 { task: parse("task", &self.task)?, grace_ms: self.grace_ms.map(|grace| grace.0) })
    }
}

impl RestartTaskInput {
    pub(crate) fn command(&self) -> Result<RestartTaskV1, RequestError> {
        Ok(RestartTaskV1 { task: parse("task", &self.task)?, grace_ms: self.grace_ms.map(|grace| grace.0) })
    }
}
