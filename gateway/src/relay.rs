//! Output of a task whose agent is connected to another gateway: that one is asked, as any client would.
//!
//! It asks one gateway and no further: the question says so. It asks on this machine only: gateways
//! listen on loopback, and an address that came by telemetry has no authority.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use command_log::{remote::protocol::Stream as OutputStream, telemetry::Sample};
use futures_util::{SinkExt, Stream, StreamExt, stream};
use log_schema::{AgentId, Incarnation, TaskId};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    error::RequestError,
    output::{Piece, Start, Wanted},
    transport_ws::{SILENCE_MAX, SUBPROTOCOL},
};

/// How long another gateway may take to take a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
const SCHEME: &str = "http://";
const DOCUMENT: &str = "
subscription Relay(
  $task: String!, $stream: OutputStream!, $incarnation: U64, $fromByte: Bytes, $tailLines: Int, $follow: Boolean!,
  $gateway: String!
) {
  taskLog(
    task: $task, stream: $stream, incarnation: $incarnation, fromByte: $fromByte, tailLines: $tailLines, follow: $follow
    gateway: $gateway
  ) { offset nextOffset bytes incarnation end }
}";

/// Another gateway, to which an agent was connected when it was last heard of.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    agent: AgentId,
    address: SocketAddr,
    /// By which it is known from another one that listens there by now.
    name: String,
}

/// Says where a gateway listens and which it is, for the samples of the agents that are connected to it.
pub(crate) fn own_url(address: SocketAddr, name: &str) -> String {
    format!("{SCHEME}{address}#{name}")
}

impl Peer {
    /// The gateway that sent a sample of this agent, if it is another one and on this machine.
    pub(crate) fn of(own_name: &str, agent: &AgentId, sample: &Sample) -> Option<Self> {
        let (address, name) = sample.gateway.as_deref()?.strip_prefix(SCHEME)?.split_once('#')?;
        let address: SocketAddr = address.parse().ok()?;
        let is_other = address.ip().is_loopback() && name != own_name;
        is_other.then(|| Self { agent: agent.clone(), address, name: name.to_owned() })
    }

    /// Asks for output of a run; pieces come as the other gateway gives them.
    pub(crate) async fn ask(
        self,
        task: &TaskId,
        incarnation: Incarnation,
        wanted: Wanted,
    ) -> Result<impl Stream<Item = Result<Piece, RequestError>> + use<>, RequestError> {
        let connected = timeout(CONNECT_WAIT, self.subscribe(variables(task, incarnation, wanted))).await;
        let connection = connected.map_err(|_| self.failed("did not answer in time"))?;
        let connection = connection.map_err(|error| self.failed(&format!("cannot be asked: {error}")))?;
        Ok(stream::unfold(Some((self, connection)), |asked| async move {
            let (peer, mut connection) = asked?;
            match peer.next(&mut connection).await {
                Ok(Some(piece)) => Some((Ok(piece), Some((peer, connection)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    async fn subscribe(&self, mut variables: Value) -> Result<Connection, tungstenite::Error> {
        variables["gateway"] = json!(self.name);
        let mut request = format!("ws://{}/graphql", self.address).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let (mut connection, _) = connect_async_with_config(request, None, true).await?;
        connection.send(text(&json!({ "type": "connection_init" }))).await?;
        // What is said before the acknowledgement would be refused.
        connection.next().await.ok_or(tungstenite::Error::ConnectionClosed)??;
        let payload = json!({ "query": DOCUMENT, "variables": variables });
        connection.send(text(&json!({ "type": "subscribe", "id": "1", "payload": payload }))).await?;
        Ok(connection)
    }

    /// The next piece; `None`: there is no more.
    async fn next(&self, connection: &mut Connection) -> Result<Option<Piece>, RequestError> {
        loop {
            let heard = timeout(SILENCE_MAX, connection.next()).await;
            let Ok(Some(Ok(frame))) = heard else { return Err(self.failed("went away")) };
            let Message::Text(text) = frame else { continue };
            let mut message: Value = serde_json::from_str(&text).unwrap_or_default();
            match message["type"].as_str() {
                Some("next") => return self.piece(&mut message["payload"]).map(Some),
                Some("error") => return Err(self.refused(&message["payload"][0])),
                Some("complete") => return Ok(None),
                _ => {}
            }
        }
    }

    fn piece(&self, payload: &mut Value) -> Result<Piece, RequestError> {
        if let Some(error) = payload["errors"].get(0) {
            return Err(self.refused(error));
        }
        let piece = payload["data"]["taskLog"].take();
        let output = piece["bytes"].as_str().and_then(|bytes| BASE64.decode(bytes).ok());
        let output = output.ok_or_else(|| self.failed("gave no output"))?;
        let number = |name: &str| whole_number(&piece[name]).ok_or_else(|| self.failed("gave no output"));
        Ok(Piece {
            offset: number("offset")?,
            next_offset: number("nextOffset")?,
            output: output.into(),
            incarnation: Incarnation(number("incarnation")?),
            end: piece["end"] == json!(true),
        })
    }

    fn refused(&self, error: &Value) -> RequestError {
        let message = error["message"].as_str().unwrap_or_default();
        match error["extensions"]["code"].as_str() {
            Some("NOT_FOUND") => RequestError::Elsewhere { why: message.into() },
            _ => self.failed(&format!("said: {message}")),
        }
    }

    fn failed(&self, what: &str) -> RequestError {
        let Self { agent, address, .. } = self;
        RequestError::Agent {
            why: format!("agent {agent} was last heard of by the gateway at {address}, which {what}"),
        }
    }
}

/// The variables of `taskLog`.
fn variables(task: &TaskId, incarnation: Incarnation, Wanted { stream, from, follow }: Wanted) -> Value {
    let stream = match stream {
        OutputStream::Stdout => "STDOUT",
        OutputStream::Stderr => "STDERR",
    };
    let (from_byte, tail_lines) = match from {
        Start::Byte(byte) => (Some(byte.to_string()), None),
        Start::LastLines(lines) => (None, Some(lines)),
    };
    json!({
        "task": task, "stream": stream, "incarnation": incarnation.0.to_string(),
        "fromByte": from_byte, "tailLines": tail_lines, "follow": follow,
    })
}

type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn text(message: &Value) -> Message {
    Message::text(message.to_string())
}

/// A 64-bit number, which is text where it may be large.
fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
