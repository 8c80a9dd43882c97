//! Closed sets of words, as GraphQL enums over those of the log and the projections.

use async_graphql::Enum;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($graphql:literal, $remote:literal) { $($(#[$value_doc:meta])* $value:ident,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
            #[graphql(name = $graphql, remote = $remote)]
            pub enum $name { $($(#[$value_doc])* $value,)* }
        )*
    };
}

kinds! {
    /// Whether an agent is there.
    AgentStateKind("AgentState", "projector::row::AgentState") {
        /// It takes tasks.
        Up,
        /// It is silent and may come back to its tasks.
        Unreachable,
        /// It is being removed; its tasks become lost.
        Leaving,
        /// It is gone.
        Removed,
    }
    /// Whether a job goes on.
    JobStateKind("JobState", "projector::row::JobState") {
        /// Its tasks are placed and restarted.
        Running,
        /// Its tasks are being ended.
        Stopping,
        /// Every task finished.
        Succeeded,
        /// Some task failed for good.
        Failed,
        /// It was stopped.
        Stopped,
    }
    /// Where a task stands, between its runs as well.
    PhaseKind("TaskState", "projector::row::Phase") {
        /// It is to be placed.
        Waiting,
        /// The cell chose an agent, which has not answered yet.
        Placed,
        /// The agent is preparing it.
        Starting,
        /// The process runs.
        Running,
        /// It ended and waits for its next start.
        Restarting,
        /// It ended by itself with exit code 0.
        Finished,
        /// It ended with another code or by a signal, or could not start.
        Failed,
        /// It ended because the cell asked for it.
        Killed,
        /// Its agent went away.
        Lost,
        /// It was not to be started (again) while it held nothing.
        Withdrawn,
    }
    /// Where one run of a task stands.
    RunStateKind("RunState", "log_schema::TaskState") {
        /// The cell chose an agent, which has not answered yet.
        Placed,
        /// The agent is preparing it.
        Starting,
        /// The process runs.
        Running,
        /// It ended by itself with exit code 0.
        Finished,
        /// It ended with another code or by a signal, or could not start.
        Failed,
        /// It ended because the cell asked for it.
        Killed,
        /// Its agent went away.
        Lost,
    }
    /// Why a run ended.
    EndReasonKind("EndReason", "log_schema::task::EndReason") {
        /// The process exited by itself; `exitCode` says how.
        Exited,
        /// A signal that the cell did not send ended the process; `signal` says which.
        Signalled,
        /// The kernel ended it for passing its memory limit.
        OutOfMemory,
        /// The program could not be started.
        CannotStart,
        /// The machine could not start it, whatever the program is. Nothing of it ran.
        MachineFault,
        /// Another program holds a port that the task was given. Nothing of the task ran.
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
    /// Whether a framework is there.
    FrameworkStateKind("FrameworkState", "projector::row::FrameworkState") {
        /// It may receive offers.
        Subscribed,
        /// Its tasks are being killed.
        Ending,
        /// It is gone.
        Removed,
    }
    /// Why an offer stands no more.
    OfferEndKind("OfferEnd", "log_schema::event::OfferEnd") {
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
    ReasonKind("DeferredReason", "log_schema::event::Reason") {
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
}
