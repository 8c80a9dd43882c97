//! The threads that requests run on, apart from those of the link, the log and the ticks.
//!
//! What a client asks for may take all of these threads, and nothing but other clients' requests is late then.
//! Requests take turns: each gives its thread away every few milliseconds, and places are given in the order of
//! coming.

use std::{sync::Arc, thread::available_parallelism};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
    task::{AbortHandle, JoinHandle},
};

use crate::metrics::{Gauge, Held};

/// The most queries that are executed at a time; the others wait for a place.
pub const QUERIES_MAX: usize = 32;
/// The most mutations that wait for the cell at a time.
pub const MUTATIONS_MAX: usize = 1024;
/// The most requests at a time, those that wait included.
pub const REQUESTS_MAX: u64 = 2048;
/// The most threads of queries: half of the processors, within 1 and this.
pub const THREADS_MAX: usize = 4;

/// Where requests run.
#[derive(Debug)]
pub(crate) struct Queries {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    queries: Arc<Semaphore>,
    mutations: Arc<Semaphore>,
    requests: Gauge,
}

/// Work on the threads of queries. Dropping it ends the work at its next pause.
#[derive(Debug)]
pub(crate) struct Running<T>(JoinHandle<T>);

impl Queries {
    pub(crate) fn start() -> std::io::Result<Self> {
        let threads = available_parallelism().map_or(1, |cores| cores.get() / 2).clamp(1, THREADS_MAX);
        Ok(Self {
            runtime: Some(runtime(threads)?),
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            mutations: Arc::new(Semaphore::new(MUTATIONS_MAX)),
            requests: Gauge::default(),
        })
    }

    /// Runs something on the threads of queries.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Running<T> {
        let runtime = self.runtime.as_ref().expect("the threads live as long as the gateway");
        Running(runtime.spawn(work))
    }

    /// Runs something on the threads of queries that nobody waits for.
    pub(crate) fn spawn_detached(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let runtime = self.runtime.as_ref().expect("the threads live as long as the gateway");
        runtime.spawn(work).abort_handle()
    }

    /// One more request, unless there are too many.
    pub(crate) fn admit(&self) -> Option<Held> {
        self.requests.take(REQUESTS_MAX)
    }

    /// How many requests are answered now.
    pub(crate) fn running(&self) -> u64 {
        self.requests.value()
    }

    /// The places for requests that read.
    pub(crate) fn for_reads(&self) -> Arc<Semaphore> {
        Arc::clone(&self.queries)
    }

    /// The places for requests that submit. They have their own: they wait for the cell, and use no thread.
    pub(crate) fn for_commands(&self) -> Arc<Semaphore> {
        Arc::clone(&self.mutations)
    }
}

/// A runtime for requests. It looks for what came from outside after each poll: a request that has more to do wakes
/// itself, and is polled for milliseconds, sixty times in a row by default before anybody else is asked.
pub(crate) fn runtime(threads: usize) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).thread_name("query").event_interval(1).global_queue_interval(1);
    builder.enable_all().build()
}

impl Drop for Queries {
    fn drop(&mut self) {
        // The last holder may be a task; a runtime that waits for its threads there would panic.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<T> Running<T> {
    /// What came of it; `None`: it broke off.
    pub(crate) async fn outcome(mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
