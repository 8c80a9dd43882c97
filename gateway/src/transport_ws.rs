//! What both ends of `graphql-transport-ws` have to agree on: the door that serves it, and a gateway that asks another.

use std::time::Duration;

/// The name of the protocol in the handshake.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
/// After how much silence a peer is taken for gone. A silent gateway pings well within it.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
