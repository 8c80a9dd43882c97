//! What an agent and a gateway say to each other on the agents' link.
//!
//! One WebSocket at [`LINK_PATH`], opened by the agent; each binary message is one MessagePack map
//! with field names: a [`FromAgent`] one way, a [`FromGateway`] the other. Text messages are not used.
//! Nothing here is stored, so these types may change together with the code on both sides; a peer
//! that speaks another [`VERSION`] is turned away when it connects.
//!
//! ```text
//! agent ── GET /v1/link?version=2&agent=a1&secret=…&run=4&connection=2&from=812&epoch=3&to=809 ──> gateway
//!       <── Expected { to: 830, … }      what the cell believes to run on the agent
//!       <── Watermarks { … }             at least every WATERMARKS_INTERVAL_MS
//!       <── Records [ … ]                the filtered log from offset 812 on
//!        ── Append { 1, … } ──>          commands
//!       <── Appended { 1, offsets }
//!        ── Telemetry { … } ──>          once a second
//!       <── ReadLog { 7, … }             somebody reads a task's output
//!        ── LogChunk { 7, … } ──>
//! ```
//!
//! ## The filtered log
//! An agent sees a view of the log that is itself a valid log of epochs and decisions:
//! - every `Epoch` record that counts, whole, at its own offset;
//! - `Decision` records that count, each trimmed to the answers and events that concern the agent
//!   (see [`Query`] for where it starts). Decisions with nothing for the agent are coalesced into the
//!   next one that is sent: it then states the first one's `from`, its own `to`, and its own offset,
//!   so `from == last_to + 1` holds on the view as it does on the log. Coalesced decisions are flushed
//!   when an epoch follows, and when [`COALESCED_MS_MAX`] have passed, so that a quiet agent keeps up.
//! - Events that concern an agent: those that name it (`TaskPlaced`, `TaskKillRequested`,
//!   `TaskStatusChanged`, `AgentAdmitted`, `AgentRemoved` …), and the `JobAccepted` of a job before the
//!   first placement of that job on this connection, put into the same answer as the placement. The
//!   `JobEnded` of such a job is sent too, and both sides then forget that it was accepted.
//! - A decision that answers nothing below `to + 1` may overlap what was sent on an older connection;
//!   answers at offsets that the agent has obeyed are skipped by it, by their `at`.
//! - Refusals of what an agent said of itself (those that name it) are kept.
//! - Commands and ticks are left out. The chain of a trimmed decision is that of the full one and
//!   cannot be checked on the view; the gateway has checked it.

use bytes::Bytes;
use log_schema::{AgentId, Chain, DirectorySecret, EpochNumber, Incarnation, Offset, Record, TaskId, TimeMs, codec};
use serde::{Deserialize, Serialize};

use crate::telemetry::Sample;

/// The version of this protocol.
pub const VERSION: u16 = 2;
/// Where the link is, on the gateway's address.
pub const LINK_PATH: &str = "/v1/link";
/// The largest message in either direction, in bytes: one record of the largest size, and room.
pub const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The most records in one message, in either direction.
pub const RECORDS_PER_MESSAGE_MAX: usize = 256;
/// The most bytes in one [`FromAgent::LogChunk`].
pub const LOG_CHUNK_BYTES_MAX: u32 = 256 * 1024;
/// How often the gateway sends [`FromGateway::Watermarks`] at least, in milliseconds.
pub const WATERMARKS_INTERVAL_MS: u64 = 1000;
/// After how many milliseconds without any message either side takes the link for dead.
pub const SILENCE_MS_MAX: u64 = 10_000;
/// How long the gateway may hold back decisions that say nothing to the agent, in milliseconds.
pub const COALESCED_MS_MAX: u64 = 1000;

/// Close code: the same agent opened a newer link, by the numbers that it gives its connections itself.
pub const CLOSE_SUPERSEDED: u16 = 4409;
/// Close code: an agent of this name works in another directory, and is up. Connecting again cannot help while it is.
pub const CLOSE_IDENTITY_TAKEN: u16 = 4423;
/// Close code: `from` is below what the log still holds or above its end. The agent starts afresh,
/// without `from`, and trusts [`FromGateway::Expected`].
pub const CLOSE_OUT_OF_RANGE: u16 = 4416;
/// Close code: the log holds where the agent joined, but not what it obeyed last: it was put back to an older copy.
/// The agent starts afresh, and gives up what was started by the part that was lost.
pub const CLOSE_STRAYED: u16 = 4410;
/// Close code: the log does not hold where the agent joined: it is another cell's.
pub const CLOSE_OTHER_CELL: u16 = 4421;
/// Close code: the message before could not be decoded.
pub const CLOSE_MALFORMED: u16 = 4400;
/// Close code: another version of the protocol.
pub const CLOSE_VERSION: u16 = 4426;

/// The most runs and connections that an agent can count: more than there are seconds in a hundred years. A link
/// that claims more would keep every link of the real agent out, for good.
pub const RUN_MAX: u64 = u32::MAX as u64;

/// The query string of the link's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// [`VERSION`] of the agent.
    pub version: u16,
    /// Who connects.
    pub agent: AgentId,
    /// Proves which directory the agent works in.
    pub secret: DirectorySecret,
    /// How often an agent was started in this directory. Of two runs of one identity the later one counts.
    pub run: u64,
    /// The connections of this run, counted by the agent: however late a gateway that stood still takes
    /// notice of a connection, an older one never takes the place of a newer one.
    pub connection: u64,
    /// The first log offset that the agent has not read. Absent on the very first connection of an
    /// agent: the view then starts right after [`FromGateway::Expected`]'s `to`, because an agent
    /// without a memory must not obey history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Offset>,
    /// The epoch of the last decision that the agent obeyed; given together with `from`, so that the
    /// gateway can judge records from there on without reading older ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<EpochNumber>,
    /// The last offset that this decision answered. The first decision sent states `to + 1` as `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Offset>,
    /// The chain of the log up to `to`, in hexadecimal digits: the log may hold another record there by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The end of the first decision that an agent of this directory took note of, and the chain up to there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Offset>,
    /// See `joined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_chain: Option<String>,
}

/// A record on the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// See [`Record::kind`].
    pub kind: u16,
    /// See [`Record::version`].
    pub version: u16,
    /// See [`Record::payload`].
    pub payload: Bytes,
}

/// A record of the filtered log, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStored {
    /// Where it is in the whole log.
    pub offset: Offset,
    /// When it was appended, by the clock of the log.
    pub time: TimeMs,
    /// The record itself.
    pub record: LinkRecord,
}

/// What an agent sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words before each variant name its fields")]
pub enum FromAgent {
    /// Asks for commands to be appended, in this order. Answered by `Appended` or `Failed` with the same
    /// number. After a reconnection an unanswered request is sent again, perhaps a second time in the
    /// log: commands carry idempotency keys, so that is harmless.
    Append { request: u64, records: Vec<LinkRecord> },
    /// A heartbeat and usage sample. Not answered.
    Telemetry { sample: Sample },
    /// A piece of a task's output.
    LogChunk {
        /// The number of the `ReadLog`.
        request: u64,
        /// Where `bytes` start, counted from the task's first byte. It is above what was asked for when
        /// rotation has dropped what was there.
        offset: u64,
        /// The output; empty when nothing came within the wait.
        bytes: Bytes,
        /// Where to read on.
        next_offset: u64,
        /// The task has ended, and this was the last of its output.
        end: bool,
    },
    /// A `ReadLog` could not be answered.
    LogFailed { request: u64, code: FailureCode, message: String },
}

/// What a gateway sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words before each variant name its fields")]
pub enum FromGateway {
    /// The commands of one `Append` are in the log, at these offsets, in its order.
    Appended { request: u64, offsets: Vec<Offset> },
    /// The commands of one `Append` are not in the log.
    Failed { request: u64, code: FailureCode, message: String },
    /// More of the filtered log.
    Records(Vec<LinkStored>),
    /// The oldest offset of the log, and the one after its newest.
    Watermarks { low: Offset, high: Offset },
    /// The first message on every connection: which tasks the cell takes to be on this agent and not
    /// ended, as of the answers up to `to` (`None`: nothing was ever decided) in `epoch` (0: nobody has
    /// led). The agent compares once it has itself obeyed up to `to`: it reports tasks that it knows
    /// nothing of as failed, and kills those that the cell does not know.
    ///
    /// `chain` is that of the log up to `to`.
    Expected { epoch: EpochNumber, to: Option<Offset>, chain: Chain, tasks: Vec<ExpectedTask> },
    /// Asks for output of a task; answered by `LogChunk` or `LogFailed` with the same number.
    ReadLog {
        /// Chosen by the gateway, unique on this connection.
        request: u64,
        /// Whose output.
        task: TaskId,
        /// Which start of the task; the newest that the agent has when absent.
        incarnation: Option<Incarnation>,
        /// Which stream.
        stream: Stream,
        /// Where to start.
        from: ReadFrom,
        /// The most bytes wanted; the agent sends at most [`LOG_CHUNK_BYTES_MAX`].
        bytes_max: u32,
        /// How long to wait for a first byte when there is none yet, in milliseconds.
        wait_ms: u32,
    },
}

/// A task that the cell takes to be on an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExpectedTask {
    /// Which task.
    pub task: TaskId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// The offset of the decision that placed it: after a loss of records the same number may be another start.
    pub placed: Offset,
}

/// An output stream of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where reading of an output starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadFrom {
    /// At this byte, counted from the task's first.
    Byte(u64),
    /// This many bytes before the present end.
    BeforeEnd(u64),
    /// At the start of the last so many lines, as far as one chunk reaches back.
    LastLines(u32),
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The world's fault for now; the same request may do later.
    Unavailable,
    /// A record passes the largest size. Sending it again cannot help.
    TooLarge,
    /// The agent may not append records of this kind.
    Forbidden,
    /// No such task, incarnation or stream on this agent.
    NotFound,
}

impl FailureCode {
    /// Whether the same request may succeed later.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Unavailable => true,
            Self::TooLarge | Self::Forbidden | Self::NotFound => false,
        }
    }
}

impl Stream {
    /// The name of the stream, as in file names and addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl FromAgent {
    /// The message as it goes over the link.
    pub fn encode(&self) -> Bytes {
        codec::encode(self).into()
    }

    /// Reads a message; errors name what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::Error> {
        codec::decode("message of an agent", bytes)
    }
}

impl FromGateway {
    /// The message as it goes over the link.
    pub fn encode(&self) -> Bytes {
        codec::encode(self).into()
    }

    /// Reads a message; errors name what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::Error> {
        codec::decode("message of a gateway", bytes)
    }
}

impl From<Record> for LinkRecord {
    fn from(Record { kind, version, payload }: Record) -> Self {
        Self { kind, version, payload }
    }
}

impl From<LinkRecord> for Record {
    fn from(LinkRecord { kind, version, payload }: LinkRecord) -> Self {
        Self { kind, version, payload }
    }
}
