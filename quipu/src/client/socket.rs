//! Streams over one WebSocket, by `graphql-transport-ws`. When the gateway goes away, every stream
//! goes on where it was, on whichever gateway answers next at the address: no gap, no repeat.
//!
//! ```text
//!   Feed { document, variables } ──> item, item, item …        the socket breaks
//!          ^ resume(variables, item) moves the place on        └─> connect, subscribe again from the place
//! ```

use std::{collections::BTreeMap, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Message as Frame, client::IntoClientRequest, http::HeaderValue},
};

use super::{
    Address, Error,
    graphql::{PRINCIPAL_HEADER, request_error},
    reading::Reading,
};
use crate::{duration, output};

/// The name of the protocol in the handshake.
const SUBPROTOCOL: &str = "graphql-transport-ws";
/// After how much silence the gateway is taken for gone; it pings every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long the gateway may take to take a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// The first and the longest wait between two attempts to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A subscription, and how it is taken up again.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    /// What is subscribed to.
    pub(crate) document: &'static str,
    /// The variables; they always hold the place from which the stream goes on.
    pub(crate) variables: Value,
    /// Moves the place in the variables behind an item.
    pub(crate) resume: fn(variables: &mut Value, data: &Value),
}

/// The number of a feed on its socket.
pub(crate) type FeedId = u32;

/// What comes over a socket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// The next item of a feed.
    Item(FeedId, Value),
    /// A feed has ended well.
    Over(FeedId),
    /// A feed has ended otherwise.
    Failed(FeedId, Error),
}

/// A socket with its feeds.
pub(crate) struct Socket {
    address: Address,
    principal: String,
    /// How long to try when the gateway is away; `None`: for ever.
    patience: Option<Duration>,
    connection: Option<Connection>,
    heard: Instant,
    feeds: BTreeMap<FeedId, Feed>,
    /// The feeds that a gateway could not begin yet, and when to ask for them again.
    waiting: BTreeMap<FeedId, Instant>,
    reading: Reading,
    next_id: FeedId,
}

impl Socket {
    /// Connects. Nobody there is an error at once: only a gateway that was there is waited for.
    pub(crate) async fn open(address: &Address, principal: &str, patience: Option<Duration>) -> Result<Self, Error> {
        let connection = connect(address, principal).await?;
        Ok(Self {
            address: address.clone(),
            principal: principal.into(),
            patience,
            connection: Some(connection),
            heard: Instant::now(),
            feeds: BTreeMap::new(),
            waiting: BTreeMap::new(),
            reading: Reading::default(),
            next_id: 0,
        })
    }

    /// Starts a feed.
    pub(crate) async fn start(&mut self, feed: Feed) -> FeedId {
        let id = self.next_id;
        self.next_id += 1;
        let text = subscribe(id, &feed);
        self.feeds.insert(id, feed);
        // Where this fails, the feed is started when the gateway is back.
        self.send(text).await;
        id
    }

    /// What comes next. May be dropped and called again: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Message, Error> {
        loop {
            let Some(connection) = &mut self.connection else {
                self.reconnect().await?;
                continue;
            };
            let silent = self.heard + SILENCE_MAX;
            let due = self.waiting.values().min().copied().unwrap_or(silent);
            match timeout_at(silent.min(due), connection.next()).await {
                Ok(Some(Ok(frame))) => {
                    self.heard = Instant::now();
                    if let Some(message) = self.take(frame).await? {
                        return Ok(message);
                    }
                }
                Err(_) if due < silent => self.ask_again().await,
                Ok(Some(Err(_)) | None) | Err(_) => self.connection = None,
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> Result<Option<Message>, Error> {
        match frame {
            Frame::Text(text) => match read(&text) {
                Said::Ping => {
                    self.send(json!({ "type": "pong" }).to_string()).await;
                    Ok(None)
                }
                Said::Other => Ok(None),
                Said::Message(message) => self.account(message),
            },
            Frame::Close(Some(close)) if u16::from(close.code) >= 4400 => {
                let what = format!("it closed the socket: {} ({})", close.reason, close.code);
                Err(Error::NotAGateway { url: self.address.url(), what })
            }
            Frame::Close(_) => {
                self.connection = None;
                Ok(None)
            }
            Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => Ok(None),
        }
    }

    /// Moves a feed's place on, or forgets it. What is of no feed was on its way when the feed ended.
    fn account(&mut self, message: Message) -> Result<Option<Message>, Error> {
        let is_known = match &message {
            Message::Item(id, data) => self.feeds.get_mut(id).map(|feed| (feed.resume)(&mut feed.variables, data)),
            Message::Failed(id, Error::Reading { percent }) => {
                if self.feeds.contains_key(id) {
                    self.waiting.insert(*id, Instant::now() + self.reading.wait(*percent)?);
                }
                None
            }
            Message::Over(id) | Message::Failed(id, _) => self.feeds.remove(id).map(drop),
        };
        Ok(is_known.map(|()| message))
    }

    /// Asks once more for the feeds that a gateway could not begin because it had not read the log.
    async fn ask_again(&mut self) {
        let now = Instant::now();
        let due: Vec<FeedId> = self.waiting.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.waiting.remove(&id);
            if let Some(text) = self.feeds.get(&id).map(|feed| subscribe(id, feed)) {
                self.send(text).await;
            }
        }
    }

    async fn reconnect(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let mut wait = BACKOFF.0;
        output::notice("the gateway went away; trying to reach it again");
        let mut connection = loop {
            match connect(&self.address, &self.principal).await {
                Ok(connection) => break connection,
                Err(Error::Unreachable { .. }) => {}
                Err(error) => return Err(error),
            }
            if self.patience.is_some_and(|patience| begun.elapsed() > patience) {
                let waited = duration::format(begun.elapsed().as_secs() * 1000);
                return Err(Error::Away { url: self.address.url(), waited });
            }
            sleep(wait).await;
            wait = (wait * 2).min(BACKOFF.1);
        };
        for (id, feed) in &self.feeds {
            if connection.send(Frame::text(subscribe(*id, feed))).await.is_err() {
                return Ok(());
            }
        }
        output::notice("the gateway is back");
        self.waiting.clear();
        (self.connection, self.heard) = (Some(connection), Instant::now());
        Ok(())
    }

    async fn send(&mut self, text: String) {
        if let Some(connection) = &mut self.connection
            && connection.send(Frame::text(text)).await.is_err()
        {
            self.connection = None;
        }
    }
}

/// Opens a socket and waits until the gateway is ready for subscriptions.
async fn connect(address: &Address, principal: &str) -> Result<Connection, Error> {
    let Ok(connected) = timeout(CONNECT_WAIT, handshake(address, principal)).await else {
        return Err(address.unreachable("no answer in time"));
    };
    connected.map_err(|error| match error {
        tungstenite::Error::Http(response) => {
            Error::NotAGateway { url: address.url(), what: format!("status {}", response.status()) }
        }
        error => address.unreachable(error.to_string()),
    })
}

async fn handshake(address: &Address, principal: &str) -> Result<Connection, tungstenite::Error> {
    let mut request = address.socket().into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    if let Ok(principal) = HeaderValue::from_str(principal) {
        headers.insert(PRINCIPAL_HEADER, principal);
    }
    let (mut connection, _) = connect_async_with_config(request, None, true).await?;
    connection.send(Frame::text(json!({ "type": "connection_init" }).to_string())).await?;
    while let Some(frame) = connection.next().await {
        let is_ack = frame?.to_text().is_ok_and(|text| type_of(text).as_deref() == Some("connection_ack"));
        if is_ack {
            return Ok(connection);
        }
    }
    Err(tungstenite::Error::ConnectionClosed)
}

fn type_of(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    message["type"].as_str().map(Into::into)
}

fn subscribe(id: FeedId, feed: &Feed) -> String {
    let payload = json!({ "query": feed.document, "variables": feed.variables });
    json!({ "type": "subscribe", "id": id.to_string(), "payload": payload }).to_string()
}

/// What a text frame says.
#[derive(Debug, PartialEq)]
enum Said {
    Ping,
    Message(Message),
    Other,
}

fn read(text: &str) -> Said {
    let Ok(mut message) = serde_json::from_str::<Value>(text) else { return Said::Other };
    let id = message["id"].as_str().and_then(|id| id.parse().ok());
    match (message["type"].as_str(), id) {
        (Some("ping"), _) => Said::Ping,
        (Some("next"), Some(id)) => Said::Message(item(id, &mut message["payload"])),
        (Some("error"), Some(id)) => Said::Message(Message::Failed(id, request_error(&message["payload"][0]))),
        (Some("complete"), Some(id)) => Said::Message(Message::Over(id)),
        _ => Said::Other,
    }
}

fn item(id: FeedId, payload: &mut Value) -> Message {
    match payload["errors"].get(0) {
        Some(error) => Message::Failed(id, request_error(error)),
        None => Message::Item(id, payload["data"].take()),
    }
}

#[cfg(test)]
mod tests;
