//! What the log holds: a kind, a version and a payload.

use std::fmt;

use bytes::Bytes;

/// The largest payload that any log takes, in bytes: below Kafka's default limit for a message.
pub const PAYLOAD_BYTES_MAX: usize = 900 * 1024;

/// One record, as stored. What travels beside it (time of append, source, trace) is not part of the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is; see [`Kind`]. Kept as a number so that an unknown kind can be named.
    pub kind: u16,
    /// The version of the payload's struct.
    pub version: u16,
    /// A MessagePack map with field names.
    pub payload: Bytes,
}

impl Record {
    /// Makes a record of a known kind, version 1.
    pub fn v1(kind: Kind, payload: impl Into<Bytes>) -> Self {
        Self { kind: kind.number(), version: 1, payload: payload.into() }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $wire:literal;)*) => {
        /// Every kind of record, with its number on the wire. A number is never used again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every kind, in order of number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The kind with this number.
            pub fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
        }
    };
}

kinds! {
    /// A candidate claims to lead.
    Epoch = 1, "epoch";
    /// The leader's answer to a range of offsets.
    Decision = 2, "decision";
    /// The time, by the leader.
    Tick = 3, "tick";
    /// A client submits a job.
    SubmitJob = 10, "submit_job";
    /// A client stops a job.
    StopJob = 11, "stop_job";
    /// A client changes how many tasks a job has.
    ScaleJob = 12, "scale_job";
    /// A client or a framework ends one task.
    KillTask = 13, "kill_task";
    /// A client starts one task of a job again.
    RestartTask = 14, "restart_task";
    /// An agent says what it has: it joins, changes or comes back.
    ReportAgent = 20, "report_agent";
    /// The leader observed that an agent is silent.
    MarkAgentUnreachable = 21, "mark_agent_unreachable";
    /// An agent leaves for good.
    RemoveAgent = 22, "remove_agent";
    /// An agent says where a task stands.
    UpdateTaskStatus = 23, "update_task_status";
    /// A framework asks for offers.
    SubscribeFramework = 30, "subscribe_framework";
    /// A framework takes offers.
    AcceptOffers = 31, "accept_offers";
    /// A framework gives offers back.
    DeclineOffers = 32, "decline_offers";
    /// A framework wants offers again and drops its filters.
    ReviveOffers = 33, "revive_offers";
    /// A framework wants no offers for now.
    SuppressOffers = 34, "suppress_offers";
    /// A framework ends, with all its tasks.
    TeardownFramework = 35, "teardown_framework";
    /// An operator sets the weight of a role.
    SetRole = 40, "set_role";
    /// An operator sets the cell's parameters.
    SetParameters = 41, "set_parameters";
    /// An operator switches to another version of the allocator's logic.
    ActivateLogic = 42, "activate_logic";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
