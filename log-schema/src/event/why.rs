//! The words by which events say how and why.

use serde::{Deserialize, Serialize};

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// Every task finished.
    Succeeded,
    /// Some task failed and may not be started again.
    Failed,
    /// It was stopped.
    Stopped,
}

/// What the cell ends a task for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillPurpose {
    /// Somebody ended this very task: it is not started again by itself.
    #[default]
    Asked,
    /// It is started again when it has ended.
    Restart,
    /// Its job or framework stops, or its job wants fewer tasks.
    Surplus,
}

/// Whose fault a failed start was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartFault {
    /// The program's: it is not on this machine, or may not be run.
    Program,
    /// The machine's: it could not start any program.
    Machine,
}

/// Why an offer stands no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEnd {
    /// The framework took it.
    Accepted,
    /// The framework gave it back.
    Declined,
    /// Nobody answered in time.
    TimedOut,
    /// Rescinded: the agent went away.
    AgentAway,
    /// Rescinded: the agent's capacity changed.
    AgentChanged,
    /// Rescinded: the agent is suspended, because starts failed on it.
    AgentSuspended,
    /// Rescinded: the framework suppressed its offers or ended.
    FrameworkAway,
    /// Rescinded: a job's task needed the room.
    NeededByJob,
}

/// Why one agent cannot take one task. The first that holds is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The agent is silent or leaving.
    AgentAway,
    /// The agent has less than its tasks hold already.
    AgentOvercommitted,
    /// The agent is suspended, because starts failed on it.
    AgentSuspended,
    /// A constraint does not hold.
    ConstraintUnmet,
    /// The agent's whole CPU is less than the task needs.
    CpuTooSmall,
    /// The agent's whole memory is less than the task needs.
    MemTooSmall,
    /// The agent's whole disk is less than the task needs.
    DiskTooSmall,
    /// The agent's whole GPU is less than the task needs.
    GpuTooSmall,
    /// The agent has fewer ports than the task needs.
    PortsTooFew,
    /// The agent has less of a custom resource than the task needs.
    CustomTooSmall,
    /// The CPU that is left is less than the task needs.
    CpuTaken,
    /// The memory that is left is less than the task needs.
    MemTaken,
    /// The disk that is left is less than the task needs.
    DiskTaken,
    /// The GPU that is left is less than the task needs.
    GpuTaken,
    /// The ports that are left are fewer than the task needs.
    PortsTaken,
    /// What is left of a custom resource is less than the task needs.
    CustomTaken,
    /// The agent's own limits leave no room for one more task beside those on it.
    TasksTaken,
}
