//! The embedded log passes the suite, has one owner, and serves old records as well as new ones.

use std::{path::PathBuf, sync::Arc};

use command_log::{
    BoxFuture, Log,
    conformance::{Place, read_all},
    embedded::{EmbeddedLog, FrozenLog, Options},
};
use log_schema::{Kind, Offset, Record};
use tempfile::TempDir;

/// One directory for one log; with little memory for the tail, so that reads reach the store too.
struct Directory {
    dir: TempDir,
    options: Options,
}

impl Directory {
    fn new(tail_bytes_max: usize) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { dir, options: Options { tail_bytes_max, write_buffer_bytes: 1024 * 1024, ..Options::default() } }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn open(&self) -> EmbeddedLog {
        EmbeddedLog::open(self.path(), self.options.clone()).expect("the log opens")
    }
}

impl Place for Directory {
    fn fresh(&self) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async { Arc::new(self.open()) as Arc<dyn Log> })
    }

    fn reopen(&self, log: Arc<dyn Log>) -> BoxFuture<'_, Option<Arc<dyn Log>>> {
        drop(log);
        Box::pin(async { Some(Arc::new(self.open()) as Arc<dyn Log>) })
    }
}

mod from_memory {
    use super::*;
    command_log::conformance_tests!(Directory::new(64 * 1024 * 1024));
}

mod from_the_store {
    use super::*;
    command_log::conformance_tests!(Directory::new(0));
}

fn command(n: u64, bytes: usize) -> Record {
    let mut payload = n.to_be_bytes().to_vec();
    payload.resize(bytes.max(8), 0);
    Record::v1(Kind::SubmitJob, payload)
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let place = Directory::new(0);
    let log = place.open();
    let error = EmbeddedLog::open(place.path(), Options::default()).expect_err("in use");
    assert_eq!((error.code(), error.is_transient()), ("locked", true));
    assert!(error.to_string().contains(&format!("process {} (embedded", std::process::id())), "{error}");
    drop(log);
    place.open();
}

#[tokio::test]
async fn a_log_larger_than_memory_is_read_from_many_files() {
    let place = Directory::new(64 * 1024);
    let log = place.open();
    for round in 0..20 {
        log.append((0..500).map(|n| command(round * 500 + n, 600)).collect()).await.expect("appended");
    }
    let read = read_all(&log).await;
    assert_eq!(read.len(), 10_000);
    assert!((0..).zip(&read).all(|(n, stored)| stored.offset == Offset(n) && stored.record == command(n, 600)));
    let verified = log.verify().await.expect("all good");
    assert_eq!((verified.records, verified.bytes), (10_000, 6_000_000));
    drop(log);
    assert_eq!(read_all(&place.open()).await, read);
}

#[tokio::test]
async fn appends_that_were_queued_are_written_before_the_log_closes() {
    let place = Directory::new(0);
    let log = place.open();
    let appends: Vec<_> = (0..100).map(|n| log.append(vec![command(n, 8)])).collect();
    let acked = futures_util::future::join_all(appends).await;
    drop(log);
    let read = read_all(&place.open()).await;
    assert_eq!(read.len(), acked.iter().filter(|ack| ack.is_ok()).count());
    assert!((0..).zip(&read).all(|(n, stored)| stored.record == command(n, 8)));
}

/// The bytes of all files of a log.
fn disk_bytes(dir: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("a directory").flatten();
    let bytes = entries.map(|entry| {
        if entry.path().is_dir() { disk_bytes(&entry.path()) } else { entry.metadata().map_or(0, |meta| meta.len()) }
    });
    bytes.sum()
}

#[tokio::test]
async fn what_is_forgotten_is_gone_for_every_reader_gives_its_room_back_and_stays_gone() {
    let place = Directory::new(64 * 1024);
    let log = place.open();
    for round in 0..40 {
        log.append((0..500).map(|n| command(round * 500 + n, 600)).collect()).await.expect("appended");
    }
    let all = read_all(&log).await;
    let before = disk_bytes(&place.path());
    log.forget(Offset(18_000)).await.expect("forgotten");
    log.forget(Offset(10)).await.expect("that is gone already");
    assert_eq!(log.forget(Offset(20_001)).await.expect_err("beyond the end").code(), "beyond_high");
    assert_eq!(log.read(Offset(17_999), 1).await.expect_err("forgotten").code(), "below_low");
    assert_eq!(log.append(vec![command(20_000, 600)]).await.expect("appended"), [Offset(20_000)]);
    let frozen = FrozenLog::open(place.path()).expect("beside its writer");
    assert_eq!(frozen.watermarks().await.expect("known"), log.watermarks().await.expect("known"));
    drop(log);
    let again = place.open();
    let marks = again.watermarks().await.expect("known");
    assert_eq!((marks.low, marks.high), (Offset(18_000), Offset(20_001)));
    let kept = read_all(&again).await;
    assert!(kept[..2000] == all[18_000..], "what is kept is what it was");
    assert_eq!(again.verify().await.expect("good").records, 2001);
    let after = disk_bytes(&place.path());
    assert!(after * 2 < before, "{before} bytes before, {after} after");
}

#[tokio::test]
async fn a_log_that_has_forgotten_everything_goes_on_where_it_ended() {
    let place = Directory::new(0);
    let log = place.open();
    log.append((0..10).map(|n| command(n, 8)).collect()).await.expect("appended");
    log.forget(Offset(10)).await.expect("all of it");
    drop(log);
    let again = place.open();
    assert_eq!(again.append(vec![command(10, 8)]).await.expect("appended"), [Offset(10)]);
    assert_eq!(read_all(&again).await.len(), 1);
}

#[tokio::test]
async fn a_log_is_checked_a_look_at_a_time_to_its_end() {
    let place = Directory::new(0);
    let log = place.open();
    log.append((0..500).map(|n| command(n, 100)).collect()).await.expect("appended");
    let (mut next, mut looks, mut bytes) = (Offset(0), 0, 0);
    while next < Offset(500) {
        let (reached, read) = log.check(next, 4096).await.expect("good");
        assert!(reached > next && read <= 4096);
        (next, looks, bytes) = (reached, looks + 1, bytes + read);
    }
    assert!(looks > 10 && bytes == 500 * 100, "{looks} looks, {bytes} bytes");
    assert_eq!(log.check(next, 4096).await.expect("the end"), (next, 0));
}
