//! One task as the allocator sees it, and how tasks are referred to.

use compact_str::CompactString;
use log_schema::{Incarnation, Resources, TaskState};
use serde::{Deserialize, Serialize};

use super::{agents::AgentNo, frameworks::FrameworkNo, jobs::JobNo, timers::TimerId};

/// A task by small numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TaskRef {
    /// A job's task.
    Job {
        /// Of which job.
        job: JobNo,
        /// Its index in the job.
        index: u32,
    },
    /// A framework's task.
    Framework {
        /// Of which framework.
        framework: FrameworkNo,
        /// The framework's name for it.
        name: CompactString,
    },
}

/// Where a task stands between its incarnations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// An incarnation is on an agent, in this state.
    Active(TaskState),
    /// It ended, and is to be placed again when the timer is due.
    BackingOff(TimerId),
    /// It is to be placed again.
    Waiting,
    /// It ended for good, in this state.
    Ended(TaskState),
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Where it stands.
    pub phase: Phase,
    /// The newest start, 0 before the first.
    pub incarnation: Incarnation,
    /// Where it is or was last.
    pub agent: AgentNo,
    /// What it holds while it is active.
    pub resources: Resources,
    /// How many restarts its policy has counted.
    pub restarts: u32,
    /// Whether the agent was asked to end it.
    pub kill_requested: bool,
    /// Whether somebody ended this very task, so that it is not started again by itself.
    pub doomed: bool,
    /// Whether it is being ended to be started again.
    pub restart_requested: bool,
}

impl Task {
    /// A task that was ended before its first start.
    pub fn withdrawn() -> Self {
        Self {
            phase: Phase::Ended(TaskState::Killed),
            incarnation: Incarnation(0),
            agent: 0,
            resources: Resources::default(),
            restarts: 0,
            kill_requested: false,
            doomed: true,
            restart_requested: false,
        }
    }

    /// The state of the incarnation that is on an agent.
    pub fn active(&self) -> Option<TaskState> {
        match self.phase {
            Phase::Active(state) => Some(state),
            Phase::BackingOff(_) | Phase::Waiting | Phase::Ended(_) => None,
        }
    }
}
