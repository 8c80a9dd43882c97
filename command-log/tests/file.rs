//! A stretch of a log in a file: what was written is read, and what was not is refused.

use std::path::Path;

use command_log::{
    Log,
    conformance::read_all,
    file::{Error, FileReader, FileWriter, write},
    memory::MemoryLog,
};
use log_schema::{Chain, Kind, Offset, Record};

async fn log(records: u64) -> MemoryLog {
    let log = MemoryLog::default();
    for n in 0..records {
        let payload = vec![n.to_le_bytes()[0]; usize::try_from(n % 3000).expect("small")];
        log.append(vec![Record::v1(Kind::SubmitJob, payload)]).await.expect("appended");
    }
    log
}

async fn written(log: &MemoryLog, path: &Path) {
    let end = log.watermarks().await.expect("known").high;
    write(log, (Offset(0), Chain::default()), end, path, &mut |_| ()).await.expect("written");
}

#[tokio::test]
async fn what_was_written_is_read_with_offsets_and_times_and_the_chain_of_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, log) = (dir.path().join("all.qlog"), log(5000).await);
    written(&log, &path).await;
    let all = read_all(&log).await;
    let read: Result<Vec<_>, _> = FileReader::open(&path).expect("opens").collect();
    assert!(read.expect("whole") == all);
    let summary = FileReader::verify(&path).expect("whole");
    let chain = all.iter().fold(Chain::default(), |chain, stored| chain.link(stored.offset, &stored.record));
    assert_eq!((summary.first, summary.next, summary.chain), (Offset(0), Offset(5000), chain));
    let plain: usize = all.iter().map(|stored| stored.record.payload.len()).sum();
    assert!(std::fs::metadata(&path).expect("there").len() < plain as u64 / 4, "repeated bytes pack well");
}

#[tokio::test]
async fn a_file_that_is_cut_anywhere_or_has_a_changed_byte_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, log) = (dir.path().join("some.qlog"), log(40).await);
    written(&log, &path).await;
    let whole = std::fs::read(&path).expect("read");
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        FileReader::verify(&path).is_err()
    };
    for cut in 0..whole.len() {
        assert!(refused(&whole[..cut]), "cut at byte {cut} of {}", whole.len());
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(refused(&changed), "byte {at} was changed");
    }
    assert!(!refused(&whole));
}

#[tokio::test]
async fn nothing_is_at_the_place_of_a_file_that_was_not_finished_and_no_file_is_written_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, log) = (dir.path().join("x.qlog"), log(3).await);
    let mut unfinished = FileWriter::create(&path, Offset(0), Chain::default()).expect("begun");
    unfinished.add(read_all(&log).await.remove(0)).expect("added");
    drop(unfinished);
    assert!(!path.exists());
    written(&log, &path).await;
    let again = FileWriter::create(&path, Offset(0), Chain::default()).err().expect("refused");
    assert!(matches!(again, Error::Taken { .. }), "{again}");
    FileReader::verify(&path).expect("still whole");
}
