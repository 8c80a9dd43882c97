//! Refusals: the answer "no", as data, with both sides of the mismatch.
//!
//! The numbers are in order of precedence: where a command could be refused for several reasons,
//! the one with the lowest number is given. A number is never used again.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, AgentIdentity, FrameworkId, JobId, OfferId, Principal, RoleName, TaskId},
    offset::{Offset, TimeMs},
    resources::Resources,
    task::{Incarnation, TaskState},
};

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? } = $number:literal, $message:literal;)*) => {
        /// Why a command was refused. `Display` gives the sentence for people.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
        #[serde(rename_all = "snake_case", deny_unknown_fields)]
        #[allow(missing_docs, reason = "the fields are the two sides that the sentence names")]
        pub enum Refusal { $($(#[$doc])* #[error($message)] $name { $($field: $type),* },)* }

        impl Refusal {
            /// The number of the refusal.
            pub fn number(&self) -> u16 {
                match self { $(Self::$name { .. } => $number,)* }
            }

            /// The name of the refusal, as in code.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name),)* }
            }

            /// Every number and name, in order of precedence.
            pub const ALL: &'static [(u16, &'static str)] = &[$(($number, stringify!($name)),)*];
        }
    };
}

refusals! {
    /// The payload is not what its kind promises.
    Malformed { detail: String } = 1, "the payload is malformed: {detail}";
    /// The key was used for another command.
    KeyReused { first: Offset } = 2, "this idempotency key was used for another command, at offset {first}";
    /// The time would run backwards.
    TimeRunsBackwards { now: TimeMs, said: TimeMs } = 3, "log time is {now} already, the tick says {said}";
    /// A parameter outside its bounds.
    ParameterOutOfRange { name: CompactString, value: u64, min: u64, max: u64 } = 4, "{name} is {value}, and may be {min} to {max}";
    /// This program has no such logic.
    LogicUnknown { asked: u32, newest: u32 } = 5, "logic version {asked} is unknown; the newest is {newest}";
    /// A bound of the cell is reached.
    TooMany { what: CompactString, max: u64 } = 6, "the cell holds {max} {what} already, and no more";
    /// A custom resource whose name is nearly that of a resource with a unit.
    ResourceMisnamed { name: CompactString, meant: CompactString } = 7, "{name} is no resource; is {meant} meant?";

    /// No such agent.
    AgentUnknown { agent: AgentId } = 20, "there is no agent {agent}";
    /// The agent is unreachable already.
    AgentUnreachableAlready { agent: AgentId } = 21, "agent {agent} is unreachable already";
    /// The agent is being removed; it may join again when its tasks are accounted for.
    AgentLeaving { agent: AgentId } = 23, "agent {agent} is being removed";
    /// A capacity that cannot be counted.
    CapacityEmpty { agent: AgentId } = 24, "agent {agent} reports no capacity at all";
    /// Another directory works under the agent's name, and is up.
    AgentIdentityTaken { agent: AgentId, identity: AgentIdentity, holder: AgentIdentity } = 25, "agent {agent} is up in another directory (identity {holder}); {identity} may take its name when that agent is unreachable or removed";

    /// A job of this name is there.
    JobExists { job: JobId } = 40, "there is a job {job} already";
    /// No such job, or it ended long ago.
    JobUnknown { job: JobId } = 41, "there is no job {job}";
    /// The job has ended or is stopping.
    JobEnded { job: JobId } = 42, "job {job} has ended or is being stopped";
    /// Too few or too many tasks.
    CountOutOfRange { asked: u32, min: u32, max: u32 } = 43, "{asked} tasks were asked for, and a job has {min} to {max}";
    /// Nothing to run.
    CommandEmpty {} = 44, "the command line is empty";
    /// The command line holds a zero byte or an illegal variable name.
    CommandIllegal { detail: String } = 45, "the command line or environment is illegal: {detail}";
    /// Command line and environment are too long.
    CommandTooLong { bytes: u64, max: u64 } = 46, "command line and environment have {bytes} bytes, more than {max}";
    /// A task must need something.
    ResourcesEmpty {} = 47, "the task asks for neither CPU nor memory; name an amount of one of them at least, as in cpu=0.5";
    /// Jobs ask for a number of ports.
    PortsByNumber { asked: Resources } = 48, "a job asks for a number of ports, not for ports by number ({asked})";
    /// Too many ports for one task.
    TooManyPorts { asked: u16, max: u16 } = 49, "{asked} ports were asked for, more than {max}";
    /// Too many constraints, or too many values in one.
    TooManyConstraints { asked: u64, max: u64 } = 50, "{asked} constraints or values were given, more than {max}";

    /// No such task, or it ended long ago.
    TaskUnknown { task: TaskId } = 60, "there is no task {task}";
    /// The task has ended.
    TaskEnded { task: TaskId, state: TaskState } = 61, "task {task} has ended: {state}";
    /// The status is about a start that is over or has not been.
    IncarnationSuperseded { task: TaskId, current: Incarnation, reported: Incarnation } = 62, "task {task} is at incarnation {current}, the status is about {reported}";
    /// The status comes from an agent that does not run the task.
    WrongAgent { task: TaskId, placed_on: AgentId, reported_by: AgentId } = 63, "task {task} is on agent {placed_on}, not on {reported_by}";
    /// The step is not legal.
    IllegalTransition { task: TaskId, from: TaskState, to: TaskState } = 64, "task {task} is {from} and cannot become {to}";
    /// A terminal status without its end, or an end without a terminal status.
    EndMismatch { task: TaskId, state: TaskState } = 65, "the status {state} of task {task} and its end do not go together";
    /// A framework starts its tasks again itself.
    TaskOfFramework { task: TaskId } = 66, "task {task} is one of a framework, which starts its tasks itself; only tasks of jobs are restarted";
    /// The job was scaled down, and this task went.
    TaskScaledAway { task: TaskId, count: u32 } = 67, "task {task} was scaled away: its job wants {count} tasks; scale it up to have more";

    /// Somebody else subscribed the framework, and speaks for it.
    FrameworkOfAnother { framework: FrameworkId, owner: Principal, asked_by: Principal } = 79, "framework {framework} is that of {owner}, and {asked_by} may not speak for it";
    /// No such framework.
    FrameworkUnknown { framework: FrameworkId } = 80, "there is no framework {framework}";
    /// The framework is being torn down.
    FrameworkEnding { framework: FrameworkId } = 81, "framework {framework} is being torn down";
    /// The framework subscribed with another role.
    RoleDiffers { framework: FrameworkId, subscribed: RoleName, asked: RoleName } = 82, "framework {framework} is subscribed with role {subscribed}, not {asked}";
    /// No offers were named.
    OffersEmpty {} = 83, "no offer is named";
    /// The offer was used, declined, rescinded, timed out, or never made.
    OfferUnknown { offer: OfferId } = 84, "offer {offer} does not stand";
    /// The offer was made to somebody else.
    OfferOfAnother { offer: OfferId, framework: FrameworkId } = 85, "offer {offer} was not made to framework {framework}";
    /// The offers are not of one agent.
    OffersOfSeveralAgents { first: AgentId, second: AgentId } = 86, "the offers are of agents {first} and {second}, not of one";
    /// Too many in one command.
    TooManyInOne { what: CompactString, asked: u64, max: u64 } = 87, "{asked} {what} in one command, more than {max}";
    /// The framework has a task of this name.
    TaskExists { task: TaskId } = 88, "there is a task {task} already";
    /// The launches need more than was offered.
    LaunchesExceedOffers { asked: Box<Resources>, offered: Box<Resources> } = 89, "the tasks need {asked}, the offers hold {offered}";
    /// The task's name is not legal.
    TaskNameIllegal { detail: String } = 90, "the name of a task is illegal: {detail}";
    /// The agent's own limits leave less room than the launches take.
    AgentFull { agent: AgentId, asked: u32, left: u32 } = 91, "agent {agent} has room for {left} more tasks, not for {asked}";

    /// A weight outside its bounds.
    WeightOutOfRange { role: RoleName, weight: u32, min: u32, max: u32 } = 100, "role {role} cannot weigh {weight}, only {min} to {max}";
}
