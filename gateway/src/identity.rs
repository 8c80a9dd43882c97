//! Who is calling. Nothing is proved yet: whoever reaches a loopback gateway is believed.

use axum::http::HeaderMap;
use log_schema::{Principal, id};

/// The header that names the caller.
pub const PRINCIPAL_HEADER: &str = "x-quipu-principal";
/// Who a caller is that does not say so.
pub const ANONYMOUS: &str = "anonymous";

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Under this name commands are appended.
    pub(crate) principal: Principal,
}

impl Caller {
    /// The caller that the headers name.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Self, id::Error> {
        let named = headers.get(PRINCIPAL_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Self::named(named.as_deref().unwrap_or(ANONYMOUS))
    }

    /// The caller that the payload of `connection_init` names: browsers cannot set headers on sockets.
    pub(crate) fn of_payload(payload: Option<&serde_json::Value>) -> Result<Option<Self>, id::Error> {
        let named = payload.and_then(|payload| payload.get(PRINCIPAL_HEADER)).and_then(|name| name.as_str());
        named.map(Self::named).transpose()
    }

    fn named(name: &str) -> Result<Self, id::Error> {
        Principal::new(name).map(|principal| Self { principal })
    }
}
