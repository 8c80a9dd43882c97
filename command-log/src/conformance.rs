//! One suite that every log passes. It knows a log by its trait alone.
//!
//! A crate that has a log implements [`Place`] and writes one line; each story becomes a test:
//!
//! ```ignore
//! command_log::conformance_tests!(MyPlace::new());
//! ```

use std::{fmt::Debug, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use log_schema::{Kind, Offset, Record, record::PAYLOAD_BYTES_MAX};

use crate::{BoxFuture, Error, Follower, Log, Stored, Watermarks, limits::BATCH_RECORDS_MAX};

/// After how long a story that waits has failed.
const PATIENCE: Duration = Duration::from_mins(1);
const PLENTY: usize = 16 * 1024 * 1024;

/// Where the suite gets its logs from.
pub trait Place: Send + Sync {
    /// A new log without records.
    fn fresh(&self) -> BoxFuture<'_, Arc<dyn Log>>;

    /// Closes a log that [`Place::fresh`] made and opens it again; `None` if it keeps nothing.
    fn reopen(&self, log: Arc<dyn Log>) -> BoxFuture<'_, Option<Arc<dyn Log>>>;
}

/// Makes one test of each story of the suite, for the logs of the given [`conformance::Place`](Place).
#[macro_export]
macro_rules! conformance_tests {
    (#[$attribute:meta] $place:expr) => {
        $crate::conformance_tests!(#[$attribute] $place;
            an_empty_log_reads_nothing,
            what_is_appended_is_read_back_in_order,
            an_empty_batch_appends_nothing,
            payloads_of_every_size_come_back_whole,
            a_read_stops_near_what_was_asked_and_returns_at_least_one,
            a_read_beyond_high_is_an_error,
            a_read_below_low_is_an_error,
            an_oversize_record_refuses_its_whole_batch,
            a_batch_of_too_many_records_is_refused,
            concurrent_appenders_keep_their_own_order,
            a_follower_sees_everything_once_while_others_append,
            two_followers_see_the_same_log,
            wait_past_resolves_when_the_record_can_be_read,
            a_dropped_wait_takes_nothing_from_a_follower,
            reopening_keeps_everything,
        );
    };
    ($place:expr) => {
        $crate::conformance_tests!(#[cfg(test)] $place);
    };
    (#[$attribute:meta] $place:expr; $($story:ident,)*) => {
        $(
            #[$attribute]
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                $crate::conformance::$story(&$place).await;
            }
        )*
    };
}

/// A new log has equal watermarks, and reading at them returns nothing.
pub async fn an_empty_log_reads_nothing(place: &impl Place) {
    let log = place.fresh().await;
    let Watermarks { low, high } = marks(&*log).await;
    assert_eq!(low, high);
    assert_eq!(read_all(&*log).await, []);
}

/// Offsets follow each other, and each holds the record that was acked there.
pub async fn what_is_appended_is_read_back_in_order(place: &impl Place) {
    let log = place.fresh().await;
    let start = marks(&*log).await.high;
    let mut expected = Vec::new();
    for size in [1, 7, 100, 3] {
        let batch: Vec<_> = (0..size).map(|n| numbered(expected.len() as u64 + n)).collect();
        let offsets = soon(log.append(batch.clone())).await;
        expected.extend(offsets.into_iter().zip(batch));
    }
    let offsets: Vec<_> = expected.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (start.0..start.0 + 111).map(Offset).collect::<Vec<_>>());
    assert_eq!(records(&read_all(&*log).await), expected);
    assert_eq!(marks(&*log).await.high, Offset(start.0 + 111));
}

/// No record, no offset, no error.
pub async fn an_empty_batch_appends_nothing(place: &impl Place) {
    let log = place.fresh().await;
    let before = marks(&*log).await;
    assert_eq!(soon(log.append(Vec::new())).await, []);
    assert_eq!(marks(&*log).await, before);
}

/// From none to the largest, every byte of a payload comes back, and so do kind and version.
pub async fn payloads_of_every_size_come_back_whole(place: &impl Place) {
    let log = place.fresh().await;
    let sizes = [0, 1, 255, 4096, 32 * 1024 + 1, PAYLOAD_BYTES_MAX];
    let batch: Vec<_> = (0_u16..).zip(sizes).map(|(n, size)| patterned(n, size)).collect();
    soon(log.append(batch.clone())).await;
    let read: Vec<_> = read_all(&*log).await.into_iter().map(|stored| stored.record).collect();
    assert!(read == batch, "some payload came back changed");
}

/// A reader decides how much it takes at once, and always gets on.
pub async fn a_read_stops_near_what_was_asked_and_returns_at_least_one(place: &impl Place) {
    let log = place.fresh().await;
    let start = marks(&*log).await.high;
    soon(log.append((0..50).map(|n| patterned(n, 1000)).collect())).await;
    assert_eq!(soon(log.read(start, 0)).await.len(), 1);
    assert_eq!(soon(log.read(start, 1)).await.len(), 1);
    let some = soon(log.read(start, 10_000)).await.len();
    assert!((1..=11).contains(&some), "{some} records of 1000 bytes were returned where 10000 bytes were asked");
    assert_eq!(read_all(&*log).await.len(), 50);
}

/// The log does not invent what is not there yet.
pub async fn a_read_beyond_high_is_an_error(place: &impl Place) {
    let log = place.fresh().await;
    soon(log.append(vec![numbered(0)])).await;
    let high = marks(&*log).await.high;
    assert_eq!(soon(log.read(high, PLENTY)).await, []);
    let error = log.read(high.next(), PLENTY).await.expect_err("beyond the end");
    assert!(matches!(error, Error::BeyondHigh { from, high: end } if from == high.next() && end == high), "{error}");
}

/// The log does not skip what is gone. Logs that begin at offset 0 have nothing below.
pub async fn a_read_below_low_is_an_error(place: &impl Place) {
    let log = place.fresh().await;
    let low = marks(&*log).await.low;
    let Some(below) = low.previous() else { return };
    let error = log.read(below, PLENTY).await.expect_err("below the beginning");
    assert!(matches!(error, Error::BelowLow { from, low: first } if from == below && first == low), "{error}");
}

/// A record that is too large is named, and what stood beside it is not appended either.
pub async fn an_oversize_record_refuses_its_whole_batch(place: &impl Place) {
    let log = place.fresh().await;
    let before = marks(&*log).await;
    let batch = vec![numbered(0), patterned(1, PAYLOAD_BYTES_MAX + 1), numbered(2)];
    let error = log.append(batch).await.expect_err("too large");
    assert!(matches!(error, Error::Oversize { index: 1, bytes, .. } if bytes == PAYLOAD_BYTES_MAX + 1), "{error}");
    assert_eq!(marks(&*log).await, before);
    soon(log.append(vec![numbered(0)])).await;
    assert_eq!(read_all(&*log).await.len(), 1);
}

/// A batch has a bound, with a name.
pub async fn a_batch_of_too_many_records_is_refused(place: &impl Place) {
    let log = place.fresh().await;
    let before = marks(&*log).await;
    let error = log.append(vec![numbered(0); BATCH_RECORDS_MAX + 1]).await.expect_err("too many");
    assert_eq!(error.code(), "batch_too_large");
    assert_eq!(marks(&*log).await, before);
}

/// Whoever awaits each append finds its records in the order of its appends; nobody loses any.
pub async fn concurrent_appenders_keep_their_own_order(place: &impl Place) {
    let log = place.fresh().await;
    let appended = append_from_many(&log, 8, 25).await;
    let read = records(&read_all(&*log).await);
    assert_eq!(read.len(), 8 * 25 * 2);
    for (appender, offsets) in appended.iter().enumerate() {
        let own: Vec<_> = read.iter().filter(|(_, record)| usize::from(record.kind) == appender).cloned().collect();
        let expected: Vec<_> = (0..50).map(|n| record_of(appender, n)).collect();
        assert_eq!(own.iter().map(|(_, record)| record.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(&own.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), offsets);
    }
}

/// A follower that starts first and reads while the log grows misses nothing and repeats nothing.
pub async fn a_follower_sees_everything_once_while_others_append(place: &impl Place) {
    let log = place.fresh().await;
    let start = marks(&*log).await.high;
    let seen = tokio::spawn(follow(Arc::clone(&log), start, 4 * 25 * 2));
    append_from_many(&log, 4, 25).await;
    let seen = soon(seen).await;
    let offsets: Vec<_> = seen.iter().map(|stored| stored.offset).collect();
    assert_eq!(offsets, (start.0..start.0 + 200).map(Offset).collect::<Vec<_>>());
    assert_eq!(seen, read_all(&*log).await);
}

/// Order is the log's, not the reader's.
pub async fn two_followers_see_the_same_log(place: &impl Place) {
    let log = place.fresh().await;
    let start = marks(&*log).await.high;
    let one = tokio::spawn(follow(Arc::clone(&log), start, 100));
    let other = tokio::spawn(follow(Arc::clone(&log), start, 100));
    append_from_many(&log, 2, 25).await;
    assert_eq!(soon(one).await, soon(other).await);
}

/// Waiting ends with the append, not before; and at once for what is there already.
pub async fn wait_past_resolves_when_the_record_can_be_read(place: &impl Place) {
    let log = place.fresh().await;
    let next = marks(&*log).await.high;
    let mut waiting = log.wait_past(next);
    assert!((&mut waiting).now_or_never().is_none(), "nothing was appended yet");
    soon(log.append(vec![numbered(0)])).await;
    soon(waiting).await;
    assert_eq!(soon(log.read(next, PLENTY)).await.len(), 1);
    soon(log.wait_past(next)).await;
}

/// A follower whose wait was given up continues where it was.
pub async fn a_dropped_wait_takes_nothing_from_a_follower(place: &impl Place) {
    let log = place.fresh().await;
    let start = marks(&*log).await.high;
    let mut follower = Follower::new(Arc::clone(&log), start);
    assert!(follower.next_batch().now_or_never().is_none());
    assert_eq!(follower.position(), start);
    soon(log.append(vec![numbered(0), numbered(1)])).await;
    let batch = soon(follower.next_batch()).await;
    assert_eq!(batch.first().map(|stored| stored.offset), Some(start));
    assert_eq!(Some(follower.position()), batch.last().map(|stored| stored.offset.next()));
}

/// What was acked is there after the log was closed, at the same offsets, with the same times.
pub async fn reopening_keeps_everything(place: &impl Place) {
    let mut log = place.fresh().await;
    let mut appended = 0;
    for round in 1..=3 {
        soon(log.append((0..10 * round).map(numbered).collect())).await;
        appended += 10 * round;
        let (before, high) = (read_all(&*log).await, marks(&*log).await);
        let Some(again) = place.reopen(log).await else { return };
        log = again;
        assert_eq!(marks(&*log).await, high);
        assert_eq!(read_all(&*log).await, before);
        assert_eq!(before.len() as u64, appended);
    }
}

/// Reads a log from its low to its high watermark.
pub async fn read_all(log: &dyn Log) -> Vec<Stored> {
    let Watermarks { low, high } = marks(log).await;
    let (mut next, mut all) = (low, Vec::new());
    while next < high {
        let batch = soon(log.read(next, PLENTY)).await;
        next = batch.last().expect("a read below the high watermark returns a record").offset.next();
        all.extend(batch);
    }
    all
}

async fn follow(log: Arc<dyn Log>, from: Offset, count: usize) -> Result<Vec<Stored>, Error> {
    let (mut follower, mut seen) = (Follower::new(log, from), Vec::new());
    while seen.len() < count {
        seen.extend(follower.next_batch().await?);
    }
    Ok(seen)
}

/// Runs appenders side by side, each with so many appends of two records; returns each one's offsets.
async fn append_from_many(log: &Arc<dyn Log>, appenders: usize, appends: u64) -> Vec<Vec<Offset>> {
    let append = |appender| {
        let log = Arc::clone(log);
        tokio::spawn(async move {
            let mut offsets = Vec::new();
            for n in 0..appends {
                let batch = vec![record_of(appender, 2 * n), record_of(appender, 2 * n + 1)];
                offsets.extend(log.append(batch).await?);
            }
            Ok::<_, Error>(offsets)
        })
    };
    let tasks: Vec<_> = (0..appenders).map(append).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(soon(task).await);
    }
    all
}

async fn marks(log: &dyn Log) -> Watermarks {
    soon(log.watermarks()).await
}

/// What a log or a task answers, within the suite's patience.
async fn soon<T, O: Outcome<T>>(work: impl Future<Output = O>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("an answer in time").take()
}

trait Outcome<T> {
    fn take(self) -> T;
}

impl<T: Debug> Outcome<T> for Result<T, Error> {
    fn take(self) -> T {
        self.expect("the log does what it was asked")
    }
}

impl<T: Debug> Outcome<T> for Result<Result<T, Error>, tokio::task::JoinError> {
    fn take(self) -> T {
        self.expect("the task ends by itself").take()
    }
}

fn records(stored: &[Stored]) -> Vec<(Offset, Record)> {
    stored.iter().map(|stored| (stored.offset, stored.record.clone())).collect()
}

fn numbered(n: u64) -> Record {
    Record::v1(Kind::SubmitJob, n.to_be_bytes().to_vec())
}

fn record_of(appender: usize, n: u64) -> Record {
    let kind = u16::try_from(appender).expect("few appenders");
    Record { kind, version: 1, payload: Bytes::copy_from_slice(&n.to_be_bytes()) }
}

fn patterned(n: u16, size: usize) -> Record {
    let pattern = (0..=u8::MAX).cycle().skip(usize::from(n));
    Record { kind: n, version: n + 1, payload: pattern.take(size).collect() }
}
