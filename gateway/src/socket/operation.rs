//! The operations that run on one socket, each in a task of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_graphql::{Response, ServerError, Value};
use futures_util::StreamExt;
use tokio::{sync::mpsc, task::AbortHandle};

use super::protocol::{self, Close, ToClient};
use crate::{gateway::Gateway, guard, identity::Caller};

/// The most operations that run on one socket at a time.
pub const OPERATIONS_PER_SOCKET_MAX: usize = 64;
/// The longest id of an operation, in bytes.
pub const OPERATION_ID_BYTES_MAX: usize = 128;

type Running = Arc<Mutex<BTreeMap<String, Option<AbortHandle>>>>;

/// The operations of one socket. Dropping this ends them all.
pub(super) struct Operations {
    gateway: Arc<Gateway>,
    queue: mpsc::Sender<String>,
    running: Running,
}

impl Operations {
    pub(super) fn new(gateway: Arc<Gateway>, queue: mpsc::Sender<String>) -> Self {
        Self { gateway, queue, running: Running::default() }
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
            let refused = [ServerError::new(why, None)];
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
        let (gateway, queue, running) = (Arc::clone(&self.gateway), self.queue.clone(), Arc::clone(&self.running));
        let of = id.clone();
        let task = tokio::spawn(async move {
            let last = run(&gateway, &queue, &id, request).await;
            // The id is free before the client hears of it.
            lock(&running).remove(&id);
            let _ = queue.send(last).await;
        });
        if let Some(slot) = lock(&self.running).get_mut(&of) {
            *slot = Some(task.abort_handle());
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
    gateway: &Arc<Gateway>,
    queue: &mpsc::Sender<String>,
    id: &str,
    request: async_graphql::Request,
) -> String {
    let prepared = match guard::prepare(request) {
        Ok(prepared) => prepared,
        Err(error) => return ToClient::Error { id, payload: &[error] }.to_text(),
    };
    if !prepared.is_subscription {
        let response = gateway.execute(prepared.request).await;
        return match next(queue, id, &response).await {
            Some(failed) => failed,
            None => ToClient::Complete { id }.to_text(),
        };
    }
    let _held = gateway.metrics.subscriptions.hold();
    let mut responses = gateway.stream(prepared.request);
    while let Some(response) = responses.next().await {
        if let Some(failed) = next(queue, id, &response).await {
            return failed;
        }
    }
    ToClient::Complete { id }.to_text()
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
