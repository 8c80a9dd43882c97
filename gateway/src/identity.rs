//! Who is calling. Nothing is proved yet: whoever reaches a loopback gateway is believed.

use axum::http::HeaderMap;
use log_schema::{AgentId, Principal, id};
use serde_json::Value;

/// The header that names the caller.
pub const PRINCIPAL_HEADER: &str = "x-quipu-principal";
/// Who a caller is that does not say so.
pub const ANONYMOUS: &str = "anonymous";

/// How the names begin under which agents write. No client may use one: what an agent said is what it said itself.
pub const AGENT_PRINCIPAL_PREFIX: &str = "agent:";
/// How the names begin under which leaders write.
pub const LEADER_PRINCIPAL_PREFIX: &str = "allocator-";

/// Text names no caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{PRINCIPAL_HEADER} is not a legal name: {0}")]
    Illegal(#[from] id::Error),
    #[error("{PRINCIPAL_HEADER} is given twice")]
    Twice,
    #[error("{PRINCIPAL_HEADER} is not text")]
    NoText,
    /// A name of the cell's own parts.
    #[error(
        "no client may be called {name:?}: names that begin with {prefix:?} are the cell's own; choose another principal"
    )]
    Reserved { name: String, prefix: &'static str },
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Under this name commands are appended.
    pub(crate) principal: Principal,
    pub(crate) speaker: Speaker,
}

/// What a caller is, by the door that it came in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// A person or a program.
    Client,
    /// An agent on its link.
    Agent(AgentId),
}

impl Caller {
    /// The caller that the headers name.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let mut named = headers.get_all(PRINCIPAL_HEADER).iter();
        match (named.next(), named.next()) {
            (None, _) => Self::named(ANONYMOUS),
            (Some(name), None) => Self::named(&String::from_utf8_lossy(name.as_bytes())),
            (Some(_), Some(_)) => Err(Error::Twice),
        }
    }

    /// The caller that the payload of `connection_init` names: browsers cannot set headers on sockets.
    ///
    /// A name that is no text is an error: whoever sends one believes that they are known by it.
    pub(crate) fn of_payload(payload: Option<&Value>) -> Result<Option<Self>, Error> {
        match payload {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(payload)) => match payload.get(PRINCIPAL_HEADER) {
                None => Ok(None),
                Some(Value::String(name)) => Self::named(name).map(Some),
                Some(_) => Err(Error::NoText),
            },
            Some(_) => Err(Error::NoText),
        }
    }

    /// An agent on its link, writing under a name.
    pub(crate) fn agent(agent: &AgentId, principal: Principal) -> Self {
        Self { principal, speaker: Speaker::Agent(agent.clone()) }
    }

    fn named(name: &str) -> Result<Self, Error> {
        let reserved =
            [AGENT_PRINCIPAL_PREFIX, LEADER_PRINCIPAL_PREFIX].into_iter().find(|prefix| name.starts_with(prefix));
        match reserved {
            Some(prefix) => Err(Error::Reserved { name: name.to_owned(), prefix }),
            None => Ok(Self { principal: Principal::new(name)?, speaker: Speaker::Client }),
        }
    }
}
