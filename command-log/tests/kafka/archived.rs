//! History that outlives the topic: what is archived may be forgotten by the brokers, and is read all the same.

use std::sync::Arc;

use command_log::{
    Error, Follower, Log,
    archive::{Archive, ArchivedLog},
    conformance::read_all,
    kafka::KafkaLog,
};
use log_schema::{Kind, Offset, Record};

use crate::cluster::{Cluster, open};

async fn filled(records: u64) -> (command_log::kafka::Config, KafkaLog) {
    let config = Cluster::one().cell();
    let log = open(&config).await;
    let batch = |from: u64| (from..from + 100).map(|n| Record::v1(Kind::SubmitJob, n.to_be_bytes().to_vec()));
    for from in (0..records).step_by(100) {
        log.append(batch(from).collect()).await.expect("appended");
    }
    (config, log)
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_go_from_the_archive_to_the_topic_without_noticing() {
    let (config, log) = filled(1000).await;
    let before = read_all(&log).await;
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = Archive::open_to_write(dir.path()).expect("empty");
    for end in [300, 600] {
        writer.seal(&log, Offset(end)).await.expect("sealed");
    }
    assert_eq!(log.forget(Offset(500)).await.expect("forgotten"), Offset(500));

    // Whoever had it open, whoever opens it, and whoever had read beyond it: each is told what is gone.
    for log in [log, open(&config).await] {
        let error = log.read(Offset(0), 1000).await.expect_err("gone");
        assert!(matches!(error, Error::BelowLow { from: Offset(0), low: Offset(500) }), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("--archive")));
    }
    let archive = Archive::open(dir.path()).expect("two segments");
    let joined = Arc::new(ArchivedLog::join(archive, open(&config).await).await.expect("they belong together"));
    assert_eq!(joined.watermarks().await.expect("known").low, Offset(0));
    assert!(read_all(&*joined).await == before);
    // More is archived and forgotten while it is open.
    writer.seal(&*joined, Offset(900)).await.expect("sealed");
    assert_eq!(open(&config).await.forget(Offset(850)).await.expect("forgotten"), Offset(850));
    joined.watermarks().await.expect("known");
    assert!(read_all(&*joined).await == before);
    let at = joined.append(vec![Record::v1(Kind::SubmitJob, vec![1])]).await.expect("appended");
    assert_eq!(at, [Offset(1000)]);
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_was_slower_than_the_forgetting_is_told_so() {
    let (config, log) = filled(1000).await;
    let slow = open(&config).await;
    assert_eq!(slow.watermarks().await.expect("known").low, Offset(0));
    log.forget(Offset(500)).await.expect("forgotten");
    let error = slow.read(Offset(10), 1000).await.expect_err("gone");
    assert!(matches!(error, Error::BelowLow { from: Offset(10), low: Offset(500) }), "{error}");
    assert_eq!(slow.read(Offset(500), 1).await.expect("there")[0].offset, Offset(500));
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whom_the_forgetting_overtakes_goes_on_in_the_archive() {
    let (config, log) = filled(1000).await;
    let (alone, joined) = (open(&config).await, open(&config).await);
    let dir = tempfile::tempdir().expect("a directory");
    let joined = ArchivedLog::join(Archive::open(dir.path()).expect("empty"), joined).await.expect("together");
    // Both are at the end and have not looked since: what comes now is forgotten before they see it.
    log.append(vec![Record::v1(Kind::Tick, vec![0]); 500]).await.expect("appended");
    Archive::open_to_write(dir.path()).expect("empty").seal(&log, Offset(1400)).await.expect("sealed");
    log.forget(Offset(1300)).await.expect("forgotten");

    let mut follower = Follower::new(Arc::new(alone), Offset(1000));
    let error = follower.next_batch().await.expect_err("gone");
    assert!(matches!(error, Error::BelowLow { from: Offset(1000), low: Offset(1300) }), "{error}");
    let mut follower = Follower::new(Arc::new(joined), Offset(1000));
    while follower.position() < Offset(1500) {
        let at = follower.position();
        assert_eq!(follower.next_batch().await.expect("in the archive, then in the topic")[0].offset, at);
    }
    // Who has skipped what was forgotten follows the end as before.
    log.append(vec![Record::v1(Kind::Tick, vec![1])]).await.expect("appended");
    assert_eq!(follower.next_batch().await.expect("appended")[0].offset, Offset(1500));
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_archive_of_another_log_is_refused() {
    let (_, log) = filled(300).await;
    let dir = tempfile::tempdir().expect("a directory");
    let mut archive = Archive::open_to_write(dir.path()).expect("empty");
    archive.seal(&log, Offset(250)).await.expect("sealed");

    let (_, shorter) = filled(100).await;
    let error = ArchivedLog::join(Archive::open(dir.path()).expect("opens"), shorter).await.expect_err("too short");
    assert!(matches!(error, Error::ArchiveAhead { archived: Offset(250), high: Offset(100) }), "{error}");

    let other = open(&Cluster::one().cell()).await;
    other.append(vec![Record::v1(Kind::Tick, vec![0]); 300]).await.expect("appended");
    let error = ArchivedLog::join(Archive::open(dir.path()).expect("opens"), other).await.expect_err("another");
    assert!(matches!(error, Error::OtherLog { at: Offset(249) }), "{error}");
}
