//! Two gateways of one cell: either has the output of every task.

use bytes::Bytes;
use command_log::{
    remote::protocol::{FailureCode, FromAgent, FromGateway},
    telemetry::Telemetry,
};
use gateway::{Config, RunningGateway};
use serde_json::{Value, json};

use super::{
    cell::Cell,
    link::{Agent, sample},
};

const FIELDS: &str = "offset nextOffset text incarnation end";

/// A cell whose clients ask another gateway than the one that the agent is connected to.
struct Apart {
    cell: Cell,
    agent: Agent,
    of_the_agent: RunningGateway,
    _projections: tempfile::TempDir,
}

async fn apart() -> Apart {
    let mut cell = Cell::led().await;
    cell.admit("a1").await;
    let submitted = cell.submit("web", 1).await;
    let mut agent = Agent::connect(&cell, "a1", None);
    agent.expected().await;
    let mut heard = cell.telemetry.subscribe();
    agent.link.send(FromAgent::Telemetry { sample: sample("a1") }).await.unwrap();
    heard.recv().await.unwrap();
    let projections = tempfile::tempdir().unwrap();
    let config = Config::new(cell.log.clone(), cell.telemetry.clone(), projections.path());
    let other = gateway::serve(config).await.expect("a second gateway");
    let of_the_agent = cell.gateway.replace(other).expect("a first gateway");
    cell.read().await;
    cell.query(&format!("usage(minOffset: {}) {{ asOf }}", submitted["decisionOffset"])).await;
    Apart { cell, agent, of_the_agent, _projections: projections }
}

async fn ask(cell: &Cell, arguments: &str) -> super::cell::Socket {
    let mut socket = cell.open_socket().await;
    socket.subscribe("l", &format!("subscription {{ taskLog(task: \"web.0\", {arguments}) {{ {FIELDS} }} }}")).await;
    socket
}

async fn asked(agent: &mut Agent) -> (u64, Value) {
    loop {
        if let FromGateway::ReadLog { request, task, stream, from, .. } = agent.message().await {
            return (request, json!([task, format!("{stream:?}"), format!("{from:?}")]));
        }
    }
}

#[tokio::test]
async fn output_comes_through_whichever_gateway_is_asked() {
    let Apart { cell, mut agent, of_the_agent: _kept, .. } = apart().await;
    let mut socket = ask(&cell, "stream: STDERR, follow: true, fromByte: \"3\"").await;
    // A line without an end is given once nothing was added to it.
    for (from, text, end, is_given) in [(3, "grün", false, false), (3, "grün", false, true), (8, "\n", true, true)] {
        let (request, what) = asked(&mut agent).await;
        assert_eq!(what, json!(["web.0", "Stderr", format!("Byte({from})")]));
        let (bytes, next_offset) = (Bytes::copy_from_slice(text.as_bytes()), from + text.len() as u64);
        agent.link.send(FromAgent::LogChunk { request, offset: from, bytes, next_offset, end }).await.unwrap();
        if !is_given {
            continue;
        }
        let piece = socket.data().await["taskLog"].clone();
        assert_eq!(
            (&piece["offset"], &piece["text"], &piece["end"]),
            (&json!(from.to_string()), &json!(text), &json!(end))
        );
        assert_eq!(piece["nextOffset"], json!(next_offset.to_string()));
    }
    assert_eq!(socket.next().await, json!({ "id": "l", "type": "complete" }));
}

#[tokio::test]
async fn what_the_agent_does_not_have_it_does_not_have_anywhere() {
    let Apart { cell, mut agent, of_the_agent: _kept, .. } = apart().await;
    let mut socket = ask(&cell, "tailLines: 2").await;
    let (request, what) = asked(&mut agent).await;
    assert_eq!(what[2], "LastLines(2)");
    let failed = FromAgent::LogFailed { request, code: FailureCode::NotFound, message: "no such file".into() };
    agent.link.send(failed).await.unwrap();
    let message = socket.next().await.to_string();
    assert!(message.contains("NOT_FOUND"), "{message}");
}

#[tokio::test]
async fn an_agent_that_left_the_other_gateway_is_told_to_be_away_and_nobody_asks_in_a_circle() {
    let Apart { cell, agent, of_the_agent, .. } = apart().await;
    drop(agent);
    let mut socket = ask(&cell, "follow: true").await;
    let message = socket.next().await.to_string();
    assert!(message.contains("AGENT_UNAVAILABLE") && message.contains("a1"), "{message}");
    of_the_agent.stop().await.expect("it served well");
    let mut socket = ask(&cell, "follow: true").await;
    let message = socket.next().await.to_string();
    assert!(message.contains("AGENT_UNAVAILABLE") && message.contains("cannot be asked"), "{message}");
}

#[tokio::test]
async fn no_gateway_asks_beyond_this_machine_or_where_it_was_told_not_to() {
    let Apart { cell, agent: _kept, of_the_agent: _kept_too, .. } = apart().await;
    for url in [
        "http://192.0.2.1:80#g",
        "https://127.0.0.1:1#g",
        "127.0.0.1:1#g",
        "http://localhost:1#g",
        "http://127.0.0.1:1",
    ] {
        cell.telemetry.publish(command_log::telemetry::Sample { gateway: Some(url.into()), ..sample("a1") });
        let mut socket = ask(&cell, "follow: true").await;
        let message = socket.next().await.to_string();
        assert!(message.contains("is not connected to this gateway"), "{url}: {message}");
    }
}

#[tokio::test]
async fn a_gateway_that_listens_by_now_where_another_one_did_gives_no_output_of_its_own() {
    let Apart { cell, agent: _kept, of_the_agent, .. } = apart().await;
    let address = of_the_agent.local_addr();
    let url = format!("http://{address}#another");
    cell.telemetry.publish(command_log::telemetry::Sample { gateway: Some(url), ..sample("a1") });
    let mut socket = ask(&cell, "follow: true").await;
    let message = socket.next().await.to_string();
    assert!(message.contains("is not the gateway that was meant"), "{message}");
}
