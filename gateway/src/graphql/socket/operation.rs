//! The operations that run on one socket, each in a task of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_graphql::{Response, Value};
use futures_util::StreamExt;
use tokio::{
    sync::{Semaphore, mpsc},
    task::AbortHandle,
};

use super::protocol::{self, Close, ToClient};
use crate::{
    budget::{self, Budget},
    error::RequestError,
    graphql::{
        Door, answer,
        error::{no_answer, server_error},
        guard::{self, Kind, Prepared},
    },
    identity::Caller,
};

/// The most operations that run on one socket at a time.
pub const OPERATIONS_PER_SOCKET_MAX: usize = 64;
/// The most queries and mutations of one socket that are executed at a time, so that a socket leaves places to others.
pub const TURNS_PER_SOCKET_MAX: usize = 8;
/// The most subscriptions of a gateway.
pub const STREAMS_MAX: u64 = 4096;
/// The longest id of an operation, in bytes.
pub const OPERATION_ID_BYTES_MAX: usize = 128;

type Running = Arc<Mutex<BTreeMap<String, Option<AbortHandle>>>>;

/// The operations of one socket. Dropping this ends them all.
pub(super) struct Operations {
    door: Arc<Door>,
    queue: mpsc::Sender<String>,
    running: Running,
    turns: Arc<Semaphore>,
}

impl Operations {
    pub(super) fn new(door: Arc<Door>, queue: mpsc::Sender<String>) -> Self {
        Self { door, queue, running: Running::default(), turns: Arc::new(Semaphore::new(TURNS_PER_SOCKET_MAX)) }
    }

    /// Starts an operation, or answers why not.
    pub(super) async fn start(
        &self,
        id: String,
        request: async_graphql::Request,
        caller: &Caller,
    ) -> Result<(), Close> {
        if id.len() > OPERATION_ID_BYTES_MAX {
            return Err(protocol::MALFORMED);
        }
        let is_full = {
            let mut running = lock(&self.running);
            if running.contains_key(&id) {
                return Err(protocol::DUPLICATE);
            }
            let is_full = running.len() >= OPERATIONS_PER_SOCKET_MAX;
            if !is_full {
                running.insert(id.clone(), None);
            }
            is_full
        };
        if is_full {
            let why = format!("{OPERATIONS_PER_SOCKET_MAX} operations run on this socket, and no more may");
            let refused = [server_error(RequestError::Busy { why })];
            let _ = self.queue.send(ToClient::Error { id: &id, payload: &refused }.to_text()).await;
            return Ok(());
        }
        self.spawn(id, request.data(caller.clone()));
        Ok(())
    }

    /// Ends an operation; one that has ended already is no error.
    pub(super) fn stop(&self, id: &str) {
        if let Some(Some(task)) = lock(&self.running).remove(id) {
            task.abort();
        }
    }

    fn spawn(&self, id: String, request: async_graphql::Request) {
        let (door, queue, running) = (Arc::clone(&self.door), self.queue.clone(), Arc::clone(&self.running));
        let turns = Arc::clone(&self.turns);
        let of = id.clone();
        let task = self.door.desk.queries.spawn_detached(async move {
            let last = run(&door, &queue, &turns, &id, request).await;
            // The id is free before the client hears of it.
            lock(&running).remove(&id);
            let _ = queue.send(last).await;
        });
        if let Some(slot) = lock(&self.running).get_mut(&of) {
            *slot = Some(task);
        }
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        for task in std::mem::take(&mut *lock(&self.running)).into_values().flatten() {
            task.abort();
        }
    }
}

/// Runs an operation to its end; returns the message that says so.
async fn run(
    door: &Door,
    queue: &mpsc::Sender<String>,
    turns: &Semaphore,
    id: &str,
    request: async_graphql::Request,
) -> String {
    let prepared = match guard::prepare(request) {
        Ok(prepared) => prepared,
        Err(error) => return ToClient::Error { id, payload: &answer::errors(vec![error]) }.to_text(),
    };
    if let Err(error) = door.desk.rows.check() {
        return ToClient::Error { id, payload: &[server_error(error)] }.to_text();
    }
    let failed = match prepared.kind {
        Kind::Query | Kind::Mutation => {
            let _turn = turns.acquire().await;
            let response = door.execute(prepared).await;
            next(queue, id, &response).await
        }
        Kind::Subscription => stream(door, queue, id, prepared).await,
    };
    failed.unwrap_or_else(|| ToClient::Complete { id }.to_text())
}

/// Runs a subscription to its end; returns the message that says that it failed, if it did.
async fn stream(door: &Door, queue: &mpsc::Sender<String>, id: &str, prepared: Prepared) -> Option<String> {
    let Some(_held) = door.desk.metrics.subscriptions.take(STREAMS_MAX) else {
        let why = format!("{STREAMS_MAX} subscriptions run on this gateway, and no more may; try again later");
        return next(queue, id, &no_answer(RequestError::Busy { why })).await;
    };
    let budget = Budget::new(door.desk.queries.for_reads());
    let mut responses = door.stream(prepared.request);
    while let Some(response) = budget.within(responses.next()).await {
        let is_spent = budget.is_spent();
        let response = if is_spent { no_answer(budget::answer_too_large()) } else { answer::bounded(response) };
        let failed = next(queue, id, &response).await;
        if failed.is_some() {
            return failed;
        }
        budget.renew();
    }
    None
}

/// Queues a result. Errors without any data end the operation: the message that says so is returned.
async fn next(queue: &mpsc::Sender<String>, id: &str, response: &Response) -> Option<String> {
    if response.data == Value::Null && !response.errors.is_empty() {
        return Some(ToClient::Error { id, payload: &response.errors }.to_text());
    }
    let _ = queue.send(ToClient::Next { id, payload: response }.to_text()).await;
    None
}

fn lock(running: &Running) -> MutexGuard<'_, BTreeMap<String, Option<AbortHandle>>> {
    running.lock().expect("nobody panics while holding the operations")
}
