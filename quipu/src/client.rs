//! The client of a gateway: where it is, questions and commands over HTTP, streams over a WebSocket.
//!
//! Knows the protocol and its failures; knows nothing of commands or of how answers are shown.

pub(crate) mod address;
pub(crate) mod graphql;
mod reading;
pub(crate) mod socket;

pub(crate) use address::Address;
pub(crate) use graphql::{Answer, Client, Page};

use crate::exit::Code;

/// The gateway did not do what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub(crate) enum Error {
    /// The address is not one.
    #[error("{url:?} is not the address of a gateway ({origin}): {why}")]
    BadAddress { url: String, origin: String, why: &'static str },
    /// A directory without a running cell.
    #[error("no cell runs in {dir}")]
    NoCell { dir: String, remedy: String },
    /// Nobody listens there.
    #[error("no gateway answers at {url} ({cause})")]
    Unreachable { url: String, origin: String, remedy: String, cause: String },
    /// Somebody listens there who is no gateway.
    #[error("{url} does not answer like a gateway: {what}")]
    NotAGateway { url: String, what: String },
    /// The gateway went away in the middle.
    #[error("the gateway at {url} went away, and did not come back within {waited}")]
    Away { url: String, waited: String },
    /// The gateway has not read the log yet.
    #[error("the gateway is reading the log: {percent} %")]
    Reading { percent: u64 },
    /// The gateway reads the log, and does not move on.
    #[error("the gateway has not read the log yet: it is at {percent} %, and has not moved on within {waited}")]
    Stalled { percent: u64, waited: String },
    /// A command was sent, and nobody knows what became of it.
    #[error("it is unknown whether the command took effect: {why}")]
    OutcomeUnknown { why: String, key: String },
    /// The request has no answer.
    #[error("{message}")]
    Request { code: Option<String>, message: String },
    /// The cell said no.
    #[error("refused by the cell: {message} ({code}, number {number})")]
    Refused { number: u64, code: String, message: String },
}

impl Error {
    /// The name of an error of GraphQL.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Request { code, .. } => code.as_deref(),
            Self::BadAddress { .. }
            | Self::NoCell { .. }
            | Self::Unreachable { .. }
            | Self::NotAGateway { .. }
            | Self::Away { .. }
            | Self::Reading { .. }
            | Self::Stalled { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Refused { .. } => None,
        }
    }

    /// The same error of a command that is repeated under another key than its own.
    pub(crate) fn under_key(self, file_key: &str) -> Self {
        match self {
            Self::OutcomeUnknown { why, .. } => Self::OutcomeUnknown { why, key: file_key.into() },
            other => other,
        }
    }

    /// How the program ends.
    pub(crate) fn exit_code(&self) -> Code {
        match self {
            Self::BadAddress { .. } => Code::Usage,
            Self::NoCell { .. } | Self::Unreachable { .. } | Self::NotAGateway { .. } | Self::Away { .. } => {
                Code::Unreachable
            }
            Self::Reading { .. } | Self::Stalled { .. } | Self::OutcomeUnknown { .. } => Code::Unknown,
            Self::Refused { .. } => Code::Refused,
            Self::Request { code, .. } => match code.as_deref() {
                Some("BAD_INPUT" | "OUT_OF_RANGE" | "AHEAD") => Code::Usage,
                Some("UNKNOWN") => Code::Unknown,
                _ => Code::Failed,
            },
        }
    }

    /// What a person can do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::BadAddress { .. } => Some("an address looks like http://127.0.0.1:7070".into()),
            Self::NoCell { remedy, .. } => Some(remedy.clone()),
            Self::Unreachable { remedy, origin, .. } => {
                Some(format!("{remedy}, or name another gateway with --gateway ({origin})"))
            }
            Self::NotAGateway { .. } => Some("name the gateway with --gateway or QUIPU_GATEWAY".into()),
            Self::Away { .. } => Some("what runs in the cell goes on; ask again when a gateway is back".into()),
            Self::Reading { .. } | Self::Stalled { .. } => {
                Some("nothing was asked for yet; ask again later, and look at the gateway's own output".into())
            }
            Self::OutcomeUnknown { key, .. } => {
                Some(format!("repeat it with `--key {key}`: it will then have its effect once, not twice"))
            }
            Self::Request { code, .. } => of_request(code.as_deref()).map(Into::into),
            Self::Refused { code, .. } => of_refusal(code).map(Into::into),
        }
    }
}

fn of_request(code: Option<&str>) -> Option<&'static str> {
    match code? {
        "AHEAD" => Some("name an offset that was decided; `quipu cell` tells the newest"),
        "TRIMMED" => Some("history is kept for a limited time; `quipu cell` tells from which offset on"),
        "NOT_FOUND" => Some("`quipu jobs --all`, `quipu ps --all` and `quipu agents` list what exists"),
        "HALTED" => Some("the gateway stopped reading the log; its own output says why, and a person must look"),
        "AGENT_UNAVAILABLE" => Some(
            "output is kept by the agent and read through a gateway that it is connected to: \
             `quipu agents` tells whether that is this one, and --gateway names another",
        ),
        "NOT_APPENDED" => Some("the command is not in the log and had no effect"),
        _ => None,
    }
}

fn of_refusal(code: &str) -> Option<&'static str> {
    match code {
        "JobExists" => Some("choose another name; a job that has ended keeps its name for some time"),
        "JobUnknown" | "JobEnded" => Some("`quipu jobs` lists the jobs"),
        "TaskUnknown" | "TaskEnded" => Some("`quipu ps --all` lists the tasks"),
        "AgentUnknown" => Some("`quipu agents` lists the agents"),
        "FrameworkUnknown" => Some("`quipu frameworks` lists the frameworks"),
        "KeyReused" => Some("use another key, or none: one is then picked"),
        _ => None,
    }
}
