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
        CLOSE_IDENTITY_TAKEN, CLOSE_OTHER_CELL, CLOSE_OUT_OF_RANGE, CLOSE_STRAYED, CLOSE_SUPERSEDED, CLOSE_VERSION,
        FromAgent, FromGateway, LINK_PATH, MESSAGE_BYTES_MAX, SILENCE_MS_MAX, VERSION,
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
    /// The log does not hold what was obeyed last.
    Strayed,
    /// Connecting again may help.
    TryAgain(Error),
}

/// Refuses a configuration that no connection can be made with.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    super::listed(&config.url).try_for_each(|url| request(config, url, 0, None).map(drop))
}

/// Whether a connection can be tried to this address.
pub(super) fn is_legal(config: &Config, url: &str) -> bool {
    request(config, url, 0, None).is_ok()
}

/// Connects and serves the connection; `backoff` starts over once the gateway has begun to serve it.
pub(super) async fn serve(
    config: &Config,
    (url, connection): (&str, u64),
    position: &SharedPosition,
    pending: &mut Pending,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    inbound: &mpsc::Sender<Inbound>,
    backoff: &mut Duration,
) -> End {
    let from = *position.lock().expect("nobody panics while holding a position");
    let request = match request(config, url, connection, from) {
        Ok(request) => request,
        Err(error) => return End::Final(error),
    };
    let mut socket = match connect(request).await {
        Ok(socket) => socket,
        Err(error) => return End::TryAgain(error),
    };
    if inbound.send(Inbound::Connected(from)).await.is_err() {
        return End::Unused;
    }
    for message in pending.unanswered() {
        if let Err(error) = send(&mut socket, &message).await {
            return End::TryAgain(error);
        }
    }
    exchange(config, &mut socket, pending, outgoing, inbound, backoff).await
}

async fn exchange(
    config: &Config,
    socket: &mut Socket,
    pending: &mut Pending,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    inbound: &mpsc::Sender<Inbound>,
    backoff: &mut Duration,
) -> End {
    let silence = Duration::from_millis(SILENCE_MS_MAX);
    let quiet = tokio::time::sleep(silence);
    tokio::pin!(quiet);
    loop {
        tokio::select! {
            message = socket.next() => {
                quiet.as_mut().reset(tokio::time::Instant::now() + silence);
                match take(config, message, pending, inbound, backoff).await {
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
    backoff: &mut Duration,
) -> Result<(), End> {
    let bytes = match message {
        Some(Ok(Message::Binary(bytes))) => bytes,
        Some(Ok(Message::Close(frame))) => return Err(closed(config, frame)),
        Some(Ok(_)) => return Ok(()),
        Some(Err(source)) => return Err(End::TryAgain(Error::Broken { source: Box::new(source) })),
        None => return Err(closed(config, None)),
    };
    let message = FromGateway::decode(&bytes).map_err(|source| End::TryAgain(Error::Malformed { source }))?;
    if matches!(message, FromGateway::Expected { .. }) {
        // Not when the socket opens: a gateway that turns agents away must not be asked again and again at once.
        *backoff = BACKOFF_MIN;
    }
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
        CLOSE_IDENTITY_TAKEN => End::Final(Error::IdentityTaken { agent: config.agent.clone(), reason }),
        CLOSE_VERSION => End::Final(Error::Version),
        CLOSE_OUT_OF_RANGE => End::OutOfRange,
        CLOSE_STRAYED => End::Strayed,
        // The agent's own cell may listen elsewhere, or again later.
        CLOSE_OTHER_CELL => End::TryAgain(Error::OtherCell { agent: config.agent.clone() }),
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
fn request(config: &Config, url: &str, connection: u64, from: Option<Position>) -> Result<Request, Error> {
    let wrong = |why: &str| Error::Address { url: url.to_owned(), why: why.into() };
    let base = match url.split_once("://") {
        Some(("http" | "ws", rest)) => rest.trim_end_matches('/'),
        Some(("https" | "wss", _)) => return Err(wrong("links over TLS are not supported yet")),
        _ => return Err(wrong("it must start with http:// or ws://")),
    };
    let Config { agent, secret, run, .. } = config;
    let who = format!("agent={agent}&secret={}&run={run}&connection={connection}", secret.reveal());
    let mut url = format!("ws://{base}{LINK_PATH}?version={VERSION}&{who}");
    if let Some(Position { next, epoch, to, chain, joined: (joined, joined_chain) }) = from {
        let place = format!("from={next}&epoch={epoch}&to={to}&chain={chain}");
        url = format!("{url}&{place}&joined={joined}&joined_chain={joined_chain}");
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
    use log_schema::{AgentId, Chain, DirectorySecret, EpochNumber, Offset};

    use super::*;

    fn config(url: &str) -> Config {
        let (agent, secret) = (AgentId::new("a1").expect("a legal id"), DirectorySecret::new("d1").expect("legal"));
        Config { url: url.into(), url_file: None, agent, secret, run: 4, token: Some("t".into()) }
    }

    #[test]
    fn a_link_resumes_by_its_query_string() {
        let (to, chain) = (Offset(809), Chain([7; 32]));
        let position =
            Position { next: Offset(812), epoch: EpochNumber(3), to, chain, joined: (Offset(5), Chain::default()) };
        let request = request(&config(""), "http://127.0.0.1:7070/", 2, Some(position)).expect("a legal address");
        let wanted =
            "ws://127.0.0.1:7070/v1/link?version=2&agent=a1&secret=d1&run=4&connection=2&from=812&epoch=3&to=809";
        let chains = format!("&chain={chain}&joined=5&joined_chain={}", Chain::default());
        assert_eq!(request.uri().to_string(), format!("{wanted}{chains}"));
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer t");
    }

    #[test]
    fn an_address_that_cannot_do_is_refused_before_connecting() {
        for url in ["127.0.0.1:7070", "https://cell.example", "ftp://x", "http://a b", "http://a:1,b:2"] {
            assert!(matches!(check(&config(url)), Err(Error::Address { .. })), "{url}");
        }
    }
}
