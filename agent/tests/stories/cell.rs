//! A cell as an agent sees it: a gateway's end of the link, with a log that the test writes.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use agent::{Config, output::Kept};
use command_log::{
    remote::protocol::{CLOSE_STRAYED, ExpectedTask, FromAgent, FromGateway, LinkStored},
    telemetry::Sample,
};
use futures_util::{SinkExt, StreamExt};
use log_schema::{
    AgentId, AnswerV1, Chain, Command, DecisionV1, Envelope, EpochNumber, EpochV1, Event, Incarnation, Offset,
    Principal, Record, TaskState, TimeMs, command::UpdateTaskStatusV1, task::EndV1,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{Message, protocol::CloseFrame},
};

use crate::{supervised::SUPERVISOR, words::task};

const DEADLINE: Duration = Duration::from_secs(20);

/// What the gateway knows; shared by all connections.
#[derive(Default)]
struct State {
    view: Vec<LinkStored>,
    next: u64,
    answered: u64,
    expected: Vec<ExpectedTask>,
    commands: Vec<(Envelope, Command)>,
    /// When each of them came.
    came: Vec<Instant>,
    samples: Vec<Sample>,
    answers: Vec<FromAgent>,
    ask: Vec<FromGateway>,
    queries: Vec<String>,
    /// The next connection that resumes is closed with this code.
    closes: Option<u16>,
    /// Appends are taken but not answered, and the connection is closed at the first.
    drops_appends: bool,
}

/// A cell with one agent.
pub struct Cell {
    pub directory: tempfile::TempDir,
    port: u16,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    gateway: JoinHandle<()>,
}

/// A running agent.
pub struct Running {
    shutdown: watch::Sender<bool>,
    agent: JoinHandle<Result<(), agent::Error>>,
}

impl Running {
    /// Makes the agent leave; its tasks go on.
    pub async fn leave(self) {
        self.shutdown.send_replace(true);
        self.agent.await.expect("no panic").expect("a clean end");
    }

    /// How the agent ends by itself.
    pub async fn end(self) -> agent::Error {
        let _shutdown = self.shutdown;
        tokio::time::timeout(DEADLINE, self.agent).await.expect("an end").expect("no panic").expect_err("an error")
    }
}

impl Cell {
    /// A cell in its first epoch, at which no agent has connected yet.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let changed = watch::Sender::new(0);
        let gateway = tokio::spawn(serve(listener, Arc::clone(&state), changed.clone()));
        let directory = tempfile::tempdir().expect("a directory for tests");
        let cell = Self { directory, port, state, changed, gateway };
        let node = Principal::new("n1").expect("a legal name");
        cell.push(EpochV1 { epoch: EpochNumber(1), node, logic_version: 1 }.to_record());
        cell
    }

    /// Starts the agent on the cell's directory.
    pub fn agent(&self) -> Running {
        self.agent_of("a1", None, vec![SUPERVISOR.into()])
    }

    /// The same, with another way to start a supervisor.
    pub fn agent_with(&self, supervisor_command: Vec<OsString>) -> Running {
        self.agent_of("a1", None, supervisor_command)
    }

    /// Starts an agent of this name on the cell's directory.
    pub fn agent_named(&self, name: &str, gateway_url_file: Option<PathBuf>) -> Running {
        self.agent_of(name, gateway_url_file, vec![SUPERVISOR.into()])
    }

    fn agent_of(&self, name: &str, gateway_url_file: Option<PathBuf>, supervisor_command: Vec<OsString>) -> Running {
        let (shutdown, told) = watch::channel(false);
        let config = Config {
            id: AgentId::new(name).expect("a legal id"),
            gateway_url: self.url(),
            gateway_url_file,
            token: None,
            directory: self.directory.path().to_owned(),
            resources: None,
            attributes: BTreeMap::from([("rack".into(), "r1".into())]),
            supervisor_command,
            output: Kept::default(),
            ended_kept_max: 100,
            shutdown: told,
        };
        Running { shutdown, agent: tokio::spawn(agent::run(config)) }
    }

    /// Ends every connection and listens elsewhere. Whoever holds what is returned has the port from before.
    pub async fn moves(&mut self) -> TcpListener {
        self.gateway.abort();
        let _ = (&mut self.gateway).await;
        let before = TcpListener::bind(("127.0.0.1", self.port)).await.expect("the port is free again");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.port = listener.local_addr().expect("an address").port();
        self.gateway = tokio::spawn(serve(listener, Arc::clone(&self.state), self.changed.clone()));
        before
    }

    pub fn sandboxes(&self) -> PathBuf {
        self.directory.path().join("sandboxes")
    }

    pub fn work(&self, start: &str) -> PathBuf {
        self.sandboxes().join(start).join("work")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().expect("no panic"));
        self.changed.send_modify(|count| *count += 1);
        result
    }

    fn push(&self, record: Record) -> Offset {
        self.change(|state| {
            let offset = Offset(state.next);
            state.next += 1;
            state.view.push(LinkStored { offset, time: TimeMs(0), record: record.into() });
            offset
        })
    }

    /// One command and the decision that answers it with these events; the decision's offset.
    pub fn decides(&self, events: Vec<Event>) -> Offset {
        let (from, to) = self.change(|state| {
            let from = state.answered;
            state.next += 1;
            state.answered = state.next;
            (Offset(from), Offset(state.next - 1))
        });
        let answers = vec![AnswerV1 { at: to, asked: None, refusal: None, repeats: None, events }];
        self.push(DecisionV1 { epoch: EpochNumber(1), from, to, chain: Chain::default(), answers }.to_record())
    }

    /// The cell forgets all that it decided, and what it knew of tasks: it was put back to its first record.
    pub fn loses_its_log(&self) {
        self.change(|state| {
            state.view.truncate(1);
            (state.next, state.answered) = (1, 0);
            state.expected.clear();
            state.closes = Some(CLOSE_STRAYED);
        });
    }

    /// Closes the next connection of an agent with a memory.
    pub fn closes(&self, code: u16) {
        self.change(|state| state.closes = Some(code));
    }

    /// What the cell will say on the next connection.
    pub fn expects(&self, tasks: &[&str]) {
        let expected = |name: &&str| ExpectedTask { task: task(name), incarnation: Incarnation(1), placed: Offset(0) };
        self.change(|state| state.expected = tasks.iter().map(expected).collect());
    }

    pub fn drops_appends(&self, drops: bool) {
        self.change(|state| state.drops_appends = drops);
    }

    pub fn asks(&self, message: FromGateway) {
        self.change(|state| state.ask.push(message));
    }

    async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            changed.mark_unchanged();
            if let Some(found) = look(&self.state.lock().expect("no panic")) {
                return found;
            }
            let change = tokio::time::timeout_at(deadline, changed.changed()).await;
            change.unwrap_or_else(|_| panic!("never came: {what}")).expect("the cell is there");
        }
    }

    /// The first status of a task in this state.
    pub async fn status(&self, name: &str, state: TaskState) -> (Envelope, UpdateTaskStatusV1) {
        let look = |known: &State| {
            known.commands.iter().find_map(|(envelope, command)| match command {
                Command::UpdateTaskStatus(body) if body.task.as_str() == name && body.state == state => {
                    Some((envelope.clone(), body.clone()))
                }
                _ => None,
            })
        };
        self.wait_for(&format!("{name} {state}"), look).await
    }

    pub async fn end(&self, name: &str, state: TaskState) -> EndV1 {
        self.status(name, state).await.1.end.expect("a terminal status has an end")
    }

    /// Every status so far, as `task state`.
    pub fn statuses(&self) -> Vec<String> {
        let state = self.state.lock().expect("no panic");
        let status = |(_, command): &(Envelope, Command)| match command {
            Command::UpdateTaskStatus(body) => Some(format!("{} {}", body.task, body.state)),
            _ => None,
        };
        state.commands.iter().filter_map(status).collect()
    }

    /// When the cell heard for the first time that a task runs.
    pub fn running_since(&self, name: &str) -> Option<Instant> {
        let state = self.state.lock().expect("no panic");
        let is_it = |(_, command): &(Envelope, Command)| matches!(command, Command::UpdateTaskStatus(body) if body.task.as_str() == name && body.state == TaskState::Running);
        state.commands.iter().position(is_it).map(|at| state.came[at])
    }

    /// The n-th time that the agent says what it has, from 1.
    pub async fn report(&self, number: usize) -> log_schema::command::ReportAgentV1 {
        let reports = |(_, command): &(Envelope, Command)| match command {
            Command::ReportAgent(body) => Some(body.clone()),
            _ => None,
        };
        self.wait_for("a report", |state| state.commands.iter().filter_map(reports).nth(number - 1)).await
    }

    /// The first report that the log lost what the agent had obeyed.
    pub async fn report_that_strayed(&self) -> Offset {
        let strayed = |(_, command): &(Envelope, Command)| match command {
            Command::ReportAgent(body) => body.strayed,
            _ => None,
        };
        self.wait_for("a report", |state| state.commands.iter().find_map(strayed)).await
    }

    pub async fn sample(&self, look: impl Fn(&Sample) -> bool) -> Sample {
        self.wait_for("a sample", |state| state.samples.iter().find(|sample| look(sample)).cloned()).await
    }

    pub async fn log_answer(&self, number: u64) -> FromAgent {
        let is_it = |message: &&FromAgent| match message {
            FromAgent::LogChunk { request, .. } | FromAgent::LogFailed { request, .. } => *request == number,
            FromAgent::Append { .. } | FromAgent::Telemetry { .. } => false,
        };
        self.wait_for("output", |state| state.answers.iter().find(is_it).cloned()).await
    }

    /// How often an agent has connected.
    pub fn connections(&self) -> usize {
        self.state.lock().expect("no panic").queries.len()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The query string of the n-th connection, from 1.
    pub async fn query(&self, number: usize) -> String {
        self.wait_for("a connection", |state| state.queries.get(number - 1).cloned()).await
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.gateway.abort();
        // Supervisors outlive agents; those of a test must not outlive the test.
        end_supervisors(&self.sandboxes());
    }
}

fn end_supervisors(sandboxes: &Path) {
    for entry in std::fs::read_dir(sandboxes).into_iter().flatten().flatten() {
        let sandbox = agent::sandbox::Sandbox::at(entry.path());
        let alive = matches!(sandbox.lock(), Err(agent::sandbox::Error::Locked { .. }));
        let Ok(Some(name)) = sandbox.supervisor() else { continue };
        if alive && agent::process_tree::start_ticks(name.pid) == Some(name.start_ticks) {
            let pid = nix::unistd::Pid::from_raw(name.pid);
            let _ = std::fs::write(entry.path().join("kill"), "");
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let deadline = Instant::now() + DEADLINE;
            while crate::supervised::alive(name.pid) && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, changed: watch::Sender<u64>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("an option of every socket");
        connections.spawn(connection(stream, Arc::clone(&state), changed.clone()));
    }
}

#[expect(clippy::result_large_err, reason = "the shape of the callback is given by the library")]
async fn connection(stream: TcpStream, state: Arc<Mutex<State>>, changed: watch::Sender<u64>) {
    let mut query = String::new();
    let callback = |request: &tokio_tungstenite::tungstenite::handshake::server::Request, response| {
        request.uri().query().unwrap_or_default().clone_into(&mut query);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, callback).await else { return };
    let from = query.split('&').find_map(|pair| pair.strip_prefix("from=")?.parse::<u64>().ok());
    let closes;
    let (greeting, mut sent) = {
        let mut state = state.lock().expect("no panic");
        state.queries.push(query);
        closes = from.and_then(|_| state.closes.take());
        let to = state.answered.checked_sub(1).map(Offset);
        let expected =
            FromGateway::Expected { epoch: EpochNumber(1), to, chain: Chain::default(), tasks: state.expected.clone() };
        (expected, from.unwrap_or(state.answered))
    };
    changed.send_modify(|count| *count += 1);
    let mut news = changed.subscribe();
    if let Some(code) = closes {
        let _ = socket.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await;
        return;
    }
    if socket.send(Message::Binary(greeting.encode())).await.is_err() {
        return;
    }
    loop {
        if push(&mut socket, &state, &mut sent).await.is_err() {
            return;
        }
        tokio::select! {
            _ = news.changed() => {}
            message = socket.next() => {
                let Some(Ok(Message::Binary(bytes))) = message else { return };
                let answer = take(&state, FromAgent::decode(&bytes).expect("a message"));
                changed.send_modify(|count| *count += 1);
                match answer {
                    Answer::Nothing => {}
                    Answer::Message(message) => {
                        if socket.send(Message::Binary(message.encode())).await.is_err() {
                            return;
                        }
                    }
                    Answer::HangUp => return,
                }
            }
        }
    }
}

enum Answer {
    Nothing,
    Message(FromGateway),
    HangUp,
}

fn take(state: &Mutex<State>, message: FromAgent) -> Answer {
    let mut state = state.lock().expect("no panic");
    match message {
        FromAgent::Append { request, records } => {
            let commands: Vec<_> =
                records.into_iter().map(|record| Command::from_record(&record.into()).expect("a command")).collect();
            if state.drops_appends {
                return Answer::HangUp;
            }
            let first = state.next;
            state.next += commands.len() as u64;
            let offsets = (first..state.next).map(Offset).collect();
            state.came.extend(commands.iter().map(|_| Instant::now()));
            state.commands.extend(commands);
            Answer::Message(FromGateway::Appended { request, offsets })
        }
        FromAgent::Telemetry { sample } => {
            state.samples.push(sample);
            Answer::Nothing
        }
        other @ (FromAgent::LogChunk { .. } | FromAgent::LogFailed { .. }) => {
            state.answers.push(other);
            Answer::Nothing
        }
    }
}

async fn push(
    socket: &mut WebSocketStream<TcpStream>,
    state: &Mutex<State>,
    sent: &mut u64,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let (records, ask) = {
        let mut state = state.lock().expect("no panic");
        let records: Vec<_> = state.view.iter().filter(|stored| stored.offset.0 >= *sent).cloned().collect();
        (records, std::mem::take(&mut state.ask))
    };
    if let Some(last) = records.last() {
        *sent = last.offset.0 + 1;
        socket.send(Message::Binary(FromGateway::Records(records).encode())).await?;
    }
    for message in ask {
        socket.send(Message::Binary(message.encode())).await?;
    }
    Ok(())
}
