//! A gateway that goes away in the middle, and what a client makes of it.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        handshake::server::{ErrorResponse, Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::*;

type Accepted = WebSocketStream<TcpStream>;

/// Speaks the protocol, as the gateway does.
#[allow(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the signature of the library's callback")]
fn speak(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

async fn accept(listener: &TcpListener) -> Accepted {
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut socket = accept_hdr_async(stream, speak).await.expect("a handshake");
    assert_eq!(hear(&mut socket).await["type"], "connection_init");
    say(&mut socket, json!({ "type": "connection_ack" })).await;
    socket
}

async fn hear(socket: &mut Accepted) -> Value {
    let frame = socket.next().await.expect("a frame").expect("legal");
    serde_json::from_str(frame.to_text().expect("text")).expect("JSON")
}

async fn say(socket: &mut Accepted, message: Value) {
    socket.send(Frame::text(message.to_string())).await.expect("sent");
}

fn event(number: u32) -> Value {
    json!({ "type": "next", "id": "0", "payload": { "data": { "cursor": number.to_string() } } })
}

fn numbers() -> Feed {
    Feed {
        document: "subscription { events { cursor } }",
        variables: json!({ "since": "now" }),
        resume: |variables, data| variables["since"] = data["cursor"].clone(),
    }
}

async fn here(patience: Option<Duration>) -> (TcpListener, impl Future<Output = Result<Socket, Error>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let open = async move {
        let address = Address::find(Some(&url), None)?;
        Socket::open(&address, "tester", patience).await
    };
    (listener, open)
}

#[tokio::test]
async fn a_stream_goes_on_behind_its_last_item_when_the_gateway_comes_back() {
    let (listener, open) = here(None).await;
    let gateway = tokio::spawn(async move {
        let mut socket = accept(&listener).await;
        assert_eq!(hear(&mut socket).await["payload"]["variables"]["since"], "now");
        say(&mut socket, event(1)).await;
        say(&mut socket, event(2)).await;
        drop(socket);
        let mut socket = accept(&listener).await;
        let again = hear(&mut socket).await;
        say(&mut socket, event(3)).await;
        say(&mut socket, json!({ "type": "complete", "id": "0" })).await;
        again["payload"]["variables"]["since"].clone()
    });
    let mut socket = open.await.expect("connected");
    let id = socket.start(numbers()).await;
    let mut heard = Vec::new();
    while let Message::Item(_, data) = socket.next().await.expect("a message") {
        heard.push(data["cursor"].clone());
    }
    assert_eq!((id, heard), (0, vec![json!("1"), json!("2"), json!("3")]));
    assert_eq!(gateway.await.expect("no panic"), "2");
}

#[tokio::test]
async fn a_gateway_that_shuts_down_is_waited_for_like_one_that_died() {
    let (listener, open) = here(None).await;
    tokio::spawn(async move {
        let mut socket = accept(&listener).await;
        let close = CloseFrame { code: CloseCode::Away, reason: "The gateway is shutting down".into() };
        socket.send(Frame::Close(Some(close))).await.expect("sent");
        drop(socket);
        let mut socket = accept(&listener).await;
        hear(&mut socket).await;
        say(&mut socket, event(9)).await;
        std::future::pending::<()>().await;
    });
    let mut socket = open.await.expect("connected");
    socket.start(numbers()).await;
    assert_eq!(socket.next().await, Ok(Message::Item(0, json!({ "cursor": "9" }))));
}

#[tokio::test]
async fn a_gateway_that_stays_away_is_given_up_after_the_patience() {
    let (listener, open) = here(Some(Duration::ZERO)).await;
    let gateway = tokio::spawn(async move {
        drop(accept(&listener).await);
        drop(listener);
    });
    let mut socket = open.await.expect("connected");
    gateway.await.expect("no panic");
    let error = socket.next().await.expect_err("gone");
    assert!(matches!(error, Error::Away { .. }), "{error}");
    assert_eq!(error.exit_code(), crate::exit::Code::Unreachable);
}

#[tokio::test]
async fn the_error_of_one_stream_leaves_the_others_alone() {
    let (listener, open) = here(None).await;
    tokio::spawn(async move {
        let mut socket = accept(&listener).await;
        hear(&mut socket).await;
        hear(&mut socket).await;
        let error = json!({ "message": "there is no task x", "extensions": { "code": "NOT_FOUND" } });
        say(&mut socket, json!({ "type": "error", "id": "1", "payload": [error] })).await;
        say(&mut socket, event(4)).await;
        std::future::pending::<()>().await;
    });
    let mut socket = open.await.expect("connected");
    socket.start(numbers()).await;
    socket.start(numbers()).await;
    let failed = Error::Request { code: Some("NOT_FOUND".into()), message: "there is no task x".into() };
    assert_eq!(socket.next().await, Ok(Message::Failed(1, failed)));
    assert_eq!(socket.next().await, Ok(Message::Item(0, json!({ "cursor": "4" }))));
}

#[tokio::test]
async fn a_socket_that_is_refused_by_the_protocol_is_no_reason_to_try_again() {
    let (listener, open) = here(None).await;
    tokio::spawn(async move {
        let mut socket = accept(&listener).await;
        let close = CloseFrame { code: 4400.into(), reason: "Invalid message received".into() };
        socket.send(Frame::Close(Some(close))).await.expect("sent");
        std::future::pending::<()>().await;
    });
    let error = open.await.expect("connected").next().await.expect_err("closed");
    assert!(error.to_string().contains("Invalid message received (4400)"), "{error}");
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error_at_once() {
    let address = Address::find(Some("http://127.0.0.1:1"), None).expect("legal");
    let Err(error) = Socket::open(&address, "tester", None).await else { panic!("somebody is there") };
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
