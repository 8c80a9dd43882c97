//! Where tasks stand, and numbers of tasks by where they stand.

use log_schema::TaskState;
use serde::{Deserialize, Serialize};

use crate::{fold::Fault, ledger};

macro_rules! phases {
    ($($(#[$doc:meta])* $name:ident, $field:ident;)*) => {
        /// Where a task stands, between its runs as well.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Phase { $($(#[$doc])* $name,)* }

        /// Numbers of tasks by phase.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct TaskCounts {
            $($(#[$doc])* #[serde(default, skip_serializing_if = "ledger::is_zero")] pub $field: u32,)*
        }

        impl Phase {
            /// Every phase.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in rows and in the API.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($field),)* }
            }
        }

        impl TaskCounts {
            /// How many tasks are in this phase.
            pub fn of(&self, phase: Phase) -> u32 {
                match phase { $(Phase::$name => self.$field,)* }
            }

            fn of_mut(&mut self, phase: Phase) -> &mut u32 {
                match phase { $(Phase::$name => &mut self.$field,)* }
            }
        }
    };
}

phases! {
    /// It is to be placed.
    Waiting, waiting;
    /// The allocator chose an agent, which has not answered yet.
    Placed, placed;
    /// The agent is preparing it.
    Starting, starting;
    /// The process runs.
    Running, running;
    /// It ended and waits for its next start.
    Restarting, restarting;
    /// It ended by itself with exit code 0.
    Finished, finished;
    /// It ended with another code or by a signal, or could not start.
    Failed, failed;
    /// It ended because the cell asked for it.
    Killed, killed;
    /// Its agent went away.
    Lost, lost;
    /// It was not to be started (again) while it held nothing.
    Withdrawn, withdrawn;
}

impl From<TaskState> for Phase {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Placed => Self::Placed,
            TaskState::Starting => Self::Starting,
            TaskState::Running => Self::Running,
            TaskState::Finished => Self::Finished,
            TaskState::Failed => Self::Failed,
            TaskState::Killed => Self::Killed,
            TaskState::Lost => Self::Lost,
        }
    }
}

impl Phase {
    /// Whether it holds resources of an agent.
    pub fn is_active(self) -> bool {
        match self {
            Self::Placed | Self::Starting | Self::Running => true,
            Self::Waiting
            | Self::Restarting
            | Self::Finished
            | Self::Failed
            | Self::Killed
            | Self::Lost
            | Self::Withdrawn => false,
        }
    }

    /// Whether more is to come by itself.
    pub fn is_live(self) -> bool {
        self.is_active() || matches!(self, Self::Waiting | Self::Restarting)
    }
}

impl TaskCounts {
    /// All tasks.
    pub fn total(&self) -> u32 {
        Phase::ALL.iter().map(|phase| self.of(*phase)).sum()
    }

    /// The tasks that hold resources.
    pub fn active(&self) -> u32 {
        self.placed + self.starting + self.running
    }

    pub(crate) fn give(&mut self, phase: Phase, count: u32) {
        *self.of_mut(phase) += count;
    }

    pub(crate) fn take(&mut self, phase: Phase, count: u32) -> Result<(), Fault> {
        let field = self.of_mut(phase);
        *field = ledger::less(*field, count, "tasks in a phase")?;
        Ok(())
    }
}
