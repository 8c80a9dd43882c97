//! One connection of a link, from the handshake to its end.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use super::{
    BACKOFF_MIN, Config, Error, Inbound, Outgoing, Pending, Position, SharedPosition,
    protocol::{
        CLOSE_OUT_OF_RANGE, CLOSE_SUPERSEDED, CLOSE_VERSION, FromAgent, FromGateway, LINK_PATH, MESSAGE_BYTES_MAX,
        SILENCE_MS_MAX, VERSION,
    },
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How a connection ended.
pub(super) enum End {
    /// Nobody needs the link any more.
    Unused,
    /// Connecting again cannot help.
    Final(Error),
    /// The gateway does not hold the position.
    OutOfRange,
    /// Connecting again may help.
    TryAgain(Error),
}

/// Refuses a configuration that no connection can be made with.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    config.urls().try_for_each(|url| request(config, url, None).map(drop))
}

/// Connects and serves the connection; `backoff` starts over once one is open.
pub(super) async fn serve(
    config: &Config,
    url: &str,
    position: &SharedPosition,
    pending: &mut Pending,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    inbound: &mpsc::Sender<Inbound>,
    backoff: &mut Duration,
) -> End {
    let from = *position.lock().expect("nobody panics while holding a position");
    let request = match request(config, url, from) {
        Ok(request) => request,
        Err(error) => return End::Final(error),
    };
    let mut socket = match connect(request).await {
        Ok(socket) => socket,
        Err(error) => return End::TryAgain(error),
    };
    *backoff = BACKOFF_MIN;
    if inbound.send(Inbound::Connected(from)).await.is_err() {
        return End::Unused;
    }
    for message in pending.unanswered() {
        if let Err(error) = send(&mut socket, &message).await {
            return End::TryAgain(error);
        }
    }
    exchange(config, &mut socket, pending, outgoing, inbound).await
}

async fn exchange(
    config: &Config,
    socket: &mut Socket,
    pending: &mut Pending,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    inbound: &mpsc::Sender<Inbound>,
) -> End {
    let silence = Duration::from_millis(SILENCE_MS_MAX);
    let quiet = tokio::time::sleep(silence);
    tokio::pin!(quiet);
    loop {
        tokio::select! {
            message = socket.next() => {
                quiet.as_mut().reset(tokio::time::Instant::now() + silence);
                match take(config, message, pending, inbound).await {
                    Ok(()) => {}
                    Err(end) => return end,
                }
            }
            message = outgoing.recv() => {
                let message = match message {
                    None => return leave(socket).await,
                    Some(Outgoing::Append { records, reply }) => pending.add(records, reply),
                    Some(Outgoing::Message(message)) => message,
                };
                if let Err(error) = send(socket, &message).await {
                    return End::TryAgain(error);
                }
            }
            () = &mut quiet => return End::TryAgain(Error::Silent),
            () = inbound.closed() => return leave(socket).await,
        }
    }
}

/// Handles one message of the gateway; an error is the end of the connection.
async fn take(
    config: &Config,
    message: Option<Result<Message, tungstenite::Error>>,
    pending: &mut Pending,
    inbound: &mpsc::Sender<Inbound>,
) -> Result<(), End> {
    let bytes = match message {
        Some(Ok(Message::Binary(bytes))) => bytes,
        Some(Ok(Message::Close(frame))) => return Err(closed(config, frame)),
        Some(Ok(_)) => return Ok(()),
        Some(Err(source)) => return Err(End::TryAgain(Error::Broken { source: Box::new(source) })),
        None => return Err(closed(config, None)),
    };
    let message = FromGateway::decode(&bytes).map_err(|source| End::TryAgain(Error::Malformed { source }))?;
    match message {
        FromGateway::Appended { request, offsets } => pending.answer(request, Ok(offsets)),
        FromGateway::Failed { request, code, message } => {
            pending.answer(request, Err(Error::Refused { code, message }));
        }
        other @ (FromGateway::Records(_)
        | FromGateway::Watermarks { .. }
        | FromGateway::Expected { .. }
        | FromGateway::ReadLog { .. }) => {
            inbound.send(Inbound::Message(other)).await.map_err(|_| End::Unused)?;
        }
    }
    Ok(())
}

fn closed(config: &Config, frame: Option<CloseFrame>) -> End {
    let (code, reason) = frame.map_or((0, String::new()), |frame| (frame.code.into(), frame.reason.to_string()));
    match code {
        CLOSE_SUPERSEDED => End::Final(Error::Superseded { agent: config.agent.clone() }),
        CLOSE_VERSION => End::Final(Error::Version),
        CLOSE_OUT_OF_RANGE => End::OutOfRange,
        _ => End::TryAgain(Error::ClosedByGateway { code, reason }),
    }
}

async fn leave(socket: &mut Socket) -> End {
    let _ = socket.close(None).await;
    End::Unused
}

async fn send(socket: &mut Socket, message: &FromAgent) -> Result<(), Error> {
    let bytes: Bytes = message.encode();
    socket.send(Message::Binary(bytes)).await.map_err(|source| Error::Broken { source: Box::new(source) })
}

async fn connect(request: Request) -> Result<Socket, Error> {
    let limits =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let connecting = connect_async_with_config(request, Some(limits), true);
    match timeout(Duration::from_millis(SILENCE_MS_MAX), connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(source)) => Err(Error::Broken { source: Box::new(source) }),
        Err(_) => Err(Error::Silent),
    }
}

/// The handshake: the address with its query string, and the token where there is one.
fn request(config: &Config, url: &str, from: Option<Position>) -> Result<Request, Error> {
    let wrong = |why: &str| Error::Address { url: url.to_owned(), why: why.into() };
    let base = match url.split_once("://") {
        Some(("http" | "ws", rest)) => rest.trim_end_matches('/'),
        Some(("https" | "wss", _)) => return Err(wrong("links over TLS are not supported yet")),
        _ => return Err(wrong("it must start with http:// or ws://")),
    };
    let mut url = format!("ws://{base}{LINK_PATH}?version={VERSION}&agent={}", config.agent);
    if let Some(Position { next, epoch, to }) = from {
        url = format!("{url}&from={next}&epoch={epoch}&to={to}");
    }
    let mut request = url.into_client_request().map_err(|error| wrong(&error.to_string()))?;
    if let Some(token) = &config.token {
        let value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| wrong("the token is not printable"))?;
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use log_schema::{AgentId, EpochNumber, Offset};

    use super::*;

    fn config(url: &str) -> Config {
        Config { url: url.into(), agent: AgentId::new("a1").expect("a legal id"), token: Some("t".into()) }
    }

    #[test]
    fn a_link_resumes_by_its_query_string() {
        let position = Position { next: Offset(812), epoch: EpochNumber(3), to: Offset(809) };
        let request = request(&config(""), "http://127.0.0.1:7070/", Some(position)).expect("a legal address");
        assert_eq!(request.uri().to_string(), "ws://127.0.0.1:7070/v1/link?version=1&agent=a1&from=812&epoch=3&to=809");
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer t");
    }

    #[test]
    fn an_address_that_cannot_do_is_refused_before_connecting() {
        for url in ["127.0.0.1:7070", "https://cell.example", "ftp://x", "http://a b", "http://a:1,b:2"] {
            assert!(matches!(check(&config(url)), Err(Error::Address { .. })), "{url}");
        }
    }
}
