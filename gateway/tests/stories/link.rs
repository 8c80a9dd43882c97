//! The agents' link: the filtered log, appends, telemetry, output.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use command_log::{
    Log,
    remote::{
        self, Inbound, Link, Position, SharedPosition,
        protocol::{
            CLOSE_SUPERSEDED, ExpectedTask, FailureCode, FromAgent, FromGateway, LINK_PATH, LinkStored, VERSION,
        },
    },
    telemetry::{Sample, Telemetry},
};
use futures_util::StreamExt;
use log_schema::{
    AgentId, Chain, Class, Command, DecisionV1, DirectorySecret, Envelope, EpochNumber, EpochV1, Event, Incarnation,
    Key, Kind, Offset, Principal, Record, TaskId, TimeMs, codec,
    command::{RemoveAgentV1, ReportAgentV1, StopJobV1, UpdateTaskStatusV1},
    task::TaskState,
};
use serde_json::json;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::{cell::Cell, leader};

/// An agent on its link.
pub(super) struct Agent {
    pub link: Link,
    inbound: mpsc::Receiver<Inbound>,
    position: SharedPosition,
    reader: (EpochNumber, Option<Offset>, Offset),
    /// The chain at the last offset that was read, and where reading began.
    chain: Chain,
    joined: (Offset, Chain),
}

impl Agent {
    pub fn connect(cell: &Cell, agent: &str, position: Option<Position>) -> Self {
        Self::connect_to(cell.addr(), agent, position)
    }

    pub fn connect_to(gateway: SocketAddr, agent: &str, position: Option<Position>) -> Self {
        let url = format!("http://{gateway}");
        Self::open(url, agent, &format!("directory-of-{agent}"), 1, position)
    }

    /// A link of an agent from this directory, which was started there for the `run`-th time.
    pub fn open(url: String, agent: &str, secret: &str, run: u64, position: Option<Position>) -> Self {
        let (agent, secret) = (AgentId::new(agent).unwrap(), DirectorySecret::new(secret).unwrap());
        let config = remote::Config { url, url_file: None, agent, secret, run, token: None };
        let shared: SharedPosition = Arc::new(Mutex::new(position));
        let (link, inbound) = Link::open(config, shared.clone()).expect("a legal address");
        let reader = position.map_or_else(Default::default, |at| (at.epoch, Some(at.to), at.next));
        let chain = position.map(|at| at.chain).unwrap_or_default();
        let joined = position.map(|at| at.joined).unwrap_or_default();
        Self { link, inbound, position: shared, reader, chain, joined }
    }

    pub async fn next(&mut self) -> Inbound {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), self.inbound.recv()).await;
        next.expect("a message in time").expect("the link lives")
    }

    pub async fn message(&mut self) -> FromGateway {
        loop {
            match self.next().await {
                Inbound::Connected(_) | Inbound::Message(FromGateway::Watermarks { .. }) => {}
                Inbound::Message(message) => return message,
                other => panic!("{other:?} instead of a message"),
            }
        }
    }

    /// What the gateway expects; the view begins there unless the agent has a memory.
    pub async fn expected(&mut self) -> Vec<ExpectedTask> {
        let FromGateway::Expected { epoch, to, chain, tasks } = self.message().await else { panic!("not first") };
        if self.position.lock().unwrap().is_none() {
            self.reader = (epoch, to, Offset(0));
            self.chain = chain;
            self.joined = (to.unwrap_or_default(), chain);
        }
        tasks
    }

    /// The next decision that says something, judged by the half of the reader rule that holds on views.
    async fn decision(&mut self) -> DecisionV1 {
        loop {
            let FromGateway::Records(records) = self.message().await else { continue };
            let mut said = records.iter().filter_map(|stored| self.judge(stored)).filter(|d| !d.answers.is_empty());
            let first = said.next();
            assert!(said.next().is_none(), "the stories wait for each decision");
            if let Some(decision) = first {
                return decision;
            }
        }
    }

    fn judge(&mut self, LinkStored { offset, record, .. }: &LinkStored) -> Option<DecisionV1> {
        let (epoch, to, next) = self.reader;
        assert!(*offset >= next, "{offset} comes after {next}");
        match Kind::from_number(record.kind).unwrap() {
            Kind::Epoch => {
                let claim: EpochV1 = codec::decode("epoch", &record.payload).unwrap();
                assert_eq!(claim.epoch, epoch.next());
                self.reader = (claim.epoch, to, offset.next());
                None
            }
            Kind::Decision => {
                let decision: DecisionV1 = codec::decode("decision", &record.payload).unwrap();
                assert_eq!(decision.epoch, epoch);
                assert_eq!(decision.from, to.map_or(Offset(0), Offset::next), "no gap and no repeat");
                self.reader = (epoch, Some(decision.to), offset.next());
                self.chain = decision.chain;
                Some(decision)
            }
            other => panic!("{other} is not for agents"),
        }
    }

    fn position(&self) -> Position {
        let (epoch, to, next) = self.reader;
        let (chain, joined) = (self.chain, self.joined);
        Position { next, epoch, to: to.expect("something was decided"), chain, joined }
    }
}

fn command(agent: &str, key: &str, command: Command) -> Record {
    let principal = Principal::new(format!("agent:{agent}")).unwrap();
    command.to_record(&Envelope { principal, key: Key::new(key).unwrap(), caused_by: None, class: Class::Intrinsic })
}

fn status(agent: &str, task: &str, incarnation: u64, state: TaskState) -> Record {
    command(agent, &format!("{task}-{}", state.name()), update(agent, task, incarnation, state))
}

pub(super) fn update(agent: &str, task: &str, incarnation: u64, state: TaskState) -> Command {
    Command::UpdateTaskStatus(UpdateTaskStatusV1 {
        task: TaskId::new(task).unwrap(),
        incarnation: Incarnation(incarnation),
        agent: AgentId::new(agent).unwrap(),
        state,
        end: None,
        observed: TimeMs(1),
    })
}

fn names(decision: &DecisionV1) -> Vec<&'static str> {
    decision.events().map(Event::name).collect()
}

#[tokio::test]
async fn an_agent_gets_a_log_of_its_own_that_has_no_gaps() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    cell.admit("a2").await;
    let (mut first, mut second) = (Agent::connect(&cell, "a1", None), Agent::connect(&cell, "a2", None));
    assert!(first.expected().await.is_empty());
    assert!(second.expected().await.is_empty());
    for noise in 0..10 {
        cell.mutate(&format!("setRole(input: {{role: \"r{noise}\", weight: 2}}) {{ key }}")).await;
    }
    cell.submit("web", 2).await;
    let decision = first.decision().await;
    assert_eq!(names(&decision), ["job.accepted", "task.placed", "task.placed"], "the spec comes before the placement");
    first.link.append(vec![status("a1", "web.0", 1, TaskState::Running)]).await.expect("in the log");
    assert_eq!(names(&first.decision().await), ["task.status_changed"]);
    cell.mutate("killTask(input: {task: \"web.1\"}) { key }").await;
    assert_eq!(names(&first.decision().await), ["task.kill_requested"]);
    // The other agent hears that time goes on, and of nothing else.
    let FromGateway::Records(records) = second.message().await else { panic!("records") };
    assert!(records.iter().filter_map(|stored| second.judge(stored)).all(|decision| decision.answers.is_empty()));
}

#[tokio::test]
async fn an_agent_with_a_memory_goes_on_where_it_was() {
    let mut cell = Cell::led().await;
    cell.admit("a1").await;
    let mut agent = Agent::connect(&cell, "a1", None);
    agent.expected().await;
    cell.submit("web", 1).await;
    agent.decision().await;
    let position = agent.position();
    drop(agent);
    cell.submit("db", 1).await;
    cell.restart().await;
    let mut agent = Agent::connect(&cell, "a1", Some(position));
    let expected = agent.expected().await;
    assert_eq!(expected.len(), 2, "{expected:?}");
    assert_eq!(names(&agent.decision().await), ["job.accepted", "task.placed"]);
    cell.submit("web2", 1).await;
    assert_eq!(names(&agent.decision().await), ["job.accepted", "task.placed"]);
}

#[tokio::test]
async fn a_placement_of_an_old_job_brings_its_spec_on_every_new_link() {
    let mut cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("web", 1).await;
    cell.mutate("subscribeFramework(input: {framework: \"f\"}) { key }").await;
    cell.restart().await;
    let mut agent = Agent::connect(&cell, "a1", None);
    let expected = agent.expected().await;
    let [ExpectedTask { task, incarnation, placed }] = &expected[..] else { panic!("{expected:?}") };
    assert_eq!((task.as_str(), *incarnation), ("web.0", Incarnation(1)));
    assert!(*placed > Offset(0), "the decision that placed it");
    cell.mutate("acceptOffers(input: {framework: \"f\", offers: [\"o1\"], launches: [{name: \"t\", resources: \"cpu=1\", command: [\"x\"]}]}) { key }").await;
    assert_eq!(names(&agent.decision().await), ["task.placed"], "a framework's task says itself what it runs");
}

#[tokio::test]
async fn a_new_reign_reaches_the_agents() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let mut agent = Agent::connect(&cell, "a1", None);
    agent.expected().await;
    leader::claim(&*cell.log, 2).await;
    loop {
        let FromGateway::Records(records) = agent.message().await else { continue };
        for stored in &records {
            agent.judge(stored);
        }
        if agent.reader.0 == EpochNumber(2) {
            break;
        }
    }
}

#[tokio::test]
async fn an_agent_may_append_only_what_agents_say_about_itself_and_under_its_own_name() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let agent = Agent::connect(&cell, "a1", None);
    let high = cell.log.watermarks().await.unwrap().high;
    let remove = Command::RemoveAgent(RemoveAgentV1 { agent: AgentId::new("a1").unwrap() });
    let stop = Command::StopJob(StopJobV1 { job: log_schema::JobId::new("web").unwrap(), grace_ms: None });
    let epoch = EpochV1 { epoch: EpochNumber(2), node: Principal::new("evil").unwrap(), logic_version: 1 };
    let says = |principal: &str, class| {
        let (principal, key) = (Principal::new(principal).unwrap(), Key::new("k").unwrap());
        let envelope = Envelope { principal, key, caused_by: None, class };
        update("a1", "web.0", 1, TaskState::Running).to_record(&envelope)
    };
    let cases = [
        vec![command("a1", "k1", stop)],
        vec![command("a1", "k2", remove)],
        vec![status("a2", "web.0", 1, TaskState::Running)],
        vec![epoch.to_record()],
        vec![Record { kind: 999, version: 1, payload: Bytes::new() }],
        vec![says("agent:a2", Class::Intrinsic)],
        vec![says("allocator-host-17", Class::Intrinsic)],
        vec![says("alice", Class::Intrinsic)],
        vec![says("a1", Class::Intrinsic)],
        vec![says("agent:a1", Class::Exogenous)],
        vec![says("agent:a1", Class::Endogenous)],
        vec![status("a1", "web.0", 1, TaskState::Running), says("alice", Class::Intrinsic)],
    ];
    for records in cases {
        let refused = agent.link.append(records).await.unwrap_err();
        assert!(matches!(refused, remote::Error::Refused { code: FailureCode::Forbidden, .. }), "{refused}");
    }
    assert_eq!(cell.log.watermarks().await.unwrap().high, high, "nothing was appended");
    agent.link.append(vec![says("agent:a1", Class::Intrinsic)]).await.expect("what agents say");
}

#[tokio::test]
async fn no_client_writes_under_the_name_of_an_agent_or_a_leader() {
    let cell = Cell::led().await;
    let body = json!({ "query": "mutation { setRole(input: {role: \"r\", weight: 2}) { key } }" }).to_string();
    for name in ["agent:a1", "allocator-host-17"] {
        let (status, why) = cell.post(&body, &[("x-quipu-principal", name)]).await;
        assert_eq!(status, 400, "{why}");
        assert!(why.contains("choose another principal"), "{why}");
        let mut socket = cell.socket().await;
        socket.send(json!({ "type": "connection_init", "payload": { "x-quipu-principal": name } })).await;
        assert_eq!(socket.close_code().await, 4400);
    }
}

#[tokio::test]
async fn a_later_run_of_an_agent_takes_over() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let url = || format!("http://{}", cell.addr());
    let mut first = Agent::open(url(), "a1", "d1", 1, None);
    first.expected().await;
    let mut second = Agent::open(url(), "a1", "d1", 2, None);
    second.expected().await;
    assert!(matches!(end_of(&mut first).await, remote::Error::Superseded { .. }));
}

#[tokio::test]
async fn a_connection_that_its_agent_gave_up_never_ousts_the_newer_one() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    // A gateway that stood still finds the connections in any order; here the abandoned one comes last.
    let mut newer = raw_link(&cell, "agent=a1&secret=d1&run=1&connection=2").await;
    assert!(matches!(newer.next().await, Some(Ok(Message::Binary(_)))), "it is served");
    let mut older = raw_link(&cell, "agent=a1&secret=d1&run=1&connection=1").await;
    let Some(Ok(Message::Close(Some(close)))) = older.next().await else { panic!("no close frame") };
    assert_eq!(u16::from(close.code), CLOSE_SUPERSEDED);
    let data = cell.query("agent(name: \"a1\") { connected }").await;
    assert_eq!(data["agent"]["connected"], true);
    assert!(matches!(newer.next().await, Some(Ok(Message::Binary(_)))), "it is still served");
}

#[tokio::test]
async fn an_agent_from_another_directory_is_turned_away_while_the_first_is_up() {
    let cell = Cell::led().await;
    let url = || format!("http://{}", cell.addr());
    report_from_d1(&cell).await;
    let known = DirectorySecret::new("d1").unwrap().identity();
    let data = cell.query("agent(name: \"a1\") { identity strayed }").await;
    assert_eq!(data["agent"], json!({ "identity": known, "strayed": null }));
    // No link is open: the name is taken by what the cell knows. What everyone may read of it opens no link either.
    for (secret, run) in [("d2", 7), (known.as_str(), 9)] {
        let error = end_of(&mut Agent::open(url(), "a1", secret, run, None)).await;
        assert!(matches!(error, remote::Error::IdentityTaken { .. }), "{error}");
        assert!(error.to_string().contains("give another --id, or end that one first"), "{error}");
    }
    Agent::open(url(), "a1", "d1", 1, None).expected().await;
}

#[tokio::test]
async fn of_two_directories_that_join_under_one_name_at_once_the_one_that_the_cell_refuses_loses_its_link() {
    let cell = Cell::led().await;
    // The cell knows neither when their links open, as when each has a gateway of its own.
    let mut loser = Agent::open(format!("http://{}", cell.addr()), "a1", "d2", 1, None);
    loser.expected().await;
    report_from_d1(&cell).await;
    let error = end_of(&mut loser).await;
    assert!(matches!(error, remote::Error::IdentityTaken { .. }), "{error}");
    Agent::open(format!("http://{}", cell.addr()), "a1", "d1", 1, None).expected().await;
}

#[tokio::test]
async fn of_two_links_under_one_name_of_which_the_cell_knows_neither_the_second_waits() {
    let cell = Cell::led().await;
    let mut first = raw_link(&cell, "agent=a1&secret=d1&run=1&connection=1").await;
    assert!(matches!(first.next().await, Some(Ok(Message::Binary(_)))), "it is served");
    let mut second = raw_link(&cell, "agent=a1&secret=d2&run=1&connection=1").await;
    let Some(Ok(Message::Close(Some(close)))) = second.next().await else { panic!("no close frame") };
    assert_eq!(u16::from(close.code), 1013, "not for good, after which an agent ends its tasks: {close:?}");
}

/// Has a1 join from the directory d1, as through another gateway.
async fn report_from_d1(cell: &Cell) {
    let (agent, identity) = (AgentId::new("a1").unwrap(), Some(DirectorySecret::new("d1").unwrap().identity()));
    let capacity = "cpu=8 mem=8Gi".parse().unwrap();
    let report = ReportAgentV1 { agent, capacity, attributes: [].into(), tasks_max: None, identity, strayed: None };
    cell.command("agent:a1", Command::ReportAgent(report)).await;
}

/// How a link ends for good.
async fn end_of(agent: &mut Agent) -> remote::Error {
    loop {
        match agent.next().await {
            Inbound::Ended(error) => return error,
            Inbound::Message(_) | Inbound::Connected(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A link that says of itself what the test wants.
async fn raw_link(cell: &Cell, who: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("ws://{}{LINK_PATH}?version={VERSION}&{who}", cell.addr());
    connect_async(url).await.expect("an upgrade").0
}

#[tokio::test]
async fn an_agent_that_is_ahead_of_its_log_is_told_and_one_of_another_log_is_not_served() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let mut agent = Agent::connect(&cell, "a1", None);
    agent.expected().await;
    cell.submit("web", 1).await;
    agent.decision().await;
    let was = agent.position();
    drop(agent);
    let elsewhere = Chain([7; 32]);
    // The end of the log is lost, or something else was written in its place.
    let beyond = Position { next: Offset(100_000), to: Offset(99_999), ..was };
    for lost in [beyond, Position { chain: elsewhere, ..was }] {
        let mut agent = Agent::connect(&cell, "a1", Some(lost));
        assert!(matches!(agent.next().await, Inbound::Connected(_)));
        assert!(matches!(agent.next().await, Inbound::Strayed(at) if at == lost));
        assert_eq!(agent.expected().await.len(), 1);
    }
    let other = Position { joined: (was.joined.0, elsewhere), ..beyond };
    let mut agent = Agent::connect(&cell, "a1", Some(other));
    assert!(matches!(agent.next().await, Inbound::Connected(_)));
    assert!(matches!(agent.next().await, Inbound::Disconnected(remote::Error::OtherCell { .. })));
    let mut agent = Agent::connect(&cell, "a1", Some(was));
    assert_eq!(agent.expected().await.len(), 1, "an agent that knows the log goes on");
}

#[tokio::test]
async fn samples_reach_queries_and_subscriptions() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let mut socket = cell.open_socket().await;
    socket.subscribe("s", "subscription { samples(agent: \"a1\") { agent cpuBusy memTotal } }").await;
    socket.subscribe("begun", "{ cell { name } }").await;
    assert_eq!(socket.next().await["id"], "begun");
    assert_eq!(socket.next().await["type"], "complete");
    let mut heard = cell.telemetry.subscribe();
    let mut agent = Agent::connect(&cell, "a1", None);
    agent.expected().await;
    agent.link.send(FromAgent::Telemetry { sample: sample("a1") }).await.unwrap();
    heard.recv().await.unwrap();
    let data = cell.query("agent(name: \"a1\") { connected sample { cpuTotal memUsed } }").await;
    assert_eq!(data["agent"], json!({ "connected": true, "sample": { "cpuTotal": "2000", "memUsed": "536870912" } }));
    assert_eq!(socket.data().await["samples"], json!({ "agent": "a1", "cpuBusy": "1500", "memTotal": "1073741824" }));
}

#[tokio::test]
async fn the_output_of_a_task_comes_over_its_agents_link() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("web", 1).await;
    let mut agent = Agent::connect(&cell, "a1", None);
    agent.expected().await;
    let mut socket = cell.open_socket().await;
    socket
        .subscribe(
            "l",
            "subscription { taskLog(task: \"web.0\", follow: true, fromByte: \"0\") { offset nextOffset text end } }",
        )
        .await;
    // A character is cut in two between the chunks. A line without an end is looked at twice.
    let output = "grün\n".as_bytes();
    for (from, to, end) in [(0, 3, false), (0, 3, false), (2, output.len(), true)] {
        let FromGateway::ReadLog { request, task, from: asked, .. } = agent.message().await else {
            panic!("a request")
        };
        assert_eq!(task.as_str(), "web.0");
        assert_eq!(asked, command_log::remote::protocol::ReadFrom::Byte(from));
        let bytes = Bytes::copy_from_slice(&output[usize::try_from(from).unwrap()..to]);
        let next_offset = to as u64;
        agent.link.send(FromAgent::LogChunk { request, offset: from, bytes, next_offset, end }).await.unwrap();
    }
    assert_eq!(socket.data().await["taskLog"], json!({ "offset": "0", "nextOffset": "2", "text": "gr", "end": false }));
    assert_eq!(
        socket.data().await["taskLog"],
        json!({ "offset": "2", "nextOffset": "6", "text": "ün\n", "end": true })
    );
    assert_eq!(socket.next().await, json!({ "id": "l", "type": "complete" }));
}

#[tokio::test]
async fn output_comes_byte_by_byte_whatever_the_bytes_are() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("web", 1).await;
    let mut agent = Agent::connect(&cell, "a1", None);
    agent.expected().await;
    let mut socket = cell.open_socket().await;
    socket.subscribe("l", "subscription { taskLog(task: \"web.0\", fromByte: \"0\") { text bytes } }").await;
    let FromGateway::ReadLog { request, .. } = agent.message().await else { panic!("a request") };
    let bytes = Bytes::from_static(&[0xff, 0, 0xfe, b'\n']);
    agent.link.send(FromAgent::LogChunk { request, offset: 0, bytes, next_offset: 4, end: true }).await.unwrap();
    let text = "\u{fffd}\0\u{fffd}\n";
    assert_eq!(socket.data().await["taskLog"], json!({ "text": text, "bytes": "/wD+Cg==" }));
}

#[tokio::test]
async fn output_of_an_agent_that_is_elsewhere_is_an_error_in_words() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("web", 1).await;
    let mut socket = cell.open_socket().await;
    for (task, code) in [("web.0", "AGENT_UNAVAILABLE"), ("web.7", "NOT_FOUND")] {
        socket.subscribe("l", &format!("subscription {{ taskLog(task: \"{task}\") {{ text }} }}")).await;
        let message = socket.next().await;
        assert_eq!(message["payload"][0]["extensions"]["code"], code, "{message}");
    }
}

pub fn sample(agent: &str) -> Sample {
    Sample {
        agent: AgentId::new(agent).unwrap(),
        time: TimeMs(1),
        cpu_busy_millis: 1500,
        cpu_total_millis: 2000,
        mem_used_mib: 512,
        mem_total_mib: 1024,
        disk_used_mib: 10,
        disk_total_mib: 100,
        load1_centi: 42,
        net_rx_bytes: 1,
        net_tx_bytes: 2,
        tasks: Vec::new(),
        gateway: None,
    }
}
