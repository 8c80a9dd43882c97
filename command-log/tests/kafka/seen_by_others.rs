//! What other processes and other programs see of the log.

use std::{process::Command, sync::Arc};

use command_log::{
    Log,
    conformance::read_all,
    kafka::{Config, KafkaTelemetry},
    telemetry::{Sample, Telemetry},
    trace::TraceParent,
};
use log_schema::{AgentId, Kind, Offset, Record, TimeMs};
use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};

use crate::cluster::{Cluster, open};

fn command(n: u64) -> Record {
    Record::v1(Kind::SubmitJob, n.to_be_bytes().to_vec())
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_append_to_one_log_and_read_the_same() {
    let config = Cluster::one().cell();
    let (one, other) = (Arc::new(open(&config).await), Arc::new(open(&config).await));
    let append = |log: Arc<dyn Log>, from: u64| async move {
        for n in from..from + 50 {
            log.append(vec![command(n)]).await.expect("appended");
        }
    };
    tokio::join!(append(Arc::clone(&one) as _, 0), append(Arc::clone(&other) as _, 1000));
    let (seen, seen_by_other) = (read_all(&*one).await, read_all(&*other).await);
    assert_eq!(seen.len(), 100);
    assert_eq!(seen, seen_by_other);
    assert!((0..).zip(&seen).all(|(n, stored)| stored.offset == Offset(n)));
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_much_larger_than_memory_holds_is_read_from_the_brokers() {
    let config = Cluster::one().cell();
    let log = open(&config).await;
    let payload = vec![7; 60_000];
    for _ in 0..40 {
        log.append(vec![Record::v1(Kind::SubmitJob, payload.clone()); 20]).await.expect("appended");
    }
    let read = read_all(&log).await;
    assert_eq!(read.len(), 800);
    assert!(read.iter().all(|stored| stored.record.payload == payload));
    let two = tokio::join!(read_all(&log), read_all(&log));
    assert!(two.0 == read && two.1 == read, "two readers side by side see the same");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_reads_kind_and_version_in_the_headers_and_the_payload_as_it_is() {
    if Command::new("kcat").arg("-V").output().is_err() {
        eprintln!("SKIPPED: kcat is not here (Debian: kcat)");
        return;
    }
    let config = Cluster::one().cell();
    let log = open(&config).await;
    log.append(vec![command(0x6162_6364_6566_6768)]).await.expect("appended");
    let topic = format!("quipu.{}.log", config.cell());
    let shown = Command::new("kcat")
        .args(["-b", Cluster::one().bootstrap(), "-C", "-e", "-q", "-t", &topic, "-o", "beginning", "-f", "%h|%s"])
        .output()
        .expect("kcat runs");
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(shown.starts_with("kind=10,version=1,ce_type=submit_job,ce_id="), "{shown}");
    assert!(shown.ends_with("|abcdefgh"), "{shown}");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_carry_the_trace_of_the_request_that_they_came_from_and_no_others_do() {
    let config = Cluster::one().cell();
    let log = open(&config).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    log.append(vec![command(1)]).await.expect("appended");
    let parent: TraceParent = trace.parse().expect("legal");
    parent.during(log.append(vec![command(2)])).await.expect("appended");
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", Cluster::one().bootstrap())
        .set("group.id", "unused")
        .create()
        .expect("a consumer");
    let mut from = TopicPartitionList::new();
    let topic = format!("quipu.{}.log", config.cell());
    from.add_partition_offset(&topic, 0, rdkafka::Offset::Beginning).expect("legal");
    reader.assign(&from).expect("assigned");
    let found: Vec<_> = (0..2).map(|_| trace_of(&reader)).collect();
    assert_eq!(found, [None, Some(trace.to_owned())]);
}

/// The trace of the next message.
fn trace_of(reader: &BaseConsumer) -> Option<String> {
    let message = reader.poll(std::time::Duration::from_secs(30)).expect("a message in time").expect("a message");
    let headers = message.headers().expect("headers");
    let found = headers.iter().find(|header| header.key == "traceparent")?;
    found.value.map(|value| String::from_utf8_lossy(value).into_owned())
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_opened_over_tls_with_a_name_and_a_password_and_not_without() {
    let cluster = Cluster::one();
    let bootstrap = std::fs::read_to_string(cluster.file("secure-bootstrap")).expect("a secure listener");
    let address = format!("kafka://{}/secured", bootstrap.trim());
    let mut config = Config::parse(&address).expect("legal");
    config.create = true;
    let secured = config.clone().with_properties(&cluster.file("client.properties")).expect("legal properties");
    let log = open(&secured).await;
    log.append(vec![command(1)]).await.expect("appended");
    assert_eq!(read_all(&log).await.len(), 1);

    let error = command_log::kafka::KafkaLog::open(&config).await.expect_err("no name, no password");
    assert_eq!((error.code(), error.is_transient()), ("unreachable", true));
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_listener_hears_every_agent() {
    let config = Cluster::one().cell();
    let open = || async { KafkaTelemetry::open(&config).await.expect("telemetry opens") };
    let (one, other) = (open().await, open().await);
    let mut heard = other.subscribe();
    let sample = |agent: &str, time| Sample {
        agent: AgentId::new(agent).expect("a legal id"),
        time: TimeMs(time),
        cpu_busy_millis: 0,
        cpu_total_millis: 0,
        mem_used_mib: 0,
        mem_total_mib: 0,
        disk_used_mib: 0,
        disk_total_mib: 0,
        load1_centi: 0,
        net_rx_bytes: 0,
        net_tx_bytes: 0,
        tasks: Vec::new(),
        gateway: None,
    };
    let patience = std::time::Duration::from_secs(30);
    let begun = std::time::Instant::now();
    // A listener begins at the end of the topic, which it finds in its own time.
    while one.latest_all().len() < 2 || other.latest_all().len() < 2 {
        assert!(begun.elapsed() < patience, "the samples were not heard");
        one.publish(sample("a1", 1));
        other.publish(sample("a2", 2));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    heard.recv().await.expect("a sample");
    assert_eq!(one.latest(&AgentId::new("a2").expect("legal")).expect("heard").time, TimeMs(2));
}
