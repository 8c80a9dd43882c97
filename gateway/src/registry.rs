//! Which agents are connected to this gateway, and the requests that wait for their answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use command_log::remote::protocol::{FailureCode, FromGateway, ReadFrom, Stream};
use log_schema::{AgentId, AgentIdentity, Incarnation, TaskId};
use tokio::sync::{mpsc, oneshot};

use crate::error::RequestError;

/// How long an agent may take to answer, beside the wait that it was asked for.
pub const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// The most requests that may wait for one agent.
pub const REQUESTS_PER_AGENT_MAX: usize = 64;

/// A piece of output as the agent sends it.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
    pub(crate) next_offset: u64,
    pub(crate) end: bool,
}

/// What output is wanted.
#[derive(Clone, Debug)]
pub(crate) struct ReadRequest {
    pub(crate) task: TaskId,
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) stream: Stream,
    pub(crate) from: ReadFrom,
    pub(crate) bytes_max: u32,
    pub(crate) wait_ms: u32,
}

type ChunkAnswer = Result<Chunk, (FailureCode, String)>;

/// The agents with a link to this gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agents(Arc<Mutex<Connected>>);

#[derive(Debug, Default)]
struct Connected {
    agents: BTreeMap<AgentId, Peer>,
}

/// Which link of an agent it is, by the agent's own count. The order in which connections reach a gateway says
/// nothing: a gateway that stood still finds old and new ones together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) identity: AgentIdentity,
    pub(crate) run: u64,
    pub(crate) connection: u64,
}

/// Why a link may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The agent has a newer one.
    Older,
    /// An agent of another directory has the name.
    Taken { holder: AgentIdentity },
}

#[derive(Debug)]
struct Peer {
    number: Number,
    queue: mpsc::Sender<FromGateway>,
    requests: Arc<Requests>,
    _supersede: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Requests(Mutex<(u64, BTreeMap<u64, oneshot::Sender<ChunkAnswer>>)>);

/// One link of one agent. Dropping it disconnects the agent, unless a newer link took its place.
#[derive(Debug)]
pub(crate) struct Connection {
    agents: Arc<Mutex<Connected>>,
    agent: AgentId,
    number: Number,
    requests: Arc<Requests>,
}

impl Number {
    /// Whether a link may take the place of another one.
    fn follows(&self, other: &Self) -> Result<(), Refused> {
        if self.identity != other.identity {
            return Err(Refused::Taken { holder: other.identity.clone() });
        }
        if (self.run, self.connection) < (other.run, other.connection) {
            return Err(Refused::Older);
        }
        Ok(())
    }
}

impl Agents {
    /// Notes a link. The receiver resolves when a newer link of the same agent takes its place.
    pub(crate) fn connect(
        &self,
        agent: &AgentId,
        number: Number,
        queue: mpsc::Sender<FromGateway>,
    ) -> Result<(Connection, oneshot::Receiver<()>), Refused> {
        let (supersede, superseded) = oneshot::channel();
        let requests = Arc::new(Requests::default());
        let mut connected = lock(&self.0);
        connected.agents.get(agent).map_or(Ok(()), |peer| number.follows(&peer.number))?;
        let peer = Peer { number: number.clone(), queue, requests: Arc::clone(&requests), _supersede: supersede };
        // The peer that was there is dropped, which wakes its link.
        connected.agents.insert(agent.clone(), peer);
        let connection = Connection { agents: Arc::clone(&self.0), agent: agent.clone(), number, requests };
        Ok((connection, superseded))
    }

    /// Whether an agent has a link to this gateway.
    pub(crate) fn is_connected(&self, agent: &AgentId) -> bool {
        lock(&self.0).agents.contains_key(agent)
    }

    /// How many agents have a link to this gateway.
    pub(crate) fn count(&self) -> usize {
        lock(&self.0).agents.len()
    }

    /// Asks an agent for output of a task.
    pub(crate) async fn read_log(&self, agent: &AgentId, wanted: ReadRequest) -> Result<Chunk, RequestError> {
        let unavailable = |why: &str| RequestError::Agent { why: format!("agent {agent} {why}") };
        let found = lock(&self.0).agents.get(agent).map(|peer| (peer.queue.clone(), Arc::clone(&peer.requests)));
        let (queue, requests) = found.ok_or_else(|| unavailable("is not connected to this gateway"))?;
        let (number, answer) = requests.open().ok_or_else(|| unavailable("has too many requests to answer"))?;
        let waiting = Waiting { requests, number };
        let patience = Duration::from_millis(wanted.wait_ms.into()) + ANSWER_WAIT;
        if queue.send(wanted.message(number)).await.is_err() {
            return Err(unavailable("has just disconnected"));
        }
        let answer = tokio::time::timeout(patience, answer).await;
        drop(waiting);
        match answer {
            Ok(Ok(Ok(chunk))) => Ok(chunk),
            Ok(Ok(Err((FailureCode::NotFound, _)))) => {
                Err(RequestError::NotFound { what: "output of task", id: wanted.task.to_string() })
            }
            Ok(Ok(Err((_, message)))) => Err(unavailable(&format!("said: {message}"))),
            Ok(Err(_)) => Err(unavailable("has just disconnected")),
            Err(_) => Err(unavailable("did not answer in time")),
        }
    }
}

impl ReadRequest {
    fn message(&self, request: u64) -> FromGateway {
        let Self { task, incarnation, stream, from, bytes_max, wait_ms } = self.clone();
        FromGateway::ReadLog { request, task, incarnation, stream, from, bytes_max, wait_ms }
    }
}

impl Requests {
    fn open(&self) -> Option<(u64, oneshot::Receiver<ChunkAnswer>)> {
        let (send, receive) = oneshot::channel();
        let mut requests = lock(&self.0);
        let (last, waiting) = &mut *requests;
        if waiting.len() >= REQUESTS_PER_AGENT_MAX {
            return None;
        }
        *last += 1;
        waiting.insert(*last, send);
        Some((*last, receive))
    }

    fn close(&self, number: u64) -> Option<oneshot::Sender<ChunkAnswer>> {
        lock(&self.0).1.remove(&number)
    }
}

/// A request that is forgotten when nobody waits for it any more.
struct Waiting {
    requests: Arc<Requests>,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.requests.close(self.number);
    }
}

impl Connection {
    /// Gives an answer to whoever waits for it.
    pub(crate) fn answer(&self, request: u64, answer: ChunkAnswer) {
        if let Some(waiting) = self.requests.close(request) {
            let _ = waiting.send(answer);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut connected = lock(&self.agents);
        if connected.agents.get(&self.agent).is_some_and(|peer| peer.number == self.number) {
            connected.agents.remove(&self.agent);
        }
    }
}

/// What is held here stays whole whatever panics: each change is one insertion or removal.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(identity: &str, run: u64, connection: u64) -> Number {
        Number { identity: AgentIdentity::new(identity).expect("legal"), run, connection }
    }

    fn queue() -> mpsc::Sender<FromGateway> {
        mpsc::channel(1).0
    }

    #[test]
    fn of_two_links_of_an_agent_the_one_that_it_opened_later_stays_in_whichever_order_they_come() {
        let (agents, agent) = (Agents::default(), AgentId::new("a1").expect("legal"));
        let (_newer, mut gone) = agents.connect(&agent, number("d1", 1, 7), queue()).expect("the first to begin");
        let older = agents.connect(&agent, number("d1", 1, 6), queue());
        assert_eq!(older.map(drop).expect_err("abandoned before"), Refused::Older);
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        let (_newest, mut gone_too) = agents.connect(&agent, number("d1", 1, 8), queue()).expect("the newest");
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        let (_started_again, _) = agents.connect(&agent, number("d1", 2, 1), queue()).expect("a later run");
        assert_eq!(gone_too.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn a_link_from_another_directory_waits_until_the_name_is_free() {
        let (agents, agent) = (Agents::default(), AgentId::new("a1").expect("legal"));
        let (holder, mut gone) = agents.connect(&agent, number("d1", 1, 1), queue()).expect("the first");
        let refused = agents.connect(&agent, number("d2", 9, 9), queue()).map(drop).expect_err("the name is taken");
        assert_eq!(refused, Refused::Taken { holder: AgentIdentity::new("d1").expect("legal") });
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        drop(holder);
        agents.connect(&agent, number("d2", 9, 9), queue()).expect("the name is free");
    }
}
