//! Output of a task in lines: no reader gets a part of one while the rest is being written.

use bytes::Bytes;
use command_log::remote::protocol::{FromAgent, FromGateway};
use serde_json::json;

use super::{cell::Cell, link::Agent};

#[tokio::test]
async fn a_line_that_is_being_written_is_given_whole_and_a_place_behind_the_output_is_refused() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("web", 1).await;
    let mut agent = Agent::connect(&cell, "a1", None);
    agent.expected().await;
    let mut socket = cell.open_socket().await;
    let ask = |byte: u32| {
        format!("subscription {{ taskLog(task: \"web.0\", follow: true, fromByte: {byte}) {{ offset text }} }}")
    };
    socket.subscribe("l", &ask(0)).await;
    for (offset, text, end) in [(0, "one\ntw", false), (4, "tw", false), (4, "two\nthr", false), (8, "three", true)] {
        let FromGateway::ReadLog { request, from, .. } = agent.message().await else { panic!("a request") };
        assert_eq!(from, command_log::remote::protocol::ReadFrom::Byte(offset));
        let (bytes, next_offset) = (Bytes::from_static(text.as_bytes()), offset + text.len() as u64);
        agent.link.send(FromAgent::LogChunk { request, offset, bytes, next_offset, end }).await.unwrap();
    }
    for (offset, text) in [("0", "one\n"), ("4", "two\n"), ("8", "three")] {
        assert_eq!(socket.data().await["taskLog"], json!({ "offset": offset, "text": text }));
    }
    assert_eq!(socket.next().await["type"], "complete");

    socket.subscribe("l", &ask(9)).await;
    let FromGateway::ReadLog { request, .. } = agent.message().await else { panic!("a request") };
    let (offset, next_offset, bytes) = (5, 5, Bytes::new());
    agent.link.send(FromAgent::LogChunk { request, offset, bytes, next_offset, end: false }).await.unwrap();
    let refused = socket.next().await.to_string();
    assert!(refused.contains("BAD_INPUT") && refused.contains("has 5 bytes so far, fewer than 9"), "{refused}");
}
