//! Follows the end of the topic on a thread of its own, and shows it to everybody who waits.
//!
//! It never skips a record that the brokers have. What they were let forget before it was shown is not
//! waited for: the tail goes on where the topic begins, and whoever reads further back is told so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use log_schema::Offset;
use rdkafka::{consumer::Consumer, error::KafkaError};

use super::{
    Config,
    client::{Client, Reader, is_final, reader_at},
    message,
};
use crate::{
    Error, Stored,
    tail::{Needed, Tail},
};

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
    pub fn start(config: &Config, client: Arc<Client>, from: Offset, tail: &Arc<Tail>) -> Result<Self, Error> {
        let mut place = Place::open(config.clone(), client, from)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, tail) = (Arc::clone(&stop), Arc::clone(tail));
        let follow = move || {
            let _needed = Needed::new(Arc::clone(&tail), "the follower of the log");
            if let Err(error) = place.follow(&tail, &stopped) {
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

/// Where the thread is.
struct Place {
    config: Config,
    client: Arc<Client>,
    reader: Reader,
    next: Offset,
}

impl Place {
    fn open(config: Config, client: Arc<Client>, next: Offset) -> Result<Self, Error> {
        let reader = reader_at(&config, client.topic(), next, QUEUED_KIB)?;
        Ok(Self { config, client, reader, next })
    }

    fn follow(&mut self, tail: &Tail, stop: &AtomicBool) -> Result<(), Error> {
        while !stop.load(Ordering::Acquire) {
            let mut group = Vec::new();
            let read = self.read(&mut group);
            tail.publish(group);
            tail.trim();
            if let Err(error) = read {
                self.skip_forgotten(tail, error)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, group: &mut Vec<Stored>) -> Result<(), Error> {
        let mut patience = LOOK;
        while group.len() < GROUP_RECORDS_MAX
            && let Some(stored) = next_of(&self.reader, self.next, patience)?
        {
            self.next = stored.offset.next();
            group.push(stored);
            patience = Duration::ZERO;
        }
        Ok(())
    }

    /// Goes on where the topic begins by now, if that is why it could not be read; else fails as the read did.
    fn skip_forgotten(&mut self, tail: &Tail, failed: Error) -> Result<(), Error> {
        if !matches!(failed, Error::Rejected { .. }) {
            return Err(failed);
        }
        let low = self.client.watermarks()?.low;
        if low <= self.next {
            return Err(failed);
        }
        tracing::warn!(from = self.next.0, low = low.0, "the brokers have forgotten what was still to be read");
        *self = Self::open(self.config.clone(), Arc::clone(&self.client), low)?;
        tail.skip_to(low);
        Ok(())
    }
}

/// The record at `next`, if it comes in time. What the brokers suffer from for now is waited out.
pub(super) fn next_of(reader: &Reader, next: Offset, patience: Duration) -> Result<Option<Stored>, Error> {
    match reader.poll(patience) {
        None | Some(Err(KafkaError::PartitionEOF(_))) => Ok(None),
        Some(Ok(message)) => message::expect(&message, next).map(Some),
        Some(Err(error)) => match error.rdkafka_error_code() {
            Some(code) if is_final(code) => {
                Err(Error::Rejected { place: place_of(reader), doing: "let its records be read", source: error.into() })
            }
            _ => Ok(None),
        },
    }
}

/// What a reader was assigned, for people.
fn place_of(reader: &Reader) -> String {
    let assigned = reader.assignment().ok();
    let topic = assigned.as_ref().and_then(|all| all.elements().first().map(|one| one.topic().to_owned()));
    topic.map_or_else(|| "the topic".to_owned(), |topic| format!("topic {topic}"))
}
