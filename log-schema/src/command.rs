//! Commands: requests and observations by someone who may be refused.
//!
//! Every command travels in the same envelope: who sent it, under which idempotency key, what it
//! answers, and its class. The kind of the record says which body the envelope holds.

mod speaker;

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    codec,
    id::{AgentId, AgentIdentity, FrameworkId, JobId, Key, OfferId, Principal, RoleName, TaskId},
    job::{JobSpecV1, RunSpecV1},
    offset::{Offset, TimeMs},
    record::{Kind, Record},
    resources::Resources,
    task::{EndV1, Incarnation, TaskState},
};

pub use speaker::Speaker;

/// What a what-if does with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Comes from outside, whatever the cell decides: arrivals, operators, agents' joins and losses, time.
    Exogenous,
    /// Belongs to a task wherever it runs: how long it takes and how it ends.
    Intrinsic,
    /// Answers what the cell decided, and would differ had it decided otherwise: accepting an offer.
    Endogenous,
}

/// What every command carries beside its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who sent it.
    pub principal: Principal,
    /// The same principal and key within the cell's window mean the same command.
    pub key: Key,
    /// The offset of the decision that this command answers, where it answers one.
    pub caused_by: Option<Offset>,
    /// What a what-if does with it.
    pub class: Class,
}

/// A command's payload as stored: the envelope's fields and the body, in one map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandV1<B> {
    /// See [`Envelope::principal`].
    pub principal: Principal,
    /// See [`Envelope::key`].
    pub key: Key,
    /// See [`Envelope::caused_by`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<Offset>,
    /// See [`Envelope::class`].
    pub class: Class,
    /// What is asked or observed.
    pub body: B,
}

/// Why bytes of the log are not a command.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// A kind that this program does not know: a newer program wrote it. Readers halt.
    #[error("unknown record kind {kind}")]
    UnknownKind { kind: u16 },
    /// A version that this program does not know: a newer program wrote it. Readers halt.
    #[error("unknown version {version} of {kind}")]
    UnknownVersion { kind: Kind, version: u16 },
    /// The kind is an epoch or a decision, not a command.
    #[error("{kind} is not a command")]
    NotACommand { kind: Kind },
    /// A known kind with a bad payload: the allocator refuses it, and records this sentence.
    #[error("malformed {kind}: {source}")]
    Malformed { kind: Kind, source: codec::Error },
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($body:ident);)*) => {
        /// Every command, with its frozen body. The variants carry the names of [`Kind`].
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Command { $($(#[$doc])* $name($body),)* }

        impl Command {
            /// The kind of the record that holds this command.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)* }
            }

            /// The record that holds this command in its envelope.
            pub fn to_record(&self, envelope: &Envelope) -> Record {
                match self { $(Self::$name(body) => Record::v1(Kind::$name, seal(envelope, body)),)* }
            }

            /// Reads a command and its envelope from a record.
            pub fn from_record(record: &Record) -> Result<(Envelope, Self), Error> {
                let kind = Kind::from_number(record.kind).ok_or(Error::UnknownKind { kind: record.kind })?;
                match kind {
                    Kind::Epoch | Kind::Decision => Err(Error::NotACommand { kind }),
                    _ if record.version != 1 => Err(Error::UnknownVersion { kind, version: record.version }),
                    $(Kind::$name => {
                        let (envelope, body) = open(kind, &record.payload)?;
                        Ok((envelope, Self::$name(body)))
                    })*
                }
            }
        }
    };
}

commands! {
    /// The time, by the leader.
    Tick(TickV1);
    /// Submits a job.
    SubmitJob(SubmitJobV1);
    /// Stops a job: its waiting tasks are withdrawn, its running tasks are killed.
    StopJob(StopJobV1);
    /// Changes how many tasks a job has.
    ScaleJob(ScaleJobV1);
    /// Ends one task for good.
    KillTask(KillTaskV1);
    /// Starts one task of a job again, whatever became of it.
    RestartTask(RestartTaskV1);
    /// An agent joins, changes its capacity or comes back.
    ReportAgent(ReportAgentV1);
    /// The leader observed that an agent is silent.
    MarkAgentUnreachable(MarkAgentUnreachableV1);
    /// An agent leaves for good; its tasks are lost.
    RemoveAgent(RemoveAgentV1);
    /// An agent says where a task stands.
    UpdateTaskStatus(UpdateTaskStatusV1);
    /// A framework asks for offers, or comes back.
    SubscribeFramework(SubscribeFrameworkV1);
    /// A framework launches tasks on offers of one agent.
    AcceptOffers(AcceptOffersV1);
    /// A framework gives offers back.
    DeclineOffers(DeclineOffersV1);
    /// A framework wants offers again and drops its filters.
    ReviveOffers(ReviveOffersV1);
    /// A framework wants no offers until it revives them.
    SuppressOffers(SuppressOffersV1);
    /// A framework ends, with all its tasks.
    TeardownFramework(TeardownFrameworkV1);
    /// Sets the weight of a role.
    SetRole(SetRoleV1);
    /// Sets parameters of the cell; what is absent stays.
    SetParameters(SetParametersV1);
    /// Switches to another version of the allocator's logic.
    ActivateLogic(ActivateLogicV1);
}

fn seal<B: Serialize + Clone>(envelope: &Envelope, body: &B) -> Vec<u8> {
    let Envelope { principal, key, caused_by, class } = envelope.clone();
    codec::encode(&CommandV1 { principal, key, caused_by, class, body })
}

fn open<B: DeserializeOwned>(kind: Kind, payload: &[u8]) -> Result<(Envelope, B), Error> {
    let command: CommandV1<B> =
        codec::decode(kind.name(), payload).map_err(|source| Error::Malformed { kind, source })?;
    let CommandV1 { principal, key, caused_by, class, body } = command;
    Ok((Envelope { principal, key, caused_by, class }, body))
}

/// The body of [`Command::Tick`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TickV1 {
    /// Log time by the leader's clock. It never runs backwards: an earlier time is refused.
    pub now: TimeMs,
}

/// The body of [`Command::SubmitJob`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitJobV1 {
    /// The whole job.
    pub job: JobSpecV1,
}

/// The body of [`Command::StopJob`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopJobV1 {
    /// Which job.
    pub job: JobId,
    /// How long the tasks may take from SIGTERM to SIGKILL, in milliseconds; their job's grace where absent. Asked again
    /// with less, it cuts the grace of tasks that are being ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
}

/// The body of [`Command::ScaleJob`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleJobV1 {
    /// Which job.
    pub job: JobId,
    /// How many tasks it is to have; the tasks with the highest indexes go first.
    pub count: u32,
}

/// The body of [`Command::KillTask`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillTaskV1 {
    /// Which task; it is not started again.
    pub task: TaskId,
    /// How long it may take from SIGTERM to SIGKILL, in milliseconds; its job's grace where absent. Asked again
    /// with less, it cuts the grace of a task that is being ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
}

/// The body of [`Command::RestartTask`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartTaskV1 {
    /// Which task of a job. One that runs is ended and started again; one that was killed, failed for good or
    /// waits for its next start is started.
    pub task: TaskId,
    /// How long it may take from SIGTERM to SIGKILL, in milliseconds; its job's grace where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
}

/// The body of [`Command::ReportAgent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportAgentV1 {
    /// Which agent.
    pub agent: AgentId,
    /// All that it has, used or not.
    pub capacity: Resources,
    /// What constraints are compared with.
    #[serde(default)]
    pub attributes: BTreeMap<CompactString, CompactString>,
    /// How many tasks at once the agent's own limits leave room for; absent if nothing but `capacity` bounds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_max: Option<u32>,
    /// Which directory the agent works in; absent if the agent cannot tell, as a modelled one cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<AgentIdentity>,
    /// The last offset whose answer the agent obeyed in a course of the log that this log does not hold: the log
    /// was put back to an older copy. Absent on every report but the first after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strayed: Option<Offset>,
}

/// The body of [`Command::MarkAgentUnreachable`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkAgentUnreachableV1 {
    /// Which agent.
    pub agent: AgentId,
    /// For how long the leader heard nothing of it.
    pub silent_ms: u64,
}

/// The body of [`Command::RemoveAgent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveAgentV1 {
    /// Which agent.
    pub agent: AgentId,
}

/// The body of [`Command::UpdateTaskStatus`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateTaskStatusV1 {
    /// Which task.
    pub task: TaskId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// Who says so.
    pub agent: AgentId,
    /// Where it stands.
    pub state: TaskState,
    /// How it ended; given exactly where the state is terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndV1>,
    /// When, by the agent's clock.
    pub observed: TimeMs,
}

/// The body of [`Command::SubscribeFramework`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscribeFrameworkV1 {
    /// The framework's name, chosen by itself and kept over reconnects.
    pub framework: FrameworkId,
    /// The role whose share its tasks and offers use.
    pub role: RoleName,
}

/// The body of [`Command::AcceptOffers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptOffersV1 {
    /// Who accepts.
    pub framework: FrameworkId,
    /// The offers, all of one agent. What the tasks leave over is free again.
    pub offers: Vec<OfferId>,
    /// The tasks to start on them.
    pub launches: Vec<LaunchV1>,
    /// For how long the framework wants no offer of this agent again.
    pub filter_ms: u64,
}

/// One task that a framework starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchV1 {
    /// The framework's name for the task; its id is `framework/name`.
    pub name: CompactString,
    /// What it takes, ports by number included.
    pub resources: Resources,
    /// What it runs.
    pub run: RunSpecV1,
}

/// The body of [`Command::DeclineOffers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclineOffersV1 {
    /// Who declines.
    pub framework: FrameworkId,
    /// The offers.
    pub offers: Vec<OfferId>,
    /// For how long the framework wants no offer of these agents again.
    pub filter_ms: u64,
}

/// The body of [`Command::ReviveOffers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviveOffersV1 {
    /// Which framework.
    pub framework: FrameworkId,
}

/// The body of [`Command::SuppressOffers`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuppressOffersV1 {
    /// Which framework.
    pub framework: FrameworkId,
}

/// The body of [`Command::TeardownFramework`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeardownFrameworkV1 {
    /// Which framework.
    pub framework: FrameworkId,
}

/// The body of [`Command::SetRole`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRoleV1 {
    /// Which role.
    pub role: RoleName,
    /// Its weight among the roles, from 1; a role that was never set weighs 1.
    pub weight: u32,
}

/// How an agent is chosen among those that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The agent with the least CPU free, then the least memory, then the first admitted.
    Binpack,
    /// The agent with the most CPU free, then the most memory, then the first admitted.
    Spread,
}

/// The body of [`Command::SetParameters`]; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetParametersV1 {
    /// How agents are chosen for jobs' tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// How long an offer stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_ttl_ms: Option<u64>,
    /// How long an unreachable agent may come back to its tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_lost_after_ms: Option<u64>,
    /// How long an idempotency key is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_kept_ms: Option<u64>,
    /// How long an ended job, or an ended task of a framework, stays in the allocator's state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_kept_ms: Option<u64>,
}

/// The body of [`Command::ActivateLogic`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateLogicV1 {
    /// The version that decides from the next command on.
    pub version: u32,
}
