//! `graphql-transport-ws`, to the letter.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::cell::Cell;

#[tokio::test]
async fn sockets_are_closed_with_the_codes_of_the_protocol() {
    let cell = Cell::led().await;
    let init = || json!({ "type": "connection_init" });
    let subscribe =
        || json!({ "id": "1", "type": "subscribe", "payload": { "query": "subscription { events { name } }" } });
    let cases = [
        (vec![json!("no object")], 4400),
        (vec![json!({ "type": "start" })], 4400),
        (vec![json!({ "type": "subscribe", "payload": {} })], 4400),
        (vec![init(), json!({ "id": "", "type": "subscribe", "payload": { "query": "{ cell { name } }" } })], 4400),
        (vec![subscribe()], 4401),
        (vec![init(), subscribe(), subscribe()], 4409),
        (vec![init(), init()], 4429),
        (vec![json!({ "type": "connection_init", "payload": [1] })], 4400),
        (vec![json!({ "type": "connection_init", "payload": { "x-quipu-principal": "a b" } })], 4400),
    ];
    for (messages, code) in cases {
        let mut socket = cell.socket().await;
        for message in &messages {
            socket.send(message.clone()).await;
        }
        assert_eq!(socket.close_code().await, code, "{messages:?}");
    }
    let mut socket = cell.socket().await;
    socket.send_raw(Message::binary(vec![1])).await;
    assert_eq!(socket.close_code().await, 4400);
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed() {
    let cell = Cell::led().await;
    let mut socket = cell.socket().await;
    assert_eq!(socket.close_code().await, 4408);
}

#[tokio::test]
async fn another_subprotocol_is_not_spoken() {
    let cell = Cell::led().await;
    let mut socket = cell.socket_with(&[]).await;
    assert_eq!(socket.close_code().await, 4406);
}

#[tokio::test]
async fn queries_and_mutations_run_over_sockets_too_and_complete() {
    let cell = Cell::led().await;
    let mut socket = cell.open_socket().await;
    socket.subscribe("m", "mutation { setRole(input: {role: \"ops\", weight: 2}) { role { weight } } }").await;
    assert_eq!(socket.data().await, json!({ "setRole": { "role": { "weight": 2 } } }));
    assert_eq!(socket.next().await, json!({ "id": "m", "type": "complete" }));
    socket.subscribe("m", "{ roles { nodes { name } } }").await;
    assert_eq!(socket.data().await["roles"]["nodes"], json!([{ "name": "ops" }]));
    assert_eq!(socket.next().await, json!({ "id": "m", "type": "complete" }));
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn a_document_that_is_not_valid_ends_its_operation_only() {
    let cell = Cell::led().await;
    let mut socket = cell.open_socket().await;
    for document in ["subscription { nothing }", "{", "{ cell { name } ...a } fragment a on Query { ...a }"] {
        socket.subscribe("x", document).await;
        let message = socket.next().await;
        assert_eq!((&message["id"], &message["type"]), (&json!("x"), &json!("error")), "{message}");
    }
    socket.subscribe("x", "{ cell { name } }").await;
    assert_eq!(socket.data().await["cell"]["name"], "main");
}

#[tokio::test]
async fn a_stopped_operation_frees_its_id() {
    let cell = Cell::led().await;
    let mut socket = cell.open_socket().await;
    for _ in 0..100 {
        socket.subscribe("e", "subscription { events { name } }").await;
        socket.send(json!({ "id": "e", "type": "complete" })).await;
    }
    socket.subscribe("e", "{ cell { name } }").await;
    assert_eq!(socket.data().await["cell"]["name"], "main");
}

#[tokio::test]
async fn one_socket_runs_a_bounded_number_of_operations() {
    let cell = Cell::led().await;
    let mut socket = cell.open_socket().await;
    for operation in 0..65 {
        socket.subscribe(&operation.to_string(), "subscription { events { name } }").await;
    }
    let message = socket.next().await;
    assert_eq!((&message["id"], &message["type"]), (&json!("64"), &json!("error")));
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_on_its_sockets() {
    let mut cell = Cell::led().await;
    let mut socket = cell.open_socket().await;
    let stopping = cell.gateway.take().unwrap().stop();
    let (stopped, code) = tokio::join!(stopping, socket.close_code());
    stopped.expect("it served well");
    assert_eq!(code, 1001);
}
