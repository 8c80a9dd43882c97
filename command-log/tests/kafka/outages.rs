//! Brokers are killed while records are appended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use command_log::{Follower, Log, conformance::read_all, kafka::KafkaLog};
use log_schema::{Kind, Offset, Record};

use crate::cluster::{Cluster, open};

fn command(n: u64) -> Record {
    Record::v1(Kind::SubmitJob, n.to_be_bytes().to_vec())
}

/// Appends one record after the other until told to stop; returns the offset that each was acked at.
async fn append_until(log: Arc<KafkaLog>, stop: Arc<AtomicBool>) -> Vec<Offset> {
    let mut acked = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let n = acked.len() as u64;
        acked.extend(log.append(vec![command(n)]).await.expect("acked in the end"));
    }
    acked
}

/// Every acked record is where it was said to be, and none is there twice.
async fn assert_kept(log: &KafkaLog, acked: &[Offset]) {
    let read = read_all(log).await;
    assert_eq!(read.len(), acked.len(), "a record is missing or doubled");
    for (n, (at, stored)) in (0..).zip(acked.iter().zip(&read)) {
        assert_eq!((stored.offset, &stored.record), (*at, &command(n)));
    }
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_each_of_three_brokers_is_killed_in_turn_nothing_acked_is_lost_or_doubled() {
    let cluster = Cluster::start(&["--brokers", "3"]);
    let log = Arc::new(open(&cluster.cell().for_decisions()).await);
    let mut follower = Follower::new(Arc::clone(&log) as Arc<dyn Log>, Offset(0));
    let stop = Arc::new(AtomicBool::new(false));
    let appending = tokio::spawn(append_until(Arc::clone(&log), Arc::clone(&stop)));
    for broker in 1..=3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.kill(broker);
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.restart(broker);
    }
    // The last broker to come back may hold the cluster's attention for a moment.
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::Release);
    let acked = appending.await.expect("the appender ends");
    assert!(acked.len() > 100, "{} records were acked", acked.len());
    assert_kept(&log, &acked).await;
    let mut seen = 0;
    while seen < acked.len() {
        seen += follower.next_batch().await.expect("the follower goes on").len();
    }
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_dies_and_stays_dead_is_missed_by_no_reader_and_no_writer() {
    let cluster = Cluster::start(&["--brokers", "3"]);
    // Of six partitions each broker leads some.
    let mut logs = Vec::new();
    for _ in 0..6 {
        let log = Arc::new(open(&cluster.cell().for_decisions()).await);
        log.append(vec![command(0)]).await.expect("appended");
        logs.push(log);
    }
    cluster.kill(1);
    for log in &logs {
        assert_eq!(log.watermarks().await.expect("another one leads").high, Offset(1));
        assert_eq!(log.append(vec![command(1)]).await.expect("acked by two"), [Offset(1)]);
        assert_eq!(read_all(&**log).await.len(), 2);
    }
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_brokers_down_an_append_waits_and_one_with_a_limit_says_that_nobody_knows() {
    let cluster = Cluster::start(&["--brokers", "1"]);
    let config = cluster.cell();
    let patient = Arc::new(open(&config.clone().for_decisions()).await);
    let mut hasty = config;
    hasty.unacked_after = Some(Duration::from_secs(1));
    let hasty = open(&hasty).await;
    patient.append(vec![command(0)]).await.expect("appended");
    cluster.kill(1);
    let error = hasty.append(vec![command(99)]).await.expect_err("nobody is there");
    assert_eq!((error.code(), error.is_transient()), ("unacked", true), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("same key")));
    let waiting = tokio::spawn({
        let patient = Arc::clone(&patient);
        async move { patient.append(vec![command(1)]).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished(), "acked by nobody");
    assert!(patient.watermarks().await.is_err_and(|error| error.is_transient()));
    cluster.restart(1);
    let at = waiting.await.expect("not given up").expect("acked in the end");
    let read = read_all(&*patient).await;
    assert!(read.iter().any(|stored| stored.offset == at[0] && stored.record == command(1)));
    hasty.append(vec![command(2)]).await.expect("appended again");
}
