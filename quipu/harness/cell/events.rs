//! Follows the events of a cell over a WebSocket, across reconnections and restarts of the gateway.
//!
//! A thread listens from the first event on and comes back with its last cursor, at the next gateway where
//! there are several, so what it has seen is the whole history or the cell is wrong. It fails the test
//! where a gateway says something that no client has to expect.

use std::{
    net::TcpStream,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket, client::IntoClientRequest, handshake::client::Request, http::HeaderValue,
};

use super::{Cell, Client, wait_for};

/// What is asked of every event; `cursor` is how a follower comes back.
pub const FIELDS: &str = "cursor name task agent body";
/// How long a read waits before the follower looks whether it is to end.
const READ_WAIT: Duration = Duration::from_millis(100);
/// How long a connection may take to be opened.
const OPEN_WAIT: Duration = Duration::from_secs(5);
/// The wait before the gateway is looked for again.
const RECONNECT_AFTER: Duration = Duration::from_millis(20);

type Socket = WebSocket<TcpStream>;

/// An event, and when it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it came.
    pub at: Instant,
    /// The event.
    pub event: Value,
}

/// Listens until it is dropped.
pub struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    connections: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    wrong: Mutex<Option<String>>,
}

impl Follower {
    /// Follows the cell's events from the first one on; `fields` must hold `cursor`.
    pub fn start(cell: &Cell, fields: &str, filter: Value) -> Self {
        Self::over(&[cell.client()], fields, filter)
    }

    /// Follows a cell's events at the first of these gateways; where the stream breaks, at the next one.
    pub fn over(gateways: &[Client], fields: &str, filter: Value) -> Self {
        let shared = Arc::new(Shared::default());
        let document = format!(
            "subscription($since: String!, $filter: EventFilter) {{ events(since: $since, filter: $filter) {{ {fields} }} }}"
        );
        let thread = std::thread::spawn({
            let (shared, gateways) = (Arc::clone(&shared), gateways.to_vec());
            move || follow(&shared, &gateways, &document, &filter)
        });
        Self { shared, thread: Some(thread) }
    }

    /// Waits until what was seen is enough.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut(&[Seen]) -> Option<T>) -> T {
        wait_for(what, || {
            self.check();
            look(&lock(&self.shared.seen))
        })
    }

    /// The events so far, in the order in which they came.
    pub fn seen(&self) -> Vec<Value> {
        self.check();
        lock(&self.shared.seen).iter().map(|seen| seen.event.clone()).collect()
    }

    /// How often a stream was opened.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    fn check(&self) {
        let wrong = lock(&self.shared.wrong).take();
        assert!(wrong.is_none(), "the stream of events went wrong: {wrong:?}");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn follow(shared: &Shared, gateways: &[Client], document: &str, filter: &Value) {
    let mut since = json!("start");
    for gateway in gateways.iter().cycle() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let variables = json!({ "since": since, "filter": filter });
        if let Some(socket) = open(&gateway.url().unwrap_or_default(), document, &variables) {
            shared.connections.fetch_add(1, Ordering::Relaxed);
            listen(socket, shared, &mut since);
        }
        std::thread::sleep(RECONNECT_AFTER);
    }
}

/// Opens a stream, if somebody is there.
fn open(url: &str, document: &str, variables: &Value) -> Option<Socket> {
    let address = url.strip_prefix("http://")?.parse().ok()?;
    let stream = TcpStream::connect_timeout(&address, OPEN_WAIT).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(OPEN_WAIT)).ok()?;
    let (mut socket, _) = tungstenite::client(request(url)?, stream).ok()?;
    let subscribe = json!({
        "id": "events", "type": "subscribe", "payload": { "query": document, "variables": variables },
    });
    for message in [json!({ "type": "connection_init" }), subscribe] {
        socket.write(Message::text(message.to_string())).ok()?;
        socket.flush().ok()?;
        // The acknowledgement comes before anything may be asked for.
        if message["type"] == "connection_init" {
            socket.read().ok().filter(|ack| ack.to_text().is_ok_and(|text| text.contains("connection_ack")))?;
        }
    }
    socket.get_ref().set_read_timeout(Some(READ_WAIT)).ok()?;
    Some(socket)
}

fn request(url: &str) -> Option<Request> {
    let mut request = format!("{}/graphql", url.replacen("http", "ws", 1)).into_client_request().ok()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
    Some(request)
}

/// Listens until the stream breaks or nobody needs it.
fn listen(mut socket: Socket, shared: &Shared, since: &mut Value) {
    while !shared.stop.load(Ordering::Relaxed) {
        let text = match socket.read() {
            Ok(Message::Text(text)) => text,
            Ok(Message::Close(_)) => return,
            Ok(_) => continue,
            Err(tungstenite::Error::Io(error)) if is_patience(error.kind()) => continue,
            Err(_) => return,
        };
        let at = Instant::now();
        let mut message: Value = serde_json::from_str(&text).unwrap_or_default();
        match message["type"].as_str() {
            Some("next") if message["payload"]["errors"].is_null() => {
                let Value::Array(events) = message["payload"]["data"]["events"].take() else { continue };
                if let Some(last) = events.last() {
                    *since = last["cursor"].clone();
                }
                lock(&shared.seen).extend(events.into_iter().map(|event| Seen { at, event }));
            }
            Some("ping") => {
                let _ = socket.send(Message::text(json!({ "type": "pong" }).to_string()));
            }
            Some("pong") => {}
            // What may do later: the loop comes back with the same cursor.
            Some("error") if message["payload"][0]["extensions"]["retryable"] == true => return,
            _ => {
                *lock(&shared.wrong) = Some(message.to_string());
                return;
            }
        }
    }
    let _ = socket.close(None);
    let _ = socket.flush();
}

fn is_patience(kind: std::io::ErrorKind) -> bool {
    matches!(kind, std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// What is held here stays whole whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
