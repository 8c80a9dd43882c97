//! Counters of one gateway, for `/metrics`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many of something there are right now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicU64>);

/// One more for as long as it is held.
#[derive(Debug)]
pub(crate) struct Held(Arc<AtomicU64>);

/// One more of something that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// What a gateway counts beside the log.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// GraphQL requests over HTTP.
    pub(crate) requests: Counter,
    /// Requests and operations that were turned away before execution.
    pub(crate) turned_away: Counter,
    /// Refusals by the cell, as answers to mutations.
    pub(crate) refusals: Counter,
    /// Mutations that went without an answer.
    pub(crate) unanswered: Counter,
    /// Events given to subscriptions.
    pub(crate) events_sent: Counter,
    /// Samples that agents sent.
    pub(crate) samples: Counter,
    /// Commands that agents appended.
    pub(crate) agent_commands: Counter,
    /// Open sockets.
    pub(crate) sockets: Gauge,
    /// Running subscriptions.
    pub(crate) subscriptions: Gauge,
}

impl Gauge {
    /// One more.
    pub(crate) fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(&self.0))
    }

    /// One more, unless there are `max`.
    pub(crate) fn take(&self, max: u64) -> Option<Held> {
        let held = self.hold();
        (self.value() <= max).then_some(held)
    }

    /// How many there are.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counter {
    /// One more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there have been.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
