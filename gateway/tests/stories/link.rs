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
        protocol::{ExpectedTask, FailureCode, FromAgent, FromGateway, LinkStored},
    },
    telemetry::{Sample, Telemetry},
};
use log_schema::{
    AgentId, Class, Command, DecisionV1, Envelope, EpochNumber, EpochV1, Event, Incarnation, Key, Kind, Offset,
    Principal, Record, TaskId, TimeMs, codec,
    command::{RemoveAgentV1, StopJobV1, UpdateTaskStatusV1},
    task::TaskState,
};
use serde_json::json;
use tokio::sync::mpsc;

use super::{cell::Cell, leader};

/// An agent on its link.
pub struct Agent {
    pub link: Link,
    inbound: mpsc::Receiver<Inbound>,
    position: SharedPosition,
    reader: (EpochNumber, Option<Offset>, Offset),
}

impl Agent {
    pub fn connect(cell: &Cell, agent: &str, position: Option<Position>) -> Self {
        Self::connect_to(cell.addr(), agent, position)
    }

    pub fn connect_to(gateway: SocketAddr, agent: &str, position: Option<Position>) -> Self {
        let url = format!("http://{gateway}");
        let config = remote::Config { url, agent: AgentId::new(agent).unwrap(), token: None };
        let shared: SharedPosition = Arc::new(Mutex::new(position));
        let (link, inbound) = Link::open(config, shared.clone()).expect("a legal address");
        let reader = position.map_or_else(Default::default, |at| (at.epoch, Some(at.to), at.next));
        Self { link, inbound, position: shared, reader }
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
        let FromGateway::Expected { epoch, to, tasks } = self.message().await else { panic!("not first") };
        if self.position.lock().unwrap().is_none() {
            self.reader = (epoch, to, Offset(0));
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
                Some(decision)
            }
            other => panic!("{other} is not for agents"),
        }
    }

    fn position(&self) -> Position {
        let (epoch, to, next) = self.reader;
        Position { next, epoch, to: to.expect("something was decided") }
    }
}

fn command(agent: &str, key: &str, command: Command) -> Record {
    let principal = Principal::new(format!("agent:{agent}")).unwrap();
    command.to_record(&Envelope { principal, key: Key::new(key).unwrap(), caused_by: None, class: Class::Intrinsic })
}

fn status(agent: &str, task: &str, incarnation: u64, state: TaskState) -> Record {
    let update = UpdateTaskStatusV1 {
        task: TaskId::new(task).unwrap(),
        incarnation: Incarnation(incarnation),
        agent: AgentId::new(agent).unwrap(),
        state,
        end: None,
        observed: TimeMs(1),
    };
    command(agent, &format!("{task}-{}", state.name()), Command::UpdateTaskStatus(update))
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
    assert_eq!(
        agent.expected().await,
        [ExpectedTask { task: TaskId::new("web.0").unwrap(), incarnation: Incarnation(1) }]
    );
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
async fn an_agent_may_append_only_about_itself() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let agent = Agent::connect(&cell, "a1", None);
    let high = cell.log.watermarks().await.unwrap().high;
    let remove = |agent: &str| Command::RemoveAgent(RemoveAgentV1 { agent: AgentId::new(agent).unwrap() });
    let stop = Command::StopJob(StopJobV1 { job: log_schema::JobId::new("web").unwrap() });
    let epoch = EpochV1 { epoch: EpochNumber(2), node: Principal::new("evil").unwrap(), logic_version: 1 };
    let cases = [
        vec![command("a1", "k1", stop)],
        vec![command("a1", "k2", remove("a2"))],
        vec![status("a2", "web.0", 1, TaskState::Running)],
        vec![epoch.to_record()],
        vec![Record { kind: 999, version: 1, payload: Bytes::new() }],
        vec![command("a1", "k3", remove("a1")), command("a1", "k4", remove("a2"))],
    ];
    for records in cases {
        let refused = agent.link.append(records).await.unwrap_err();
        assert!(matches!(refused, remote::Error::Refused { code: FailureCode::Forbidden, .. }), "{refused}");
    }
    assert_eq!(cell.log.watermarks().await.unwrap().high, high, "nothing was appended");
    agent.link.append(vec![command("a1", "k5", remove("a1"))].clone()).await.expect("its own removal");
}

#[tokio::test]
async fn a_newer_link_of_an_agent_takes_over() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let mut first = Agent::connect(&cell, "a1", None);
    first.expected().await;
    let mut second = Agent::connect(&cell, "a1", None);
    second.expected().await;
    loop {
        match first.next().await {
            Inbound::Ended(remote::Error::Superseded { .. }) => break,
            Inbound::Message(_) | Inbound::Connected(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_agent_from_another_log_starts_afresh() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let far = Position { next: Offset(100_000), epoch: EpochNumber(7), to: Offset(99_999) };
    let mut agent = Agent::connect(&cell, "a1", Some(far));
    assert!(matches!(agent.next().await, Inbound::Connected(_)));
    assert!(matches!(agent.next().await, Inbound::OutOfRange));
    agent.expected().await;
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
    // A character is cut in two between the chunks.
    let output = "grün\n".as_bytes();
    for (from, to, end) in [(0, 3, false), (2, output.len(), true)] {
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
