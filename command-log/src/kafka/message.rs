//! A record as a Kafka message: the value is the payload, the rest are headers that any console shows.
//!
//! | header | holds |
//! |---|---|
//! | `kind` | the number of the kind, in decimal |
//! | `version` | the version of the payload, in decimal |
//! | `ce_type` | the name of the kind, for people: `submit_job` |
//! | `ce_id` | which of its source's records this is: a retry after an unknown outcome has another |
//! | `ce_source` | the writer that appended it: a process, and when it began |
//! | `traceparent` | the client's trace that it belongs to, if the client said one: see [`TraceParent`] |
//!
//! Names follow CloudEvents' Kafka binding. Only `kind` and `version` are read back.

use bytes::Bytes;
use log_schema::{Kind, Offset, Record, TimeMs};
use rdkafka::{
    Message,
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
};

use crate::{Error, Stored, trace::TraceParent};

const KIND: &str = "kind";
const VERSION: &str = "version";

/// Names a process's appends.
pub(super) struct Source {
    name: String,
    appended: u64,
}

impl Source {
    /// A source whose ids no other process uses.
    pub fn new() -> Self {
        let started = crate::wall_clock().0;
        Self { name: format!("{}-{started:x}", std::process::id()), appended: 0 }
    }

    /// The headers of the next record.
    pub fn headers(&mut self, record: &Record, trace: Option<&TraceParent>) -> OwnedHeaders {
        self.appended += 1;
        let name = Kind::from_number(record.kind).map_or("unknown", Kind::name);
        let text = |key, value| Header { key, value: Some(value) };
        let (mut kind, mut version, mut id) = ([0; 20], [0; 20], [0; 20]);
        let headers = OwnedHeaders::new_with_capacity(6)
            .insert(text(KIND, decimal(record.kind.into(), &mut kind)))
            .insert(text(VERSION, decimal(record.version.into(), &mut version)))
            .insert(text("ce_type", name.as_bytes()))
            .insert(text("ce_id", decimal(self.appended, &mut id)))
            .insert(text("ce_source", self.name.as_bytes()));
        match trace {
            Some(trace) => headers.insert(text("traceparent", trace.as_str().as_bytes())),
            None => headers,
        }
    }
}

/// A number as text, in a place that the caller has.
fn decimal(mut number: u64, place: &mut [u8; 20]) -> &[u8] {
    let mut first = place.len();
    loop {
        first -= 1;
        place[first] = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
        if number == 0 {
            return &place[first..];
        }
    }
}

/// Reads a message; what is not a record is an error, for nobody may pass it.
pub(super) fn stored(message: &BorrowedMessage<'_>) -> Result<Stored, Error> {
    let at = super::client::offset(message.offset());
    let malformed = |found| Error::Malformed { at, found };
    let headers = message.headers().ok_or_else(|| malformed("a message without headers"))?;
    let number = |key, missing| number_of(headers, key).ok_or_else(|| malformed(missing));
    let kind = number(KIND, "a message whose header kind is not a number")?;
    let version = number(VERSION, "a message whose header version is not a number")?;
    let payload = message.payload().ok_or_else(|| malformed("a message without a value"))?;
    let time = message.timestamp().to_millis().and_then(|ms| u64::try_from(ms).ok());
    Ok(Stored {
        offset: at,
        time: TimeMs(time.unwrap_or(0)),
        record: Record { kind, version, payload: Bytes::copy_from_slice(payload) },
    })
}

fn number_of(headers: &impl Headers, key: &str) -> Option<u16> {
    let value = headers.iter().find(|header| header.key == key)?.value?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The next record of a reader that reads in order: anything else means that records are gone.
pub(super) fn expect(message: &BorrowedMessage<'_>, expected: Offset) -> Result<Stored, Error> {
    let stored = stored(message)?;
    if stored.offset != expected {
        return Err(Error::Missing { at: expected, found: stored.offset });
    }
    Ok(stored)
}
