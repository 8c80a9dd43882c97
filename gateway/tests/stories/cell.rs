//! A cell for stories: a log in memory, a scripted leader, a gateway, and clients of it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use command_log::{Log, memory::MemoryLog, telemetry::InProcess};
use futures_util::{SinkExt, StreamExt};
use gateway::{Config, RunningGateway, Waits};
use log_schema::{AgentId, Class, Command, Envelope, Key, Offset, Principal, command::ReportAgentV1};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::leader;

/// No story waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A cell with one gateway.
pub struct Cell {
    pub log: Arc<MemoryLog>,
    pub telemetry: Arc<InProcess>,
    pub gateway: Option<RunningGateway>,
    dir: TempDir,
    leader: Option<JoinHandle<()>>,
}

impl Cell {
    /// A cell with a leader.
    pub async fn led() -> Self {
        let mut cell = Self::without_leader(PATIENCE).await;
        cell.elect();
        cell
    }

    /// A cell in which nobody decides anything.
    pub async fn without_leader(patience: Duration) -> Self {
        let (log, telemetry) = (Arc::new(MemoryLog::new()), Arc::new(InProcess::default()));
        let dir = tempfile::tempdir().expect("a directory");
        let mut cell = Self { log, telemetry, gateway: None, dir, leader: None };
        cell.start(patience).await;
        cell
    }

    /// A leader takes over.
    pub fn elect(&mut self) {
        self.leader = Some(tokio::spawn(leader::lead(self.log.clone())));
    }

    /// Stops the gateway, if there is one, and starts one on the same projections.
    pub async fn restart(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await.expect("it served well");
        }
        self.start(PATIENCE).await;
        self.read().await;
    }

    /// A cell with a leader, whose gateway waits for its peers as long as `waits` says.
    pub async fn led_within(waits: Waits, connections: usize) -> Self {
        let mut cell = Self::led().await;
        cell.gateway.take().expect("a gateway runs").stop().await.expect("it served well");
        let config = Config::new(cell.log.clone(), cell.telemetry.clone(), cell.dir.path());
        let config = Config { waits, connections: Some(connections), ..config };
        cell.gateway = Some(gateway::serve(config).await.expect("a gateway on loopback"));
        cell
    }

    async fn start(&mut self, patience: Duration) {
        let config = Config::new(self.log.clone(), self.telemetry.clone(), self.dir.path());
        let config = Config { patience, ..config };
        self.gateway = Some(gateway::serve(config).await.expect("a gateway on loopback"));
    }

    /// Waits until the gateway has read what the log held when it began.
    pub async fn read(&self) {
        while self.post(r#"{"query":"{ cell { name } }"}"#, &[]).await.0 == 503 {}
    }

    /// The same cell after its gateway has stopped.
    pub async fn without_gateway(mut self) -> Self {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await.expect("it served well");
        }
        self
    }

    /// Where the gateway keeps its projections.
    pub fn projections(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub fn addr(&self) -> SocketAddr {
        self.gateway.as_ref().expect("a gateway runs").local_addr()
    }

    /// An agent reports itself, and the leader has admitted it.
    pub async fn admit(&self, agent: &str) -> Offset {
        let agent = AgentId::new(agent).unwrap();
        let capacity = "cpu=8 mem=8Gi ports=31000-31099".parse().unwrap();
        let report = ReportAgentV1 {
            agent: agent.clone(),
            capacity,
            attributes: [].into(),
            tasks_max: None,
            identity: None,
            strayed: None,
        };
        self.command(&format!("agent:{agent}"), Command::ReportAgent(report)).await
    }

    /// Appends a command past the gateway; returns when the gateway's rows have its answer.
    pub async fn command(&self, principal: &str, command: Command) -> Offset {
        let at = self.append(principal, command).await;
        // A harmless command through the gateway: its answer comes after that of ours.
        self.mutate("setRole(input: {role: \"harmless\", weight: 1}) { role { weight } }").await;
        at
    }

    /// Appends a command past the gateway.
    pub async fn append(&self, principal: &str, command: Command) -> Offset {
        let high = self.log.watermarks().await.unwrap().high;
        let key = Key::new(format!("{principal}-{high}")).unwrap();
        let principal = Principal::new(principal).unwrap();
        let envelope = Envelope { principal, key, caused_by: None, class: Class::Exogenous };
        self.log.append(vec![command.to_record(&envelope)]).await.unwrap()[0]
    }

    /// A query or mutation; the whole answer.
    pub async fn ask(&self, document: &str) -> Value {
        let (status, body) = self.post(&json!({ "query": document }).to_string(), &[]).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// The data of a query without errors.
    pub async fn query(&self, selection: &str) -> Value {
        let answer = self.ask(&format!("{{ {selection} }}")).await;
        assert_eq!(answer["errors"], Value::Null, "{selection}");
        answer["data"].clone()
    }

    /// The data of a mutation without errors.
    pub async fn mutate(&self, selection: &str) -> Value {
        let answer = self.ask(&format!("mutation {{ {selection} }}")).await;
        assert_eq!(answer["errors"], Value::Null, "{selection}");
        answer["data"].clone()
    }

    /// Submits a job of so many tasks, and returns the payload.
    pub async fn submit(&self, job: &str, count: u32) -> Value {
        let job = format!(
            "{{name: \"{job}\", kind: SERVICE, count: {count}, resources: \"cpu=0.5 mem=64Mi\", command: [\"sleep\", \"1\"]}}"
        );
        let wanted = "offset decisionOffset repeats userErrors { number code message details } events { name cursor } job { name asOf }";
        self.mutate(&format!("submitJob(input: {{job: {job}}}) {{ {wanted} }}")).await["submitJob"].clone()
    }

    /// `POST /graphql` as JSON.
    pub async fn post(&self, body: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend(headers);
        self.http("POST", "/graphql", &all, body).await
    }

    /// One HTTP request on a connection of its own.
    pub async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let (head, body) = self.answer(method, path, headers, body).await;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, body)
    }

    /// The status line and the headers of an answer.
    pub async fn head(&self, method: &str, path: &str) -> String {
        self.answer(method, path, &[], "").await.0
    }

    async fn answer(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.addr()).await.expect("the gateway listens");
        let host = if headers.iter().any(|(name, _)| *name == "Host") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.addr())
        };
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        // A server that turns a large body away may close before it has read it.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {read:?} {answer}"));
        (head.to_owned(), body.to_owned())
    }

    /// A socket on which nothing was said yet.
    pub async fn socket(&self) -> Socket {
        self.socket_with(&[("Sec-WebSocket-Protocol", gateway::SUBPROTOCOL)]).await
    }

    pub async fn socket_with(&self, headers: &[(&'static str, &str)]) -> Socket {
        let url = format!("ws://{}/graphql", self.addr());
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Socket(connect_async(request).await.expect("an upgrade").0)
    }

    /// A socket on which operations may begin.
    pub async fn open_socket(&self) -> Socket {
        let mut socket = self.socket().await;
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
        socket
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Some(leader) = &self.leader {
            leader.abort();
        }
    }
}

/// A client's socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, message: Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.0.send(message).await.expect("the socket is open");
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
    }

    /// The next message of the protocol. Pings are no messages, and buy no time.
    pub async fn next(&mut self) -> Value {
        let message = async {
            loop {
                match self.frame().await {
                    Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                    Message::Ping(_) | Message::Pong(_) => {}
                    other => panic!("{other:?} instead of a message"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, message).await.expect("a message in time")
    }

    /// The data of the next `next` message.
    pub async fn data(&mut self) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], "next", "{message}");
        assert_eq!(message["payload"]["errors"], Value::Null, "{message}");
        message["payload"]["data"].clone()
    }

    /// The next frame, whatever it is; `None`: the gateway has ended the stream well.
    pub async fn last(&mut self) -> Option<Message> {
        let frame = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time");
        frame.map(|frame| frame.expect("a whole frame"))
    }

    /// The connection below the socket.
    pub fn connection(&mut self) -> &mut TcpStream {
        match self.0.get_mut() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => panic!("no connection in the clear"),
        }
    }

    /// The code that the gateway closes with.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Message::Close(frame) => return frame.expect("a reason").code.into(),
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?} instead of a close frame"),
            }
        }
    }

    async fn frame(&mut self) -> Message {
        let frame = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time");
        frame.expect("the socket is open").expect("a whole frame")
    }
}
