//! The life of a task: its states, the legal steps between them, and how a process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ports::PortRanges;

/// Which start of a task is meant. Starts are numbered over the whole cell, from 1, so that no two
/// starts ever share a number, even when the name of a job is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where one incarnation of a task stands.
///
/// ```text
/// Placed ──> Starting ──> Running ──> Finished | Failed | Killed
///    │           │           │
///    └───────────┴───────────┴──────> Failed | Killed | Lost
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// The allocator chose an agent; the agent has not answered yet.
    Placed,
    /// The agent is preparing the sandbox and the process.
    Starting,
    /// The process runs.
    Running,
    /// The process ended by itself with exit code 0.
    Finished,
    /// The process ended with another code, by a signal that nobody asked for, or could not start.
    Failed,
    /// The process ended because the cell asked for it.
    Killed,
    /// The agent went away and did not come back in time.
    Lost,
}

impl TaskState {
    /// Whether nothing follows this state.
    #[inline]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Placed | Self::Starting | Self::Running => false,
            Self::Finished | Self::Failed | Self::Killed | Self::Lost => true,
        }
    }

    /// Whether an incarnation in this state may step to `next`.
    #[inline]
    pub fn may_become(self, next: Self) -> bool {
        !self.is_terminal() && self < next
    }

    /// The name on the wire and in the CLI.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why an incarnation ended otherwise than by its own exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The process exited by itself; `exit_code` says how.
    Exited,
    /// A signal that the cell did not send ended the process; `signal` says which.
    Signalled,
    /// The kernel ended it for passing its memory limit.
    OutOfMemory,
    /// The program could not be started.
    CannotStart,
    /// The machine could not start it, whatever the program is: no room for its sandbox, no process, no
    /// control group. Nothing of it ran.
    MachineFault,
    /// Another program holds a port that the task was given; `ports` says which. Nothing of the task ran.
    PortsHeld,
    /// The supervisor of the task died, and the agent ended what was left of the task.
    SupervisorDied,
    /// The cell asked for the end.
    Requested,
    /// The agent was away for too long, or left.
    AgentLost,
    /// The agent ended before it could begin: nothing of the program ran.
    NeverBegan,
}

/// How an incarnation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndV1 {
    /// Why it ended.
    pub reason: EndReason,
    /// The exit code of the process, where it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended the process, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The ports that other programs hold, where these were in the way.
    #[serde(default, skip_serializing_if = "PortRanges::is_empty")]
    pub ports: PortRanges,
    /// Milliseconds from the start of the process to its end, by the agent's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_ms: Option<u64>,
    /// A line for people, such as the system's error when the program could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl EndV1 {
    /// An end that only has a reason.
    pub fn because(reason: EndReason) -> Self {
        Self { reason, exit_code: None, signal: None, ports: PortRanges::default(), ran_ms: None, message: None }
    }
}
