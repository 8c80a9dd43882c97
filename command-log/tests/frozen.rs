//! A frozen log: read beside its writer, or after it, changing nothing.

use command_log::{
    Log,
    conformance::read_all,
    embedded::{EmbeddedLog, FrozenLog, Options},
};
use log_schema::{Kind, Offset, Record};
use tempfile::TempDir;

fn command(n: u64) -> Record {
    Record::v1(Kind::SubmitJob, n.to_be_bytes().to_vec())
}

/// Small buffers: part of what is read is in sorted files, the rest in the write-ahead log.
async fn written(dir: &TempDir, records: u64) -> EmbeddedLog {
    let options = Options { write_buffer_bytes: 64 * 1024, ..Options::default() };
    let log = EmbeddedLog::open(dir.path(), options).expect("the log opens");
    for from in (0..records).step_by(100) {
        log.append((from..from + 100).map(command).collect()).await.expect("appended");
    }
    log
}

/// Names, sizes and contents of a directory, all the way down.
fn contents(dir: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = entries
        .flat_map(|path| {
            if path.is_dir() { contents(&path) } else { vec![(path.clone(), std::fs::read(&path).expect("read"))] }
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn what_is_acked_is_read_beside_the_writer_and_later_records_are_not() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let log = written(&dir, 20_000).await;
    let frozen = FrozenLog::open(dir.path()).expect("opened beside its writer");
    log.append(vec![command(20_000)]).await.expect("the writer is not held up");
    let read = read_all(&frozen).await;
    assert_eq!(read.len(), 20_000);
    assert!((0..).zip(&read).all(|(n, stored)| stored.offset == Offset(n) && stored.record == command(n)));
    assert_eq!(frozen.wait_past(Offset(20_000)).await.expect_err("it never comes").code(), "closed");
    assert_eq!(read_all(&FrozenLog::open(dir.path()).expect("opened")).await.len(), 20_001);
}

#[tokio::test]
async fn reading_a_stopped_log_changes_no_byte_of_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    drop(written(&dir, 5_000).await);
    let before = contents(dir.path());
    let frozen = FrozenLog::open(dir.path()).expect("opened");
    assert_eq!(read_all(&frozen).await.len(), 5_000);
    assert_eq!(frozen.append(vec![command(0)]).await.expect_err("read only").code(), "closed");
    drop(frozen);
    assert!(before == contents(dir.path()), "a byte or a file of the log changed");
}

#[test]
fn a_directory_without_a_log_is_an_error_and_stays_empty() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    FrozenLog::open(dir.path()).expect_err("there is nothing to read");
    assert_eq!(contents(dir.path()), []);
}
