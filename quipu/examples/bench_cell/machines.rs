//! Machines without agents behind them, and work for them.

use std::{
    collections::BTreeMap,
    net::TcpStream,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use command_log::remote::protocol::{FromAgent, FromGateway, LINK_PATH, VERSION};
use log_schema::{AgentId, Class, Command, Envelope, Key, Principal, Resources, command::ReportAgentV1};
use serde_json::json;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    Size,
    bed::{accept, job},
    cell::{Client, events::Follower, wait_for},
};

/// What one machine of the placement workload has, and what one of its tasks needs.
const MACHINE: &str = "cpu=64 mem=262144Mi";
pub const TASK: &str = "cpu=0.1 mem=64Mi";
/// How many connections report machines or submit jobs.
const CONNECTIONS: u32 = 4;
/// How long a machine waits for the gateway.
const LINK_WAIT: Duration = Duration::from_secs(10);

/// Reports so many machines, and waits until the cell has them.
pub fn join(client: &Client, machines: u32) {
    let url = client.url().expect("the cell is ready");
    in_parallel(CONNECTIONS, machines, |n| report(&url, n));
    wait_for("every machine to be admitted", || {
        let agents = client.ask("{ agents(first: 1000) { nodes { name } } }", json!({})).expect("an answer");
        (agents["agents"]["nodes"].as_array().map(Vec::len) == usize::try_from(machines).ok()).then_some(())
    });
}

/// Submits the jobs of the placement workload, and waits until a follower of placements has seen each task once;
/// returns how long that took from the first to the last.
pub fn fill(client: &Client, follower: &Follower, size: &Size) -> Duration {
    let wanted = usize::try_from(size.large_jobs * size.tasks_per_job).expect("few tasks");
    in_parallel(CONNECTIONS, size.large_jobs, |n| accept(client, &job(&format!("j{n}"), size.tasks_per_job, TASK)));
    let (mut names, took) = follower.wait("every task to be placed", |seen| {
        let took = (seen.len() >= wanted).then(|| seen[seen.len() - 1].at - seen[0].at)?;
        Some((seen.iter().map(|seen| seen.event["task"].to_string()).collect::<Vec<_>>(), took))
    });
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), wanted, "each task is placed, once");
    took
}

/// Does something for each number below `end`, so many at a time, in the order of the numbers.
pub fn in_parallel(at_once: u32, end: u32, work: impl Fn(u32) + Sync) {
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(n) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < end) {
                    work(n);
                }
            });
        }
    });
}

/// Says over a link of its own, as an agent would, that there is a machine.
fn report(url: &str, number: u32) {
    let id = format!("m{number:04}");
    let agent = AgentId::new(&id).expect("a legal id");
    let capacity: Resources = MACHINE.parse().expect("legal resources");
    let report =
        ReportAgentV1 { agent, capacity, attributes: BTreeMap::new(), tasks_max: None, identity: None, strayed: None };
    let envelope = Envelope {
        principal: Principal::new(format!("agent:{id}")).expect("a legal name"),
        key: Key::new("report").expect("a legal key"),
        caused_by: None,
        class: Class::Exogenous,
    };
    let record = Command::ReportAgent(report).to_record(&envelope);
    let authority = url.strip_prefix("http://").expect("an address");
    let stream = TcpStream::connect(authority).expect("the gateway listens");
    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LINK_WAIT))).expect("a socket");
    let link = format!("ws://{authority}{LINK_PATH}?version={VERSION}&agent={id}&secret={id}&run=1&connection=1");
    let (mut socket, _) = tungstenite::client(link, stream).expect("the gateway takes links");
    let append = FromAgent::Append { request: 1, records: vec![record.into()] };
    socket.send(Message::Binary(append.encode())).expect("the link holds");
    loop {
        let Message::Binary(bytes) = socket.read().expect("the link holds") else { continue };
        match FromGateway::decode(&bytes).expect("a message of a gateway") {
            FromGateway::Appended { .. } => break,
            FromGateway::Failed { message, .. } => panic!("machine {id} was not taken: {message}"),
            _ => {}
        }
    }
    let _ = socket.close(None);
}
