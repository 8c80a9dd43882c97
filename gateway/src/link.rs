//! The gateway's end of the agents' link: one WebSocket for each agent.
//!
//! Five things share the socket's one bounded queue: the filtered log, answers to appends, watermarks,
//! requests for output, and the close frame. Each has its own task, so that a slow append holds up no
//! decision. The gateway tells an agent nothing that is not in the log.

mod append;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        Query, State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use command_log::remote::protocol::{self, FromAgent, FromGateway};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use log_schema::{AgentId, AgentIdentity};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    desk::Desk,
    origin,
    registry::{self, Connection, Number, Refused},
};

/// How many messages may wait to be written on one link.
pub const QUEUE_MAX: usize = 64;
/// How many appends of one agent may wait for the one before.
pub const APPENDS_MAX: usize = 16;
/// The most links at a time.
pub const LINKS_MAX: usize = 100_000;
/// Close code: the gateway is going away.
pub const CLOSE_GOING_AWAY: u16 = 1001;
/// Close code: the gateway cannot serve the agent now; later it may.
pub const CLOSE_TRY_AGAIN: u16 = 1013;
/// The longest reason in a close frame, in bytes: the protocol's 125 less the code.
const CLOSE_REASON_BYTES_MAX: usize = 123;
/// How long an agent may take to read the close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Why a link ends: the code and the reason of the close frame. `None`: the agent is gone.
pub(crate) type End = Option<(u16, String)>;

/// Upgrades a request to a link.
pub(crate) async fn upgrade(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Query(query): Query<protocol::Query>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Err(why) = origin::check(&headers) {
        return (StatusCode::FORBIDDEN, format!("{why}\n")).into_response();
    }
    let bytes_max = protocol::MESSAGE_BYTES_MAX;
    let upgrade = upgrade.max_message_size(bytes_max).max_frame_size(bytes_max);
    upgrade.on_upgrade(move |socket| serve(desk, socket, query))
}

/// Serves a link to its end.
async fn serve(desk: Arc<Desk>, socket: WebSocket, query: protocol::Query) {
    let agent = query.agent.clone();
    let (sink, stream) = socket.split();
    let (queue, to_write) = mpsc::channel(QUEUE_MAX);
    let (close, closing) = oneshot::channel();
    let writer = tokio::spawn(write(sink, to_write, closing));
    let end = run(&desk, stream, query, queue).await;
    tracing::debug!(%agent, ?end, "a link has ended");
    let Some(end) = end else { return writer.abort() };
    let _ = close.send(end);
    let aborter = writer.abort_handle();
    if timeout(CLOSE_WAIT, writer).await.is_err() {
        aborter.abort();
    }
}

async fn run(
    desk: &Arc<Desk>,
    stream: SplitStream<WebSocket>,
    query: protocol::Query,
    queue: mpsc::Sender<FromGateway>,
) -> End {
    if query.version != protocol::VERSION {
        let why = format!("this gateway speaks version {}", protocol::VERSION);
        return Some((protocol::CLOSE_VERSION, why));
    }
    if query.run > protocol::RUN_MAX || query.connection > protocol::RUN_MAX {
        let why = format!("run and connection are counts of at most {}", protocol::RUN_MAX);
        return Some((protocol::CLOSE_MALFORMED, why));
    }
    if desk.agents.count() >= LINKS_MAX {
        return Some((CLOSE_TRY_AGAIN, "too many agents are connected".into()));
    }
    tokio::select! {
        end = exchange(desk, stream, &query, &queue) => end,
        () = desk.shutdown.clone().over() => Some((CLOSE_GOING_AWAY, "the gateway is shutting down".into())),
    }
}

/// Says what is expected of the agent before anything else, then serves all that a link is for.
async fn exchange(
    desk: &Arc<Desk>,
    stream: SplitStream<WebSocket>,
    query: &protocol::Query,
    queue: &mpsc::Sender<FromGateway>,
) -> End {
    let superseded = || (protocol::CLOSE_SUPERSEDED, "a newer link of this agent is open".to_owned());
    // Whoever has waited for so long has taken this link for dead.
    let begun = timeout(Duration::from_millis(protocol::SILENCE_MS_MAX), view::begin(desk, query)).await;
    let late = || Err((CLOSE_TRY_AGAIN, "the log cannot be read for now".to_owned()));
    let (expected, follower) = match begun.unwrap_or_else(|_| late()) {
        Ok(begun) => begun,
        Err(end) => return Some(end),
    };
    let (appends, to_append) = mpsc::channel(APPENDS_MAX);
    // Before the first word: an agent that is turned away has heard nothing that it could act on.
    let (connection, newer) = match desk.agents.connect(&query.agent, number(query), queue.clone()) {
        Ok(connected) => connected,
        Err(Refused::Older) => return Some(superseded()),
        Err(Refused::Taken { holder }) => return Some(contested(query, &holder)),
    };
    queue.send(expected).await.ok()?;
    tokio::select! {
        end = read(desk, stream, &query.agent, &connection, appends) => end,
        end = follower.send(desk, queue) => end,
        end = append::answer(desk, &query.agent, to_append, queue) => end,
        end = send_watermarks(desk, queue) => end,
        _ = newer => Some(superseded()),
    }
}

fn number(query: &protocol::Query) -> Number {
    Number { identity: query.secret.identity(), run: query.run, connection: query.connection }
}

/// Turns away an agent whose name another directory has. The reason has to fit into a close frame.
fn taken(query: &protocol::Query, holder: &AgentIdentity) -> (u16, String) {
    let why = format!("{} is up in directory {holder}: give another --id, or end that one first", query.agent);
    (protocol::CLOSE_IDENTITY_TAKEN, why)
}

/// Turns away an agent for now: another directory is connected under its name, and these rows do not say whose the
/// name is. The cell decides by their reports, and the one that it refuses loses its link.
fn contested(query: &protocol::Query, other: &AgentIdentity) -> (u16, String) {
    (CLOSE_TRY_AGAIN, format!("directory {other} is connected as {} too, until the cell has decided", query.agent))
}

/// Writes what is queued, and closes when told to.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<FromGateway>,
    mut closing: oneshot::Receiver<(u16, String)>,
) {
    loop {
        let message = tokio::select! {
            biased;
            end = &mut closing => match end {
                Ok((code, reason)) => Message::Close(Some(CloseFrame { code, reason: short(reason) })),
                Err(_) => return,
            },
            Some(message) = queue.recv() => Message::Binary(message.encode()),
        };
        let is_last = matches!(message, Message::Close(_));
        if sink.send(message).await.is_err() || is_last {
            return;
        }
    }
}

/// A reason that fits into a close frame.
fn short(mut reason: String) -> Utf8Bytes {
    reason.truncate(reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX));
    reason.into()
}

/// Takes what the agent sends.
async fn read(
    desk: &Desk,
    mut stream: SplitStream<WebSocket>,
    agent: &AgentId,
    connection: &Connection,
    appends: mpsc::Sender<append::Request>,
) -> End {
    loop {
        let silence = Duration::from_millis(protocol::SILENCE_MS_MAX);
        let bytes = match timeout(silence, stream.next()).await {
            Err(_) | Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => return None,
            Ok(Some(Ok(Message::Binary(bytes)))) => bytes,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Text(_)))) => return Some((protocol::CLOSE_MALFORMED, "messages are binary".into())),
        };
        match FromAgent::decode(&bytes) {
            Err(_) => return Some((protocol::CLOSE_MALFORMED, "that was no message".into())),
            Ok(FromAgent::Append { request, records }) => {
                let _ = appends.send(append::Request { request, records }).await;
            }
            Ok(FromAgent::Telemetry { sample }) if sample.agent == *agent => {
                desk.take_sample(sample);
            }
            Ok(FromAgent::Telemetry { .. }) => {
                return Some((protocol::CLOSE_MALFORMED, "that sample is of another agent".into()));
            }
            Ok(FromAgent::LogChunk { request, offset, bytes, next_offset, end }) => {
                connection.answer(request, Ok(registry::Chunk { offset, bytes, next_offset, end }));
            }
            Ok(FromAgent::LogFailed { request, code, message }) => connection.answer(request, Err((code, message))),
        }
    }
}

/// Says how far the log reaches, once in a while: whoever hears nothing takes the link for dead.
async fn send_watermarks(desk: &Desk, queue: &mpsc::Sender<FromGateway>) -> End {
    let mut interval = tokio::time::interval(Duration::from_millis(protocol::WATERMARKS_INTERVAL_MS) / 2);
    loop {
        interval.tick().await;
        let marks = desk.known_marks();
        if queue.send(FromGateway::Watermarks { low: marks.low, high: marks.high }).await.is_err() {
            return None;
        }
    }
}
