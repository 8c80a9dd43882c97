//! Who is calling. Nothing is proved yet: whoever reaches a loopback gateway is believed.

use axum::http::HeaderMap;
use log_schema::{Principal, id};

/// The header that names the caller.
pub const PRINCIPAL_HEADER: &str = "x-quipu-principal";
/// Who a caller is that does not say so.
pub const ANONYMOUS: &str = "anonymous";

/// How the names begin under which agents write. No client may use one: what an agent said is what it said itself.
pub const AGENT_PRINCIPAL_PREFIX: &str = "agent:";
/// How the names begin under which leaders write.
pub const LEADER_PRINCIPAL_PREFIX: &str = "allocator-";

/// A name under which nobody can send requests.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not a name.
    #[error(transparent)]
    Id(#[from] id::Error),
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
}

impl Caller {
    /// The caller that the headers name.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let named = headers.get(PRINCIPAL_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Self::named(named.as_deref().unwrap_or(ANONYMOUS))
    }

    /// The caller that the payload of `connection_init` names: browsers cannot set headers on sockets.
    pub(crate) fn of_payload(payload: Option<&serde_json::Value>) -> Result<Option<Self>, Error> {
        let named = payload.and_then(|payload| payload.get(PRINCIPAL_HEADER)).and_then(|name| name.as_str());
        named.map(Self::named).transpose()
    }

    fn named(name: &str) -> Result<Self, Error> {
        let reserved =
            [AGENT_PRINCIPAL_PREFIX, LEADER_PRINCIPAL_PREFIX].into_iter().find(|prefix| name.starts_with(prefix));
        match reserved {
            Some(prefix) => Err(Error::Reserved { name: name.to_owned(), prefix }),
            None => Ok(Self { principal: Principal::new(name)? }),
        }
    }
}
