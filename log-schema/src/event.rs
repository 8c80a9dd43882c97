//! Events: facts inside a decision, in the past tense, never refused.
//!
//! Decisions alone suffice to rebuild the allocator's state and every projection.

mod why;

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{
    command::Policy,
    id::{AgentId, AgentIdentity, FrameworkId, JobId, OfferId, Principal, RoleName, TaskId},
    job::{JobSpecV1, RunSpecV1},
    offset::{Offset, TimeMs},
    ports::PortRanges,
    resources::Resources,
    task::{EndV1, Incarnation, TaskState},
};

pub use why::{JobOutcome, KillPurpose, OfferEnd, Reason, StartFault};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($body:ty) = $wire:tt;)*) => {
        /// Every event. On the wire it is a map of one entry: its name and its body.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Event { $($(#[$doc])* #[serde(rename = $wire)] $name($body),)* }

        impl Event {
            /// The name on the wire.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $wire,)* }
            }

            /// Every name.
            pub const NAMES: &'static [&'static str] = &[$($wire,)*];
        }
    };
}

events! {
    /// Log time moved on.
    TimeAdvanced(TimeAdvancedV1) = "time.advanced";

    /// An agent joined the cell.
    AgentAdmitted(AgentAdmittedV1) = "agent.admitted";
    /// An agent reported another capacity or other attributes.
    AgentChanged(AgentChangedV1) = "agent.changed";
    /// An agent has less than its tasks hold: they go on, and nothing new is placed on it.
    AgentOvercommitted(AgentOvercommittedV1) = "agent.overcommitted";
    /// What an overcommitted agent has is enough for its tasks again.
    AgentRelieved(AgentRelievedV1) = "agent.relieved";
    /// An agent could not start a task: tasks of the same job or framework go elsewhere first, for some time.
    AgentStartFailed(AgentStartFailedV1) = "agent.start_failed";
    /// A failed start counts no more against its agent.
    AgentStartForgiven(AgentStartForgivenV1) = "agent.start_forgiven";
    /// Starts of several jobs or frameworks failed on an agent: nothing new is placed on it for some time.
    AgentSuspended(AgentSuspendedV1) = "agent.suspended";
    /// A suspension is over: tasks may be placed on the agent again.
    AgentResumed(AgentResumedV1) = "agent.resumed";
    /// Programs that are not of the cell hold ports of an agent: the ports are not given to tasks for some time.
    AgentPortsHeld(AgentPortsHeldV1) = "agent.ports_held";
    /// Ports that another program held may be given to tasks again.
    AgentPortsFreed(AgentPortsFreedV1) = "agent.ports_freed";
    /// An agent fell silent: nothing new is placed on it.
    AgentUnreachable(AgentUnreachableV1) = "agent.unreachable";
    /// An unreachable agent came back in time: its tasks are as they were.
    AgentReturned(AgentReturnedV1) = "agent.returned";
    /// An agent works in a directory of this identity from here on.
    AgentIdentified(AgentIdentifiedV1) = "agent.identified";
    /// An agent had obeyed a part of the log that was lost, and ended the tasks of that part.
    AgentStrayed(AgentStrayedV1) = "agent.strayed";
    /// An agent is being removed: its tasks become lost, in slices.
    AgentLeaving(AgentLeavingV1) = "agent.leaving";
    /// An agent is gone, with no task left on it.
    AgentRemoved(AgentRemovedV1) = "agent.removed";

    /// A job was taken on.
    JobAccepted(Box<JobAcceptedV1>) = "job.accepted";
    /// A job's number of tasks changed.
    JobScaled(JobScaledV1) = "job.scaled";
    /// A job is being stopped: waiting tasks are withdrawn, the others are killed in slices.
    JobStopping(JobStoppingV1) = "job.stopping";
    /// No task of the job is left to run.
    JobEnded(JobEndedV1) = "job.ended";
    /// The job left the allocator's state; its name may be used again.
    JobForgotten(JobForgottenV1) = "job.forgotten";
    /// Tasks of a job could not be placed; said once until none of them waits.
    PlacementDeferred(PlacementDeferredV1) = "placement.deferred";

    /// A task was given to an agent, which is to start it.
    TaskPlaced(TaskPlacedV1) = "task.placed";
    /// A task's incarnation stepped to another state.
    TaskStatusChanged(TaskStatusChangedV1) = "task.status_changed";
    /// The agent is to end the task.
    TaskKillRequested(TaskKillRequestedV1) = "task.kill_requested";
    /// An ended task waits for its next start; one that was ended for good is wanted again.
    TaskRestartScheduled(TaskRestartScheduledV1) = "task.restart_scheduled";
    /// The wait is over: the task is to be placed again.
    TaskRestartDue(TaskRestartDueV1) = "task.restart_due";
    /// A restart was so long ago that it counts no more, for the limit and for the wait before the next.
    TaskRestartForgotten(TaskRestartForgottenV1) = "task.restart_forgotten";
    /// A task that held no resources will not be started (again).
    TaskWithdrawn(TaskWithdrawnV1) = "task.withdrawn";
    /// An ended task of a framework left the allocator's state.
    TaskForgotten(TaskForgottenV1) = "task.forgotten";

    /// A framework may receive offers.
    FrameworkSubscribed(FrameworkSubscribedV1) = "framework.subscribed";
    /// A framework is ending: its tasks are killed in slices.
    FrameworkEnding(FrameworkEndingV1) = "framework.ending";
    /// A framework is gone, with no task left.
    FrameworkRemoved(FrameworkRemovedV1) = "framework.removed";
    /// A framework wants no offers.
    OffersSuppressed(OffersSuppressedV1) = "offers.suppressed";
    /// A framework wants offers again, and its filters are gone.
    OffersRevived(OffersRevivedV1) = "offers.revived";
    /// A framework wants no offers of an agent for some time.
    FilterSet(FilterSetV1) = "filter.set";
    /// A filter's time is over.
    FilterExpired(FilterExpiredV1) = "filter.expired";
    /// Resources of an agent were offered to a framework.
    OfferMade(OfferMadeV1) = "offer.made";
    /// An offer stands no more.
    OfferEnded(OfferEndedV1) = "offer.ended";

    /// A role's weight was set.
    RoleSet(RoleSetV1) = "role.set";
    /// The cell's parameters, all of them, after a change.
    ParametersSet(ParametersV1) = "parameters.set";
    /// Another version of the allocator's logic decides from here on.
    LogicActivated(LogicActivatedV1) = "logic.activated";
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_attr:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$field_attr])* pub $field: $type),* }
        )*
    };
}

bodies! {
    /// The body of [`Event::TimeAdvanced`].
    TimeAdvancedV1 {
        /// The time from here on.
        now: TimeMs,
    }
    /// The body of [`Event::AgentAdmitted`].
    AgentAdmittedV1 {
        /// Which agent.
        agent: AgentId,
        /// Its number in order of admission, from 0; ties in placement go by it.
        number: u32,
        /// All that it has.
        capacity: Resources,
        /// What constraints are compared with.
        attributes: BTreeMap<CompactString, CompactString>,
        /// How many tasks at once it has room for; absent if nothing but `capacity` bounds them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tasks_max: Option<u32>,
    }
    /// The body of [`Event::AgentChanged`].
    AgentChangedV1 {
        /// Which agent.
        agent: AgentId,
        /// All that it has now.
        capacity: Resources,
        /// What constraints are compared with now.
        attributes: BTreeMap<CompactString, CompactString>,
        /// How many tasks at once it has room for now; absent if nothing but `capacity` bounds them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tasks_max: Option<u32>,
    }
    /// The body of [`Event::AgentOvercommitted`].
    AgentOvercommittedV1 {
        /// Which agent.
        agent: AgentId,
        /// What its tasks hold.
        used: Resources,
        /// What it has now, which is less.
        capacity: Resources,
    }
    /// The body of [`Event::AgentRelieved`].
    AgentRelievedV1 {
        /// Which agent.
        agent: AgentId,
    }
    /// The body of [`Event::AgentStartFailed`].
    AgentStartFailedV1 {
        /// Which agent.
        agent: AgentId,
        /// The task that could not be started; the failure counts for its job or framework.
        task: TaskId,
        /// Whose fault it was.
        fault: StartFault,
        /// For how long it counts, from the first tick that follows.
        counts_ms: u64,
    }
    /// The body of [`Event::AgentStartForgiven`].
    AgentStartForgivenV1 {
        /// Which agent.
        agent: AgentId,
        /// The task that could not be started.
        task: TaskId,
    }
    /// The body of [`Event::AgentSuspended`].
    AgentSuspendedV1 {
        /// Which agent.
        agent: AgentId,
        /// For how long, from the first tick that follows.
        suspended_ms: u64,
        /// How many suspensions it has had since its last good start, this one included.
        suspensions: u32,
    }
    /// The body of [`Event::AgentResumed`].
    AgentResumedV1 {
        /// Which agent.
        agent: AgentId,
    }
    /// The body of [`Event::AgentPortsHeld`].
    AgentPortsHeldV1 {
        /// Which agent.
        agent: AgentId,
        /// Which ports.
        ports: PortRanges,
        /// For how long they are not given to tasks, from the first tick that follows.
        held_ms: u64,
    }
    /// The body of [`Event::AgentPortsFreed`].
    AgentPortsFreedV1 {
        /// Which agent.
        agent: AgentId,
        /// Which ports.
        ports: PortRanges,
    }
    /// The body of [`Event::AgentUnreachable`].
    AgentUnreachableV1 {
        /// Which agent.
        agent: AgentId,
    }
    /// The body of [`Event::AgentReturned`].
    AgentReturnedV1 {
        /// Which agent.
        agent: AgentId,
    }
    /// The body of [`Event::AgentIdentified`].
    AgentIdentifiedV1 {
        /// Which agent.
        agent: AgentId,
        /// Its directory.
        identity: AgentIdentity,
    }
    /// The body of [`Event::AgentStrayed`].
    AgentStrayedV1 {
        /// Which agent.
        agent: AgentId,
        /// The last offset whose answer it had obeyed, in the part that was lost.
        obeyed: Offset,
    }
    /// The body of [`Event::AgentLeaving`].
    AgentLeavingV1 {
        /// Which agent.
        agent: AgentId,
    }
    /// The body of [`Event::AgentRemoved`].
    AgentRemovedV1 {
        /// Which agent.
        agent: AgentId,
    }
    /// The body of [`Event::JobAccepted`].
    JobAcceptedV1 {
        /// The job as submitted.
        spec: JobSpecV1,
    }
    /// The body of [`Event::JobScaled`].
    JobScaledV1 {
        /// Which job.
        job: JobId,
        /// How many tasks it is to have.
        count: u32,
        /// One more than the highest index that its tasks have from now on: more than `count` where tasks of lower
        /// indexes go.
        span: u32,
    }
    /// The body of [`Event::JobStopping`].
    JobStoppingV1 {
        /// Which job.
        job: JobId,
        /// The grace of its tasks, in milliseconds, where it is not that of the job.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_ms: Option<u64>,
    }
    /// The body of [`Event::JobEnded`].
    JobEndedV1 {
        /// Which job.
        job: JobId,
        /// How it ended.
        outcome: JobOutcome,
    }
    /// The body of [`Event::JobForgotten`].
    JobForgottenV1 {
        /// Which job.
        job: JobId,
    }
    /// The body of [`Event::PlacementDeferred`].
    PlacementDeferredV1 {
        /// Which job.
        job: JobId,
        /// How many of its tasks wait for a place.
        waiting: u32,
        /// Why not, as numbers of agents by reason; every agent of the cell is counted once. Empty: there is no agent.
        reasons: BTreeMap<Reason, u32>,
    }
    /// The body of [`Event::TaskPlaced`].
    TaskPlacedV1 {
        /// Which task.
        task: TaskId,
        /// Which start of it.
        incarnation: Incarnation,
        /// Where.
        agent: AgentId,
        /// What it holds there, ports by number included.
        resources: Resources,
        /// What a framework's task runs. A job's task runs what its job says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<Box<RunSpecV1>>,
    }
    /// The body of [`Event::TaskStatusChanged`].
    TaskStatusChangedV1 {
        /// Which task.
        task: TaskId,
        /// Which start of it.
        incarnation: Incarnation,
        /// Where it is or was.
        agent: AgentId,
        /// Where it stands now.
        state: TaskState,
        /// How it ended, where it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<EndV1>,
    }
    /// The body of [`Event::TaskKillRequested`].
    TaskKillRequestedV1 {
        /// Which task.
        task: TaskId,
        /// Which start of it.
        incarnation: Incarnation,
        /// Where it is.
        agent: AgentId,
        /// How long it may take from SIGTERM to SIGKILL, in milliseconds, where that is not what its job says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_ms: Option<u64>,
        /// What its end is for.
        purpose: KillPurpose,
    }
    /// The body of [`Event::TaskRestartScheduled`].
    TaskRestartScheduledV1 {
        /// Which task.
        task: TaskId,
        /// The wait, counted from the first tick that follows.
        delay_ms: u64,
        /// How many restarts count, this one included.
        restarts: u32,
    }
    /// The body of [`Event::TaskRestartForgotten`].
    TaskRestartForgottenV1 {
        /// Which task.
        task: TaskId,
        /// How many restarts still count.
        restarts: u32,
    }
    /// The body of [`Event::TaskRestartDue`].
    TaskRestartDueV1 {
        /// Which task.
        task: TaskId,
    }
    /// The body of [`Event::TaskWithdrawn`].
    TaskWithdrawnV1 {
        /// Which task.
        task: TaskId,
        /// What that is for.
        purpose: KillPurpose,
    }
    /// The body of [`Event::TaskForgotten`].
    TaskForgottenV1 {
        /// Which task.
        task: TaskId,
    }
    /// The body of [`Event::FrameworkSubscribed`].
    FrameworkSubscribedV1 {
        /// Which framework.
        framework: FrameworkId,
        /// The role whose share it uses.
        role: RoleName,
        /// Who subscribed it: nobody else may speak for it.
        owner: Principal,
    }
    /// The body of [`Event::FrameworkEnding`].
    FrameworkEndingV1 {
        /// Which framework.
        framework: FrameworkId,
    }
    /// The body of [`Event::FrameworkRemoved`].
    FrameworkRemovedV1 {
        /// Which framework.
        framework: FrameworkId,
    }
    /// The body of [`Event::OffersSuppressed`].
    OffersSuppressedV1 {
        /// Which framework.
        framework: FrameworkId,
    }
    /// The body of [`Event::OffersRevived`].
    OffersRevivedV1 {
        /// Which framework.
        framework: FrameworkId,
    }
    /// The body of [`Event::FilterSet`].
    FilterSetV1 {
        /// Who wants no offers.
        framework: FrameworkId,
        /// Of which agent.
        agent: AgentId,
        /// For how long, counted from the first tick that follows.
        filter_ms: u64,
    }
    /// The body of [`Event::FilterExpired`].
    FilterExpiredV1 {
        /// Who may have offers again.
        framework: FrameworkId,
        /// Of which agent.
        agent: AgentId,
    }
    /// The body of [`Event::OfferMade`].
    OfferMadeV1 {
        /// The offer.
        offer: OfferId,
        /// To whom.
        framework: FrameworkId,
        /// Of which agent.
        agent: AgentId,
        /// What is offered.
        resources: Resources,
    }
    /// The body of [`Event::OfferEnded`].
    OfferEndedV1 {
        /// The offer.
        offer: OfferId,
        /// Why it stands no more.
        reason: OfferEnd,
    }
    /// The body of [`Event::RoleSet`].
    RoleSetV1 {
        /// Which role.
        role: RoleName,
        /// Its weight.
        weight: u32,
    }
    /// The body of [`Event::ParametersSet`].
    ParametersV1 {
        /// How agents are chosen for jobs' tasks.
        policy: Policy,
        /// How long an offer stands.
        offer_ttl_ms: u64,
        /// How long an unreachable agent may come back to its tasks.
        agent_lost_after_ms: u64,
        /// How long an idempotency key is remembered.
        key_kept_ms: u64,
        /// How long what has ended stays in the allocator's state.
        ended_kept_ms: u64,
    }
    /// The body of [`Event::LogicActivated`].
    LogicActivatedV1 {
        /// The version that decides from here on.
        version: u32,
    }
}
