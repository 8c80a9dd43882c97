//! The agents' link to a gateway: appends commands, follows the filtered log, carries telemetry.
//!
//! One task owns the socket. It reconnects with a growing wait, resumes after what was obeyed, and
//! sends unanswered appends again, so a caller sees at most a delay. It decides nothing: what came in
//! is handed on in order, and the receiver judges it.

pub mod log;
pub mod protocol;
mod session;

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use log_schema::{AgentId, Chain, DirectorySecret, EpochNumber, Offset, Record};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite;

pub use log::RemoteLog;
use protocol::{FailureCode, FromAgent, FromGateway, LinkRecord};
use session::End;

/// How many messages may wait to be sent, and how many to be taken.
pub const QUEUE_MAX: usize = 1024;
/// The wait before the first reconnection; it doubles with each one that fails.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The longest wait before a reconnection.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The link failed for good, or a request on it did.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// Not an address that a link can be opened to.
    #[error("{url:?} is not the address of a gateway: {why}")]
    Address { url: String, why: String },
    /// The gateway did not append, and said why.
    #[error("the gateway said no: {message}")]
    Refused { code: FailureCode, message: String },
    /// The link's task has ended.
    #[error("the link to the gateway is closed")]
    Closed,
    /// Another process speaks for the same directory: the directory was copied.
    #[error(
        "another process speaks for agent {agent} with a copy of its directory: give each agent a directory of its own"
    )]
    Superseded { agent: AgentId },
    /// An agent of the same name works in another directory, and is up.
    #[error("the cell does not take agent {agent} from this directory: {reason}")]
    IdentityTaken { agent: AgentId, reason: String },
    /// The gateway speaks another version of the protocol.
    #[error("the gateway speaks another version of the agents' protocol than {}", protocol::VERSION)]
    Version,
    /// The connection could not be opened or broke.
    #[error("the link to the gateway broke")]
    Broken { source: Box<tungstenite::Error> },
    /// The gateway's log is not the one that the agent joined.
    #[error(
        "the log there does not hold where agent {agent} joined: another cell listens there, or this one was put back \
         to before that. In the second case delete the agent's directory, which ends its tasks"
    )]
    OtherCell { agent: AgentId },
    /// Nothing came for too long.
    #[error("nothing came from the gateway for {} ms", protocol::SILENCE_MS_MAX)]
    Silent,
    /// A message could not be read.
    #[error("the gateway sent what is not a message")]
    Malformed { source: log_schema::codec::Error },
    /// The gateway closed the link.
    #[error("the gateway closed the link: {code} {reason}")]
    ClosedByGateway { code: u16, reason: String },
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { code, .. } => code.is_transient(),
            Self::Broken { .. } | Self::OtherCell { .. } | Self::Silent | Self::ClosedByGateway { .. } => true,
            Self::Address { .. }
            | Self::Closed
            | Self::Superseded { .. }
            | Self::IdentityTaken { .. }
            | Self::Version
            | Self::Malformed { .. } => false,
        }
    }
}

/// Whose link, and where to.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway's address: `http://HOST:PORT` or `ws://HOST:PORT`. Several, with commas between them:
    /// where one does not answer or is lost, the next is tried.
    pub url: String,
    /// A file that says where the gateway is, read again before each connection: it may have moved. Those of
    /// `url` are tried after it.
    pub url_file: Option<PathBuf>,
    /// Who connects.
    pub agent: AgentId,
    /// Proves which directory it works in.
    pub secret: DirectorySecret,
    /// How often an agent was started in that directory, this time counted.
    pub run: u64,
    /// What the agent proves itself with, where the gateway asks for it.
    pub token: Option<String>,
}

impl Config {
    /// Where to connect to, by preference, as far as it is known now.
    fn urls(&self) -> Vec<String> {
        let said = self.url_file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        // A file that is not there, or is being written by hand, is no reason to give up.
        let said = said.iter().flat_map(|text| listed(text)).filter(|url| session::is_legal(self, url));
        let mut urls: Vec<String> = said.chain(listed(&self.url)).map(str::to_owned).collect();
        let mut seen = BTreeSet::new();
        urls.retain(|url| seen.insert(url.clone()));
        urls
    }
}

fn listed(urls: &str) -> impl Iterator<Item = &str> {
    urls.split(',').map(str::trim)
}

/// Where a link resumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The first log offset that was not taken.
    pub next: Offset,
    /// The epoch of the last decision that was taken.
    pub epoch: EpochNumber,
    /// The last offset that it answered.
    pub to: Offset,
    /// The chain of the log up to there.
    pub chain: Chain,
    /// Where the agent took note of the cell for the first time, and the chain up to there.
    pub joined: (Offset, Chain),
}

/// The position that the next connection starts from. Whoever obeys moves it; `None` starts afresh.
pub type SharedPosition = Arc<Mutex<Option<Position>>>;

/// What a link hands to its receiver, in order.
#[derive(Debug)]
pub enum Inbound {
    /// A connection is open; [`FromGateway::Expected`] follows. The view goes on from this position,
    /// or starts afresh right after what is expected.
    Connected(Option<Position>),
    /// The connection is gone; the link is about to try again.
    Disconnected(Error),
    /// The gateway cannot resume at the position: it was cleared, and the link starts afresh.
    OutOfRange,
    /// The cell lost what was obeyed up to this position: it was cleared, and the link starts afresh.
    Strayed(Position),
    /// A message, answers to appends aside.
    Message(FromGateway),
    /// The link has ended for good.
    Ended(Error),
}

/// The sending half of a link. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Link {
    outgoing: mpsc::Sender<Outgoing>,
}

enum Outgoing {
    Append { records: Vec<LinkRecord>, reply: Reply },
    Message(FromAgent),
}

type Reply = oneshot::Sender<Result<Vec<Offset>, Error>>;

/// Appends that were not answered yet, by number.
#[derive(Default)]
struct Pending {
    last: u64,
    appends: BTreeMap<u64, (Vec<LinkRecord>, Reply)>,
}

impl Link {
    /// Opens a link on the present runtime. What comes in waits in the receiver; when that is
    /// dropped, the link closes.
    pub fn open(config: Config, position: SharedPosition) -> Result<(Self, mpsc::Receiver<Inbound>), Error> {
        session::check(&config)?;
        let (outgoing, to_send) = mpsc::channel(QUEUE_MAX);
        let (hand_on, inbound) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(drive(config, position, to_send, hand_on));
        Ok((Self { outgoing }, inbound))
    }

    /// Appends commands in this order; resolves when they are in the log, over reconnections if need
    /// be. They may be in the log twice then.
    pub async fn append(&self, records: Vec<Record>) -> Result<Vec<Offset>, Error> {
        let (reply, answer) = oneshot::channel();
        let records = records.into_iter().map(LinkRecord::from).collect();
        self.outgoing.send(Outgoing::Append { records, reply }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Sends a message that needs no answer. It is lost where there is no connection.
    pub async fn send(&self, message: FromAgent) -> Result<(), Error> {
        self.outgoing.send(Outgoing::Message(message)).await.map_err(|_| Error::Closed)
    }
}

impl Pending {
    fn add(&mut self, records: Vec<LinkRecord>, reply: Reply) -> FromAgent {
        self.last += 1;
        let message = FromAgent::Append { request: self.last, records: records.clone() };
        self.appends.insert(self.last, (records, reply));
        message
    }

    fn unanswered(&self) -> Vec<FromAgent> {
        let append = |(request, (records, _)): (&u64, &(Vec<LinkRecord>, Reply))| FromAgent::Append {
            request: *request,
            records: records.clone(),
        };
        self.appends.iter().map(append).collect()
    }

    /// Answers every append that it is not in the log.
    fn give_up(&mut self) {
        for (_, reply) in std::mem::take(&mut self.appends).into_values() {
            let message = "the cell lost a part of its log".to_owned();
            let _ = reply.send(Err(Error::Refused { code: FailureCode::Unavailable, message }));
        }
    }

    fn answer(&mut self, request: u64, answer: Result<Vec<Offset>, Error>) {
        if let Some((_, reply)) = self.appends.remove(&request) {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(answer);
        }
    }
}

/// Connects, serves the connection to its end, waits, and again.
async fn drive(
    config: Config,
    position: SharedPosition,
    mut outgoing: mpsc::Receiver<Outgoing>,
    inbound: mpsc::Sender<Inbound>,
) {
    let mut pending = Pending::default();
    let mut backoff = BACKOFF_MIN;
    for connection in 1.. {
        let urls = config.urls();
        // The number picks the address, too: each that fails gives way to the next.
        let url = &urls[usize::try_from(connection - 1).unwrap_or_default() % urls.len()];
        let to = (url.as_str(), connection);
        let end = session::serve(&config, to, &position, &mut pending, &mut outgoing, &inbound, &mut backoff).await;
        let told = match end {
            End::Unused => return,
            End::Final(error) => {
                let _ = inbound.send(Inbound::Ended(error)).await;
                return;
            }
            End::OutOfRange => {
                *position.lock().expect("nobody panics while holding a position") = None;
                inbound.send(Inbound::OutOfRange).await
            }
            End::Strayed => {
                // They speak of starts that the log does not hold; the numbers may be given again.
                pending.give_up();
                let obeyed = position.lock().expect("nobody panics while holding a position").take();
                match obeyed {
                    Some(position) => inbound.send(Inbound::Strayed(position)).await,
                    None => Ok(()),
                }
            }
            End::TryAgain(error) => inbound.send(Inbound::Disconnected(error)).await,
        };
        if told.is_err() || !wait(jittered(backoff), &mut pending, &mut outgoing, &inbound).await {
            return;
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Between a half of the wait and all of it, by chance: agents that lost one gateway together do not knock at the
/// next one together.
fn jittered(wait: Duration) -> Duration {
    let half = wait / 2;
    let chance = RandomState::new().build_hasher().finish();
    let part = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(chance % part)
}

/// Waits without a connection: appends are kept, other messages are dropped. False: nobody needs the link.
async fn wait(
    time: Duration,
    pending: &mut Pending,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    inbound: &mpsc::Sender<Inbound>,
) -> bool {
    let over = tokio::time::sleep(time);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => return true,
            () = inbound.closed() => return false,
            message = outgoing.recv() => match message {
                None => return false,
                Some(Outgoing::Append { records, reply }) => { pending.add(records, reply); }
                Some(Outgoing::Message(_)) => {}
            },
        }
    }
}
