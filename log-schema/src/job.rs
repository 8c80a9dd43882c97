//! What a job asks for: how many tasks, what each runs and needs, where it may run, how it restarts.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{
    id::{JobId, RoleName},
    resources::Resources,
};

/// The most tasks in one job.
pub const TASKS_PER_JOB_MAX: u32 = 1_000_000;
/// The most dynamic ports that one task may ask for.
pub const PORTS_PER_TASK_MAX: u16 = 64;
/// The most constraints on one job.
pub const CONSTRAINTS_PER_JOB_MAX: usize = 32;
/// The least wait before a restart, in milliseconds: a task that ends at once must not keep the cell busy.
pub const BACKOFF_MS_MIN: u64 = 250;
/// The CPU of a task whose job names none, in thousandths of a core.
pub const CPU_MILLIS_DEFAULT: u64 = 500;
/// The memory of a task whose job names none, in MiB.
pub const MEM_MIB_DEFAULT: u64 = 128;
/// The longest command line plus environment, in bytes.
pub const RUN_BYTES_MAX: usize = 32 * 1024;

/// How long a restart of a service's task counts at most, in milliseconds of log time outside back-off: for the limit,
/// and for the length of the next wait. A task that ran well for so long starts from the beginning. A batch job's
/// restarts count for as long as the job is there.
pub const RESTART_COUNTS_MS: u64 = 600_000;

/// Whether the tasks are meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Runs until it is stopped; a task that ends is started again, whatever its exit code.
    Service,
    /// Runs to its end; a task that fails is started again up to its limit.
    Batch,
}

/// A whole job, as submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpecV1 {
    /// The name of the job, unique among the jobs that the allocator still remembers.
    pub id: JobId,
    /// Service or batch.
    pub kind: JobKind,
    /// The role whose share the job uses.
    pub role: RoleName,
    /// How many tasks.
    pub count: u32,
    /// What one task needs. Ports are asked for by number of ports, in `ports`.
    pub resources: Resources,
    /// How many ports one task needs; the allocator picks them from those of the agent.
    #[serde(default)]
    pub ports: u16,
    /// What each task runs.
    pub run: RunSpecV1,
    /// Where the tasks may run: every constraint must hold.
    #[serde(default)]
    pub constraints: Vec<ConstraintV1>,
    /// What happens when a task ends.
    pub restart: RestartV1,
}

/// What a task runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpecV1 {
    /// The program and its arguments; the program is looked up in `PATH`.
    pub argv: Vec<String>,
    /// Environment variables, beside those that the agent sets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The working directory; the sandbox of the task where none is given.
    #[serde(default)]
    pub directory: Option<String>,
    /// Milliseconds between SIGTERM and SIGKILL when the task is asked to end.
    pub kill_grace_ms: u64,
}

impl RunSpecV1 {
    /// The size that [`RUN_BYTES_MAX`] bounds.
    pub fn bytes(&self) -> usize {
        let env: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.argv.iter().map(String::len).sum::<usize>() + env
    }
}

/// One condition on an agent's attributes. The attribute `agent` is the agent's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstraintV1 {
    /// The attribute's name.
    pub attribute: CompactString,
    /// How it is compared.
    pub operator: Operator,
    /// The values that it is compared with.
    pub values: Vec<CompactString>,
}

/// How a constraint compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The attribute is one of the values.
    In,
    /// The attribute is none of the values, or absent.
    NotIn,
    /// The attribute is present, whatever its value.
    Exists,
}

/// When an ended task is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartOn {
    /// Never.
    Never,
    /// After a failure or a loss.
    Failure,
    /// After any end that was not asked for.
    Any,
}

/// When and how often an ended task is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartV1 {
    /// After which ends.
    pub on: RestartOn,
    /// How many restarts one task may have: a service's within [`RESTART_COUNTS_MS`], a batch job's in all. A loss of
    /// the agent is not counted.
    pub limit: u32,
    /// The wait before the first restart; it doubles with each one that counts.
    pub backoff_ms: u64,
    /// The longest wait.
    pub backoff_max_ms: u64,
}

impl RestartV1 {
    /// The wait before restart number `restarts + 1`: `backoff_ms * 2^restarts`, at most `backoff_max_ms`.
    pub fn delay_ms(&self, restarts: u32) -> u64 {
        let factor = 1_u64.checked_shl(restarts).unwrap_or(u64::MAX);
        self.backoff_ms.saturating_mul(factor).min(self.backoff_max_ms)
    }
}
