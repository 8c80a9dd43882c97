//! Operations over one WebSocket, by the protocol `graphql-transport-ws`.
//!
//! One task reads, one writes, and one runs each operation. Between operations and writer lies one
//! bounded queue that serves its senders in turn: an operation with much to say delays the others of
//! its socket by a turn at most, and a client that does not read stops its own operations only.

mod operation;
pub mod protocol;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use axum_tungstenite::{Error as Frame, error::ProtocolError};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use self::{
    operation::Operations,
    protocol::{Close, FromClient, ToClient},
};
use super::{Door, guard};
use crate::{
    identity::Caller,
    metrics::Held,
    transport_ws::{SILENCE_MAX, SUBPROTOCOL},
};

/// The largest message of a client, in bytes.
pub const MESSAGE_BYTES_MAX: usize = guard::BODY_BYTES_MAX;
/// The most sockets at a time.
pub const SOCKETS_MAX: u64 = 1024;
/// How many messages may wait to be written on one socket.
pub const QUEUE_MAX: usize = 16;
/// How long a client may take to say `connection_init`.
pub const INIT_WAIT: Duration = Duration::from_secs(3);
/// How often a silent socket is pinged.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long a client may take to read the close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Upgrades a request to a socket, if it may have one.
pub(crate) async fn upgrade(State(door): State<Arc<Door>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let Some(held) = door.desk.metrics.sockets.take(SOCKETS_MAX) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sockets are open; try again later\n").into_response();
    };
    let upgrade =
        upgrade.protocols([SUBPROTOCOL]).max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    let is_spoken = upgrade.selected_protocol().is_some();
    let caller = Caller::of_headers(&headers);
    upgrade.on_upgrade(move |socket| async move {
        match caller {
            _ if !is_spoken => refuse(socket, protocol::SUBPROTOCOL_UNKNOWN).await,
            Ok(caller) => serve(door, socket, caller, held).await,
            Err(_) => refuse(socket, protocol::BAD_PRINCIPAL).await,
        }
    })
}

async fn refuse(mut socket: WebSocket, close: Close) {
    let parting = async {
        let _ = socket.send(frame(close)).await;
        while let Some(Ok(_)) = socket.recv().await {}
    };
    let _ = timeout(CLOSE_WAIT, parting).await;
}

/// Serves a socket to its end.
async fn serve(door: Arc<Door>, socket: WebSocket, caller: Caller, _held: Held) {
    let (sink, mut stream) = socket.split();
    let (queue, to_write) = mpsc::channel(QUEUE_MAX);
    let (close, closing) = oneshot::channel();
    let mut writer = tokio::spawn(write(sink, to_write, closing));
    let mut session =
        Session { operations: Operations::new(Arc::clone(&door), queue.clone()), queue, caller, is_acked: false };
    let end = tokio::select! {
        end = session.read(&mut stream) => end,
        () = door.desk.shutdown.clone().over() => End::Close(protocol::GOING_AWAY),
        _ = &mut writer => return,
    };
    // A gateway that ends waits for those who hold it, and not for its clients.
    drop((session, door));
    // Reading on sends the echo of a client's close frame, and takes the echo of ours.
    let parting = async {
        if let End::Close(end) = end {
            let _ = close.send(end);
            let _ = (&mut writer).await;
        }
        while let Some(Ok(_)) = stream.next().await {}
    };
    if !matches!(end, End::Gone) {
        let _ = timeout(CLOSE_WAIT, parting).await;
    }
    writer.abort();
}

/// How a socket ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The gateway closes it.
    Close(Close),
    /// The client closed it, and waits for the echo.
    Closed,
    /// The client is gone.
    Gone,
}

impl End {
    /// What a client hears whose frames cannot be read.
    fn of_error(error: axum::Error) -> Self {
        let Ok(error) = error.into_inner().downcast::<axum_tungstenite::Error>() else { return Self::Gone };
        match *error {
            Frame::Capacity(_) => Self::Close(protocol::TOO_LARGE),
            Frame::Utf8(_) => Self::Close(protocol::BAD_TEXT),
            Frame::Protocol(
                ProtocolError::ResetWithoutClosingHandshake
                | ProtocolError::SendAfterClosing
                | ProtocolError::ReceivedAfterClosing,
            )
            | Frame::ConnectionClosed
            | Frame::AlreadyClosed
            | Frame::Io(_)
            | Frame::Tls(_)
            | Frame::WriteBufferFull(_)
            | Frame::AttackAttempt
            | Frame::Url(_)
            | Frame::Http(_)
            | Frame::HttpFormat(_) => Self::Gone,
            Frame::Protocol(_) => Self::Close(protocol::BAD_FRAME),
        }
    }
}

/// Writes what is queued, pings, and closes when told to: what waits in the queue then is dropped.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<String>,
    mut closing: oneshot::Receiver<Close>,
) {
    let mut ping = tokio::time::interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    loop {
        let message = tokio::select! {
            biased;
            close = &mut closing => match close {
                Ok(close) => frame(close),
                Err(_) => return,
            },
            Some(text) = queue.recv() => Message::Text(text.into()),
            _ = ping.tick() => Message::Ping(bytes::Bytes::new()),
        };
        let is_last = matches!(message, Message::Close(_));
        if sink.send(message).await.is_err() || is_last {
            return;
        }
    }
}

fn frame(close: Close) -> Message {
    Message::Close(Some(CloseFrame { code: close.code, reason: Utf8Bytes::from_static(close.reason) }))
}

/// The reading half of a socket.
struct Session {
    operations: Operations,
    queue: mpsc::Sender<String>,
    caller: Caller,
    is_acked: bool,
}

impl Session {
    /// Reads until the socket is to be closed.
    async fn read(&mut self, stream: &mut SplitStream<WebSocket>) -> End {
        let init_until = Instant::now() + INIT_WAIT;
        loop {
            let until = if self.is_acked { Instant::now() + SILENCE_MAX } else { init_until };
            let message = match tokio::time::timeout_at(until, stream.next()).await {
                Err(_) if self.is_acked => return End::Close(protocol::SILENT),
                Err(_) => return End::Close(protocol::INIT_TIMEOUT),
                Ok(None) => return End::Gone,
                Ok(Some(Err(error))) => return End::of_error(error),
                Ok(Some(Ok(message))) => message,
            };
            let taken = match message {
                Message::Text(text) => self.take(&text).await,
                Message::Binary(_) => Err(protocol::BINARY),
                Message::Ping(_) | Message::Pong(_) => Ok(()),
                Message::Close(_) => return End::Closed,
            };
            if let Err(close) = taken {
                return End::Close(close);
            }
        }
    }

    async fn take(&mut self, text: &str) -> Result<(), Close> {
        match serde_json::from_str(text).map_err(|_| protocol::MALFORMED)? {
            FromClient::ConnectionInit { .. } if self.is_acked => Err(protocol::TOO_MANY_INITS),
            FromClient::ConnectionInit { payload } => self.init(payload.as_ref()).await,
            FromClient::Ping {} => self.send(&ToClient::Pong {}).await,
            FromClient::Pong {} => Ok(()),
            FromClient::Subscribe { .. } if !self.is_acked => Err(protocol::UNAUTHORIZED),
            FromClient::Subscribe { id, .. } if id.is_empty() => Err(protocol::MALFORMED),
            FromClient::Subscribe { id, payload } => self.operations.start(id, *payload, &self.caller).await,
            FromClient::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
        }
    }

    async fn init(&mut self, payload: Option<&serde_json::Value>) -> Result<(), Close> {
        if payload.is_some_and(|payload| !payload.is_object() && !payload.is_null()) {
            return Err(protocol::BAD_PAYLOAD);
        }
        if let Some(caller) = Caller::of_payload(payload).map_err(|_| protocol::BAD_PRINCIPAL)? {
            self.caller = caller;
        }
        self.is_acked = true;
        self.send(&ToClient::ConnectionAck {}).await
    }

    async fn send(&self, message: &ToClient<'_>) -> Result<(), Close> {
        // Where the writer is gone, the socket is: reading ends by itself.
        let _ = self.queue.send(message.to_text()).await;
        Ok(())
    }
}
