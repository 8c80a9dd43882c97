//! What can be said in a cell's log: records, commands, decisions, events, refusals, ids and quantities.
//!
//! Pure: this crate performs no I/O, reads no clock and depends on no other crate of the project.
//! Whatever is stored is a frozen `…V1` struct written as a MessagePack map with field names, so
//! that any MessagePack tool can read a log without this code.

pub mod chain;
pub mod codec;
pub mod command;
pub mod decision;
pub mod event;
pub mod id;
pub mod job;
pub mod offset;
pub mod ports;
pub mod quantity;
pub mod record;
pub mod refusal;
pub mod resource_name;
pub mod resources;
pub mod secret;
pub mod task;

pub use chain::Chain;
pub use command::{Class, Command, Envelope};
pub use decision::{AnswerV1, DecisionV1, EpochV1};
pub use event::Event;
pub use id::{AgentId, AgentIdentity, FrameworkId, JobId, Key, OfferId, Principal, RoleName, TaskId, TaskOwner};
pub use offset::{EpochNumber, Offset, TimeMs};
pub use ports::PortRanges;
pub use quantity::{MiB, MilliCpu, MilliGpu};
pub use record::{Kind, Record};
pub use refusal::Refusal;
pub use resources::Resources;
pub use secret::DirectorySecret;
pub use task::{Incarnation, TaskState};
