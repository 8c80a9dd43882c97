//! The messages of `graphql-transport-ws` and the codes that a socket is closed with.

use async_graphql::{Request, Response, ServerError};
use serde::{Deserialize, Serialize};

/// Why the gateway closes a socket: the code and the reason of the close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: &'static str,
}

/// The gateway is going away.
pub const GOING_AWAY: Close = Close { code: 1001, reason: "The gateway is shutting down" };
/// What a socket's client sent is no WebSocket.
pub const BAD_FRAME: Close = Close { code: 1002, reason: "A frame breaks the WebSocket protocol" };
/// A text frame that is not UTF-8.
pub const BAD_TEXT: Close = Close { code: 1007, reason: "A text frame is not UTF-8" };
/// A message that is longer than the gateway takes.
pub const TOO_LARGE: Close = Close { code: 1009, reason: "A message has at most 65536 bytes" };
/// A frame that the protocol does not use.
pub const BINARY: Close = Close { code: 4400, reason: "Messages are JSON in text frames" };
/// A text frame that is no message of the protocol.
pub const MALFORMED: Close = Close { code: 4400, reason: "Invalid message received" };
/// An identity that cannot be one.
pub const BAD_PRINCIPAL: Close = Close { code: 4400, reason: "The principal is not legal" };
/// A payload of `connection_init` that is none.
pub const BAD_PAYLOAD: Close = Close { code: 4400, reason: "The payload of connection_init is a JSON object" };
/// `subscribe` before `connection_ack`.
pub const UNAUTHORIZED: Close = Close { code: 4401, reason: "Unauthorized" };
/// No subprotocol that the gateway speaks.
pub const SUBPROTOCOL_UNKNOWN: Close = Close { code: 4406, reason: "Subprotocol not acceptable" };
/// No `connection_init` in time.
pub const INIT_TIMEOUT: Close = Close { code: 4408, reason: "Connection initialisation timeout" };
/// Nothing came for too long, not even the answer to a ping.
pub const SILENT: Close = Close { code: 4408, reason: "Nothing was heard for too long" };
/// The id of a running operation.
pub const DUPLICATE: Close = Close { code: 4409, reason: "Subscriber for this id already exists" };
/// A second `connection_init`.
pub const TOO_MANY_INITS: Close = Close { code: 4429, reason: "Too many initialisation requests" };

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromClient {
    ConnectionInit {
        #[serde(default)]
        payload: Option<serde_json::Value>,
    },
    Ping {},
    Pong {},
    Subscribe {
        id: String,
        payload: Box<Request>,
    },
    Complete {
        id: String,
    },
}

/// What the gateway sends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToClient<'a> {
    ConnectionAck {},
    Pong {},
    Next { id: &'a str, payload: &'a Response },
    Error { id: &'a str, payload: &'a [ServerError] },
    Complete { id: &'a str },
}

impl ToClient<'_> {
    /// The message as it goes over the socket.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("what GraphQL answers can be written as JSON")
    }
}
