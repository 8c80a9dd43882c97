//! Peers that are slow, silent, deaf or too many, and how their connections end.

use std::time::Duration;

use gateway::Waits;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::cell::Cell;

/// No story waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(300);

fn soon() -> Waits {
    Waits { head: SOON, body: SOON, stalled: SOON }
}

/// All that comes until the gateway closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("it is closed in time").expect("closed well");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_head_or_a_body_that_does_not_come_is_not_waited_for() {
    let cell = Cell::led_within(soon(), 64).await;
    let heads =
        ["", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"];
    for head in heads {
        let mut stream = TcpStream::connect(cell.addr()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await.contains("alive"), head.ends_with("\r\n\r\n"), "{head}");
    }
    let mut stream = TcpStream::connect(cell.addr()).await.unwrap();
    let host = cell.addr();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("did not come"), "{said}");
}

#[tokio::test]
async fn silent_connections_lock_nobody_out() {
    let cell = Cell::led_within(Waits::default(), 32).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(cell.addr()).await.unwrap());
    }
    assert_eq!(cell.http("GET", "/healthz", &[], "").await.0, 200);
    assert_eq!(cell.query("cell { name }").await["cell"]["name"], "main");
    // The first ones made room.
    let mut all = Vec::new();
    let closed = timeout(PATIENCE, silent[0].read_to_end(&mut all)).await.expect("closed in time");
    assert!(closed.is_ok_and(|bytes| bytes == 0));
}

#[tokio::test]
async fn clients_that_are_served_leave_room_for_agents_and_health_checks() {
    let cell = Cell::led_within(Waits::default(), 32).await;
    let mut sockets = Vec::new();
    for _ in 0..24 {
        sockets.push(cell.open_socket().await);
    }
    assert_eq!(cell.post(&json!({ "query": "{ cell { name } }" }).to_string(), &[]).await.0, 503);
    assert_eq!(cell.http("GET", "/healthz", &[], "").await.0, 200);
    assert_eq!(cell.http("GET", "/readyz", &[], "").await.0, 200);
    drop(sockets.pop());
    for _ in 0..1000 {
        if cell.post(&json!({ "query": "{ cell { name } }" }).to_string(), &[]).await.0 == 200 {
            return;
        }
    }
    panic!("the place of a socket that left is not free");
}

#[tokio::test]
async fn a_socket_whose_peer_does_not_read_is_closed() {
    let cell = Cell::led_within(soon(), 64).await;
    let mut socket = cell.open_socket().await;
    let types = "types { name description fields { name description args { name description } } }";
    let large = format!("{{ a: __schema {{ {types} }} b: __schema {{ {types} }} c: __schema {{ {types} }} }}");
    for id in 0..60 {
        socket.subscribe(&id.to_string(), &large).await;
    }
    let closed = async {
        while !cell.http("GET", "/metrics", &[], "").await.1.contains("\nquipu_sockets 0\n") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, closed).await.expect("the socket is let go");
}

#[tokio::test]
async fn frames_that_cannot_be_read_are_answered_with_a_close_frame() {
    let cell = Cell::led().await;
    let mut socket = cell.open_socket().await;
    socket.send_raw(Message::text("x".repeat(100_000))).await;
    assert_eq!(socket.close_code().await, 1009);
    // Reserved bits, an unknown opcode, a frame that is not masked, text that is none.
    let frames: [(&[u8], u16); 4] = [
        (&[0xf1, 0x81, 0, 0, 0, 0, b'x'], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0x01, b'x'], 1002),
        (&[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28], 1007),
    ];
    for (bytes, code) in frames {
        let mut socket = cell.open_socket().await;
        socket.connection().write_all(bytes).await.unwrap();
        assert_eq!(socket.close_code().await, code, "{bytes:x?}");
    }
}

#[tokio::test]
async fn a_clients_close_is_echoed() {
    let cell = Cell::led().await;
    for code in [CloseCode::Normal, CloseCode::Away, CloseCode::Library(4000)] {
        let mut socket = cell.open_socket().await;
        socket.subscribe("e", "subscription { events { name } }").await;
        socket.send_raw(Message::Close(Some(CloseFrame { code, reason: "done".into() }))).await;
        let Some(Message::Close(Some(frame))) = socket.last().await else { panic!("no echo") };
        assert_eq!(frame.code, code);
        assert!(socket.last().await.is_none());
    }
}

#[tokio::test]
async fn a_principal_of_the_wrong_type_is_nobody() {
    let cell = Cell::led().await;
    let header = "x-quipu-principal";
    for payload in [
        json!({ header: 1 }),
        json!({ header: null }),
        json!({ header: ["a"] }),
        json!({ header: "" }),
        json!("a"),
        json!([1]),
    ] {
        let mut socket = cell.socket().await;
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.close_code().await, 4400, "{payload}");
    }
    let body = json!({ "query": "{ cell { name } }" }).to_string();
    for headers in [&[(header, "a"), (header, "b")][..], &[(header, "")], &[(header, "a b")]] {
        let (status, words) = cell.post(&body, headers).await;
        assert!(status == 400 && words.contains(header), "{status} {words}");
    }
}
