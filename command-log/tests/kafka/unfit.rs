//! Topics that could lose records are refused, in words.

use command_log::kafka::{Config, KafkaLog};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier},
    client::DefaultClientContext,
};

use crate::cluster::{Cluster, open};

/// A cell whose topic was made well, and then set otherwise.
async fn cell_with(settings: &[(&str, &str)]) -> Config {
    let config = Cluster::one().cell();
    drop(open(&config).await);
    let topic = format!("quipu.{}.log", config.cell());
    let mut change = AlterConfig::new(ResourceSpecifier::Topic(&topic));
    let good = [
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        ("message.timestamp.type", "LogAppendTime"),
        ("unclean.leader.election.enable", "false"),
    ];
    for (name, value) in
        good.iter().filter(|(name, _)| settings.iter().all(|(changed, _)| changed != name)).chain(settings)
    {
        change = change.set(name, value);
    }
    let changed = admin().alter_configs(&[change], &AdminOptions::new()).await.expect("altered");
    assert!(changed.iter().all(Result::is_ok), "{changed:?}");
    config
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", Cluster::one().bootstrap()).create().expect("an admin")
}

async fn refused(config: &Config) -> String {
    // What was altered takes a moment until every broker knows of it.
    for _ in 0..100 {
        match KafkaLog::open(config).await {
            Err(error) => {
                assert_eq!((error.code(), error.is_transient()), ("topic_unfit", false), "{error}");
                assert!(error.hint().is_some());
                return error.to_string();
            }
            Ok(log) => drop(log),
        }
    }
    panic!("the topic was not refused");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_is_refused() {
    let error = refused(&cell_with(&[("cleanup.policy", "compact")]).await).await;
    assert!(error.contains("cleanup.policy is compact, and must be delete"), "{error}");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_forgets_is_refused() {
    let error = refused(&cell_with(&[("retention.ms", "604800000")]).await).await;
    assert!(error.contains("retention.ms is 604800000, and must be -1"), "{error}");
    let error = refused(&cell_with(&[("retention.bytes", "1000000")]).await).await;
    assert!(error.contains("retention.bytes is 1000000, and must be -1"), "{error}");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_may_elect_a_leader_without_the_records_is_refused() {
    let error = refused(&cell_with(&[("unclean.leader.election.enable", "true")]).await).await;
    assert!(error.contains("unclean.leader.election.enable is true"), "{error}");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_does_not_take_the_largest_decision_is_refused() {
    let error = refused(&cell_with(&[("max.message.bytes", "500000")]).await).await;
    assert!(error.contains("max.message.bytes is 500000, and must be 987136 at least"), "{error}");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_two_partitions_has_no_order_and_is_refused() {
    let config = Cluster::one().cell();
    drop(open(&config).await);
    let topic = format!("quipu.{}.log", config.cell());
    let added = admin().create_partitions(&[NewPartitions::new(&topic, 2)], &AdminOptions::new()).await.expect("added");
    assert!(added.iter().all(Result::is_ok), "{added:?}");
    let error = refused(&config).await;
    assert!(error.contains("the number of partitions is 2, and must be 1"), "{error}");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fewer_replicas_than_were_asked_for_are_refused() {
    let mut config = Cluster::one().cell();
    drop(open(&config).await);
    config.replication = Some(3);
    let error = refused(&config).await;
    assert!(error.contains("the number of replicas is 1, and must be 3 at least"), "{error}");
}

#[ignore = "needs Kafka: make test-kafka"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_not_there_is_named_and_not_made_by_a_reader() {
    let mut config = Cluster::one().cell();
    config.create = false;
    for _ in 0..2 {
        let error = KafkaLog::open(&config).await.expect_err("there is none");
        assert_eq!(error.code(), "topic_missing");
        assert!(error.to_string().contains(&format!("quipu.{}.log", config.cell())), "{error}");
    }
}
