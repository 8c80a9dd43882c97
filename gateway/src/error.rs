//! What can go wrong in a gateway: serving as such, and one request. How a door words an error is its own matter.

use std::net::SocketAddr;

use command_log::error::chain;
use log_schema::Offset;

use crate::hub::{ask, cursor};

/// A gateway could not be started, or ended.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The address can be reached from other machines.
    #[error(
        "{listen} is not a loopback address, and this gateway has neither TLS nor authentication; \
         listen on 127.0.0.1 or [::1] and bring others in through a tunnel, such as ssh -L"
    )]
    NotLoopback { listen: SocketAddr },
    /// The address is taken or not this machine's.
    #[error("could not listen on {listen}")]
    Listen { listen: SocketAddr, source: std::io::Error },
    /// The projections could not be opened.
    #[error("could not open the projections")]
    Projections { source: projector::Error },
    /// The log said no.
    #[error("could not read the log")]
    Log { source: command_log::Error },
    /// The projections are of another log, or of one that lost its end.
    #[error(
        "the projections in {dir} were last folded from a decision at offset {folded} that the log does not have: the \
         log has lost its end, or they are of another log"
    )]
    ForeignProjections { dir: String, folded: Offset },
    /// The threads that requests run on could not be started.
    #[error("could not start the threads for queries")]
    Threads { source: std::io::Error },
}

impl Error {
    /// What a person can do about it, where there is something; and what it does not bring back.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ForeignProjections { folded, .. } => Some(format!(
                "restore a copy of the log that reaches offset {folded}. Only if the projections are of another log, move \
                 them away to have them built again: that brings back nothing that the log has lost"
            )),
            Self::Log { source } => source.hint().map(Into::into),
            Self::NotLoopback { .. } | Self::Listen { .. } | Self::Threads { .. } | Self::Projections { .. } => None,
        }
    }

    /// A stable name for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotLoopback { .. } => "not_loopback",
            Self::Listen { .. } => "listen",
            Self::Projections { .. } => "projections",
            Self::Log { .. } => "log",
            Self::ForeignProjections { .. } => "foreign_projections",
            Self::Threads { .. } => "threads",
        }
    }
}

/// A request has no answer. Refusals of the cell are not among these: they are data.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum RequestError {
    /// Input that cannot be a command or a query.
    #[error("{field}: {why}")]
    BadInput { field: &'static str, why: String },
    /// A bound on input.
    #[error("{field} is {value}, and may be {min} to {max}")]
    OutOfRange { field: &'static str, value: i64, min: i64, max: i64 },
    /// Whether the command will have an effect is not known.
    #[error("{why}; retry with the same key {key}")]
    Unknown { why: String, key: String, offset: Option<Offset> },
    /// The command is not in the log.
    #[error("the command was not appended: {why}")]
    NotAppended { why: String, code: &'static str },
    /// The gateway follows the log no further.
    #[error("the gateway reads no further: {why}")]
    Halted { why: String },
    /// The request would take or give too much.
    #[error("{why}")]
    TooLarge { why: String },
    /// More is asked for at once than the gateway bears.
    #[error("{why}")]
    Busy { why: String },
    /// The gateway has not read yet what the log held when it began, or reads it again.
    #[error("the gateway is reading the log: {percent} %; ask again in a moment")]
    Reading { percent: u64 },
    /// What is asked for is not there yet.
    #[error("offset {asked} is not reached yet; the newest is {newest}")]
    Ahead { asked: Offset, newest: Offset },
    /// What is asked for is not kept any more.
    #[error("{why}")]
    Trimmed { why: String },
    /// The projections could not be read.
    #[error("the projections cannot be read: {why}")]
    Projections { why: String, code: &'static str },
    /// The log could not be read.
    #[error("the log cannot be read: {why}")]
    Log { why: String },
    /// A page or query is about nothing that exists.
    #[error("there is no {what} {id}")]
    NotFound { what: &'static str, id: String },
    /// There is no such output, for this reason.
    #[error("{why}")]
    Elsewhere { why: String },
    /// The caller may not ask for this.
    #[error("{why}")]
    Forbidden { why: String },
    /// The agent is not connected to this gateway, or said no.
    #[error("{why}")]
    Agent { why: String },
}

impl RequestError {
    /// The name of the error in `extensions.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadInput { .. } => "BAD_INPUT",
            Self::OutOfRange { .. } => "OUT_OF_RANGE",
            Self::Unknown { .. } => "UNKNOWN",
            Self::NotAppended { .. } => "NOT_APPENDED",
            Self::Halted { .. } => "HALTED",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::Busy { .. } => "BUSY",
            Self::Reading { .. } => "READING_LOG",
            Self::Ahead { .. } => "AHEAD",
            Self::Trimmed { .. } => "TRIMMED",
            Self::Projections { .. } => "PROJECTIONS",
            Self::Log { .. } => "LOG",
            Self::NotFound { .. } | Self::Elsewhere { .. } => "NOT_FOUND",
            Self::Forbidden { .. } => "FORBIDDEN",
            Self::Agent { .. } => "AGENT_UNAVAILABLE",
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unknown { .. }
            | Self::Busy { .. }
            | Self::Reading { .. }
            | Self::Ahead { .. }
            | Self::Log { .. }
            | Self::Agent { .. } => true,
            Self::BadInput { .. }
            | Self::OutOfRange { .. }
            | Self::NotAppended { .. }
            | Self::Halted { .. }
            | Self::TooLarge { .. }
            | Self::Trimmed { .. }
            | Self::Projections { .. }
            | Self::NotFound { .. }
            | Self::Elsewhere { .. }
            | Self::Forbidden { .. } => false,
        }
    }

    /// A filter names a thing that does not exist at the moment that is read.
    pub(crate) fn unknown(what: &'static str, id: impl std::fmt::Display, as_of: Offset) -> Self {
        Self::NotFound { what, id: format!("{id} as of offset {as_of}") }
    }

    /// Input whose text is wrong.
    pub(crate) fn bad(field: &'static str, why: &dyn std::error::Error) -> Self {
        Self::BadInput { field, why: chain(why) }
    }

    /// What became of a command that has no answer.
    pub(crate) fn of_ask(error: &ask::Error, key: &str) -> Self {
        let unknown = |offset| Self::Unknown { why: chain(error), key: key.into(), offset };
        match error {
            ask::Error::Rejected { source } => Self::NotAppended { why: chain(source), code: source.code() },
            ask::Error::AppendUnknown { .. } => unknown(None),
            ask::Error::Undecided { at, .. } => unknown(Some(*at)),
            ask::Error::Halted { why } => Self::Halted { why: why.clone() },
        }
    }
}

impl From<projector::Error> for RequestError {
    fn from(error: projector::Error) -> Self {
        match error {
            projector::Error::Ahead { asked, newest } => Self::Ahead { asked, newest },
            projector::Error::Trimmed { .. } | projector::Error::TrimmedTime { .. } => {
                Self::Trimmed { why: format!("{error}: what is older was dropped, as --history of the gateway says") }
            }
            // The fold is told of damage, and builds the rows again.
            damaged if damaged.is_damage() => Self::Reading { percent: 0 },
            other => Self::Projections { why: chain(&other), code: other.code() },
        }
    }
}

impl From<cursor::Error> for RequestError {
    fn from(error: cursor::Error) -> Self {
        match &error {
            cursor::Error::NotADecision { .. } => Self::BadInput { field: "since", why: chain(&error) },
            cursor::Error::Halted | cursor::Error::Halt(_) => Self::Halted { why: chain(&error) },
            cursor::Error::Log(command_log::Error::BelowLow { from, low }) => Self::Trimmed {
                why: format!(
                    "events from offset {from} on are not kept any more: the log begins at offset {low}; begin there or \
                     later, or with since: \"now\""
                ),
            },
            cursor::Error::Log(_) => Self::Log { why: chain(&error) },
        }
    }
}
