//! A log whose beginning is in an archive reads as it did before, and an archive that is not whole is not used.

use std::{
    fs,
    path::{Path, PathBuf},
};

use command_log::{
    Error, Log, Stored,
    archive::{Archive, ArchivedLog},
    conformance::read_all,
    memory::MemoryLog,
};
use log_schema::{Chain, DecisionV1, EpochNumber, Kind, Offset, Record};

fn record(n: u64) -> Record {
    Record::v1(Kind::SubmitJob, vec![n.to_le_bytes()[0]; usize::try_from(n % 700).expect("small")])
}

async fn filled(records: u64) -> MemoryLog {
    let log = MemoryLog::new();
    log.append((0..records).map(record).collect()).await.expect("appended");
    log
}

/// The same log after it has forgotten its beginning.
async fn without(log: &MemoryLog, low: u64) -> MemoryLog {
    let kept: Vec<Stored> = read_all(log).await.into_iter().filter(|stored| stored.offset.0 >= low).collect();
    MemoryLog::from_records(kept)
}

async fn seal(dir: &Path, log: &MemoryLog, ends: &[u64]) {
    let mut archive = Archive::open_to_write(dir).expect("an archive");
    for end in ends {
        archive.seal(log, Offset(*end)).await.expect("sealed");
    }
}

/// The file of one segment.
fn segment(dir: &Path, at: usize) -> PathBuf {
    let paths = fs::read_dir(dir).expect("there").map(|entry| entry.expect("read").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "qlog")).collect();
    paths.sort();
    paths.swap_remove(at)
}

/// A log of 300 records, the first 200 archived in two segments, the first 150 forgotten.
async fn half_forgotten(dir: &Path) -> MemoryLog {
    let log = filled(300).await;
    seal(dir, &log, &[100, 200]).await;
    without(&log, 150).await
}

#[tokio::test]
async fn every_read_returns_what_it_returned_before_the_log_forgot() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = filled(3000).await;
    let before = read_all(&log).await;
    // Sealed in two goes, as by two runs of a program.
    seal(dir.path(), &log, &[700, 1400]).await;
    seal(dir.path(), &log, &[2100]).await;
    let archive = Archive::open(dir.path()).expect("opens");
    assert_eq!((archive.segments(), archive.first(), archive.next()), (3, Some(Offset(0)), Offset(2100)));
    let joined = ArchivedLog::join(archive, without(&log, 1800).await).await.expect("they belong together");
    assert!(read_all(&joined).await == before);
    for from in (0..3000).step_by(37) {
        for bytes_max in [0, 500, 20_000] {
            let read = joined.read(Offset(from), bytes_max).await.expect("read");
            let wanted = &before[usize::try_from(from).expect("small")..][..read.len()];
            assert!(!read.is_empty() && read == wanted, "from {from}, {bytes_max} bytes");
            let bytes: usize = read.iter().skip(1).map(|stored| stored.record.payload.len()).sum();
            assert!(bytes <= bytes_max, "from {from}: {bytes} of {bytes_max} bytes");
        }
    }
    let marks = joined.watermarks().await.expect("known");
    assert_eq!((marks.low, marks.high), (Offset(0), Offset(3000)));
    assert_eq!(joined.append(vec![record(1)]).await.expect("appended"), [Offset(3000)]);
}

#[tokio::test]
async fn what_an_archive_holds_has_the_chain_of_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = filled(300).await;
    seal(dir.path(), &log, &[100, 200]).await;
    let whole = Archive::open(dir.path()).expect("opens").verify(&mut |_| ()).expect("whole");
    let records = read_all(&log).await.into_iter().take(200);
    let chain = records.fold(Chain::default(), |chain, stored| chain.link(stored.offset, &stored.record));
    assert_eq!((whole.first, whole.next, whole.chain), (Offset(0), Offset(200), chain));
    let empty = Archive::open(&dir.path().join("nothing")).expect("an empty one");
    assert_eq!((empty.first(), empty.next()), (None, Offset(0)));
}

#[tokio::test]
async fn an_archive_with_a_gap_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    seal(dir.path(), &filled(300).await, &[100, 200, 300]).await;
    fs::remove_file(segment(dir.path(), 1)).expect("removed");
    let error = Archive::open(dir.path()).expect_err("a gap");
    assert!(matches!(error, Error::Segments { ends: Offset(100), begins: Offset(200), .. }), "{error}");
}

#[tokio::test]
async fn an_archive_that_ends_before_the_log_begins_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = half_forgotten(dir.path()).await;
    fs::remove_file(segment(dir.path(), 1)).expect("removed");
    let archive = Archive::open(dir.path()).expect("opens");
    let error = ArchivedLog::join(archive, log).await.expect_err("a gap");
    assert!(matches!(error, Error::BelowLow { from: Offset(100), low: Offset(150) }), "{error}");
}

#[tokio::test]
async fn the_archive_of_another_log_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    half_forgotten(dir.path()).await;
    let other = MemoryLog::new();
    other.append(vec![Record::v1(Kind::Tick, vec![0]); 250]).await.expect("appended");
    let error = ArchivedLog::join(Archive::open(dir.path()).expect("opens"), other).await.expect_err("another");
    assert!(matches!(error, Error::OtherLog { at: Offset(199) }), "{error}");
    let shorter = filled(120).await;
    let error = ArchivedLog::join(Archive::open(dir.path()).expect("opens"), shorter).await.expect_err("shorter");
    assert!(matches!(error, Error::ArchiveAhead { archived: Offset(200), high: Offset(120) }), "{error}");
}

/// A log with a decision at 200 that answers all before it; it has forgotten those.
async fn decided(payload: u8) -> (MemoryLog, MemoryLog) {
    let log = MemoryLog::new();
    log.append(vec![Record::v1(Kind::Tick, vec![payload]); 200]).await.expect("appended");
    let chain = read_all(&log).await.iter().fold(Chain::default(), |chain, at| chain.link(at.offset, &at.record));
    let decision = DecisionV1 { epoch: EpochNumber(1), from: Offset(0), to: Offset(199), chain, answers: Vec::new() };
    log.append(vec![decision.to_record()]).await.expect("appended");
    let forgotten = without(&log, 200).await;
    (log, forgotten)
}

#[tokio::test]
async fn the_archive_of_another_log_is_refused_though_it_ends_where_the_log_begins() {
    let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let ((log, forgotten), (foreign, _)) = (decided(0).await, decided(1).await);
    seal(dir.path(), &log, &[200]).await;
    seal(other.path(), &foreign, &[200]).await;
    Archive::open(dir.path()).expect("opens").check(&forgotten).await.expect("it is of this log");
    let error = Archive::open(other.path()).expect("opens").check(&forgotten).await.expect_err("another log's");
    assert!(matches!(error, Error::OtherLog { at: Offset(199) }), "{error}");
}

#[tokio::test]
async fn a_damaged_segment_is_named_and_nothing_of_it_is_made_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = filled(3000).await;
    seal(dir.path(), &log, &[2000]).await;
    let log = without(&log, 2000).await;
    let path = segment(dir.path(), 0);
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
    let error =
        ArchivedLog::join(Archive::open(dir.path()).expect("its head is good"), log).await.expect_err("damaged");
    assert_eq!((error.code(), error.is_transient()), ("archive", false));
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_segment_put_in_the_place_of_another_does_not_go_unseen() {
    let (dir, forged) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let log = half_forgotten(dir.path()).await;
    let other = MemoryLog::new();
    other.append(vec![Record::v1(Kind::Tick, vec![0]); 100]).await.expect("appended");
    seal(forged.path(), &other, &[100]).await;
    fs::copy(segment(forged.path(), 0), segment(dir.path(), 0)).expect("copied");
    let archive = Archive::open(dir.path()).expect("its names are good");
    assert_eq!(Error::code(&archive.verify(&mut |_| ()).expect_err("forged")), "archive");
    let joined = ArchivedLog::join(archive, log).await.expect("joined");
    let error = joined.read(Offset(0), 1_000_000).await.expect_err("forged");
    assert_eq!(error.code(), "archive");
}

#[tokio::test]
async fn a_segment_whose_name_says_something_else_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = half_forgotten(dir.path()).await;
    let renamed = dir.path().join("00000000000000000100-00000000000000000190.qlog");
    fs::rename(segment(dir.path(), 1), &renamed).expect("renamed");
    let joined = ArchivedLog::join(Archive::open(dir.path()).expect("opens"), log).await;
    assert_eq!(joined.expect_err("longer than its name says").code(), "archive");
    fs::rename(&renamed, dir.path().join("00000000000000000110-00000000000000000200.qlog")).expect("renamed");
    assert_eq!(Archive::open(dir.path()).expect_err("begins elsewhere").code(), "archive");
}

#[tokio::test]
async fn two_do_not_write_to_one_archive_and_nobody_adds_the_records_of_another_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = filled(300).await;
    let mut one = Archive::open_to_write(dir.path()).expect("empty");
    one.seal(&log, Offset(100)).await.expect("sealed");
    // Whoever comes second is told so before it has looked what is there: that will change.
    assert_eq!(Archive::open_to_write(dir.path()).expect_err("in use").code(), "locked");
    drop(one);
    let mut other = Archive::open_to_write(dir.path()).expect("free again");
    other.seal(&log, Offset(200)).await.expect("free again");

    let foreign = MemoryLog::new();
    foreign.append(vec![Record::v1(Kind::Tick, vec![0]); 400]).await.expect("appended");
    let error = other.check(&foreign).await.expect_err("another log");
    assert!(matches!(error, Error::OtherLog { at: Offset(199) }), "{error}");
    other.check(&log).await.expect("its own log");
}
