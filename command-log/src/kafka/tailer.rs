//! Follows the end of the topic on a thread of its own, and shows it to everybody who waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use log_schema::Offset;
use rdkafka::error::KafkaError;

use super::{
    Config,
    client::{Reader, is_final, reader_at},
    message,
};
use crate::{Error, Stored, tail::Tail};

/// How long one look for a message waits; closing waits as long.
const LOOK: Duration = Duration::from_millis(100);
/// How many records are shown at once at most.
const GROUP_RECORDS_MAX: usize = 4096;
/// What the reader may have fetched beforehand.
const QUEUED_KIB: u32 = 32 * 1024;

/// Ends its thread when it is dropped.
pub(super) struct Tailer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tailer {
    /// Follows the topic from `from`, which is where the tail is.
    pub fn start(config: &Config, topic: &str, from: Offset, tail: &Arc<Tail>) -> Result<Self, Error> {
        let reader = reader_at(config, topic, from, QUEUED_KIB)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, tail) = (Arc::clone(&stop), Arc::clone(tail));
        let follow = move || {
            if let Err(error) = follow(&reader, from, &tail, &stopped) {
                tracing::error!(error = &error as &dyn std::error::Error, "the log can no longer be followed");
                tail.poison(crate::error::chain(&error).into());
            }
        };
        let thread = std::thread::Builder::new().name("kafka-tailer".to_owned()).spawn(follow);
        let thread =
            thread.map_err(|source| Error::Unreachable { place: config.to_string(), source: source.into() })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Tailer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the follower of the log panicked");
        }
    }
}

fn follow(reader: &Reader, from: Offset, tail: &Tail, stop: &AtomicBool) -> Result<(), Error> {
    let mut next = from;
    while !stop.load(Ordering::Acquire) {
        let mut group = Vec::new();
        let mut patience = LOOK;
        while group.len() < GROUP_RECORDS_MAX
            && let Some(stored) = next_of(reader, next, patience)?
        {
            next = stored.offset.next();
            group.push(stored);
            patience = Duration::ZERO;
        }
        tail.publish(group);
        tail.trim();
    }
    Ok(())
}

/// The record at `next`, if it comes in time. What the brokers suffer from for now is waited out.
pub(super) fn next_of(reader: &Reader, next: Offset, patience: Duration) -> Result<Option<Stored>, Error> {
    match reader.poll(patience) {
        None | Some(Err(KafkaError::PartitionEOF(_))) => Ok(None),
        Some(Ok(message)) => message::expect(&message, next).map(Some),
        Some(Err(error)) => match error.rdkafka_error_code() {
            Some(code) if is_final(code) => Err(Error::Rejected {
                place: "the topic".to_owned(),
                doing: "let the log be read",
                source: error.into(),
            }),
            _ => Ok(None),
        },
    }
}
