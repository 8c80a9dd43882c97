//! The topics of a cell: made as they must be, and looked at before they are trusted.

use std::time::Duration;

use log_schema::{Offset, record::PAYLOAD_BYTES_MAX};
use rdkafka::{
    Offset as Position, TopicPartitionList,
    admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    Config,
    client::{ANSWER_MAX, ASK_AGAIN_AFTER, Context, PARTITION, failed, make, offset},
};
use crate::Error;

/// How many brokers hold each record, if there are that many.
const REPLICATION: usize = 3;

/// How long it may take until a broker knows of a topic that another one has made.
const KNOWN_MAX: Duration = Duration::from_secs(30);

/// The setting that bounds one message, and the least that the largest record needs with its headers.
const LARGEST: &str = "max.message.bytes";
const MESSAGE_BYTES_MIN: usize = PAYLOAD_BYTES_MAX + 64 * 1024;

/// The setting that says how many brokers must have a record before it is acked.
const IN_SYNC: &str = "min.insync.replicas";

/// More than half of the brokers that hold the log.
fn in_sync_of(replicas: usize) -> usize {
    replicas / 2 + 1
}

/// What a topic must be.
pub(super) struct Wanted {
    name: String,
    partitions: usize,
    settings: Vec<(&'static str, String)>,
    /// Whether records may never go.
    keeps_all: bool,
}

/// The topic of commands and decisions.
pub(super) fn log(config: &Config) -> Wanted {
    let settings = [
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        ("message.timestamp.type", "LogAppendTime"),
        ("unclean.leader.election.enable", "false"),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    Wanted { name: config.log_topic(), partitions: 1, settings, keeps_all: true }
}

/// The topic of heartbeats and usage: nothing rests on it.
pub(super) fn telemetry(config: &Config) -> Wanted {
    let settings = [("cleanup.policy", "delete"), ("retention.ms", "600000"), ("segment.ms", "300000")];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    Wanted { name: config.telemetry_topic(), partitions: 8, settings, keeps_all: false }
}

/// What a cluster says about a topic.
struct Found {
    partitions: usize,
    /// The fewest brokers that hold a partition.
    replicas: usize,
    settings: ConfigResource,
}

/// Makes the topic if there is none and the configuration says so; then refuses one that could lose records.
pub(super) async fn prepare(config: &Config, wanted: &Wanted) -> Result<(), Error> {
    let admin: AdminClient<Context> = make(&config.client(), Context, config)?;
    let (brokers, exists) = look(config, wanted).await?;
    let replication = config.replication.map_or(REPLICATION.min(brokers.max(1)), usize::from);
    if !exists {
        create(config, &admin, wanted, replication).await?;
    }
    let found = describe(config, &admin, wanted).await?;
    check(config, wanted, &found)?;
    if wanted.keeps_all && found.replicas < 2 {
        tracing::warn!(topic = wanted.name, "one broker alone holds the log: if its disk is lost, the cell is lost");
    }
    Ok(())
}

/// How many brokers there are, and whether the topic is there.
async fn look(config: &Config, wanted: &Wanted) -> Result<(usize, bool), Error> {
    let (config, name) = (config.clone(), wanted.name.clone());
    crate::blocking(move || {
        let client: super::client::Reader = make(&config.client(), Context, &config)?;
        let asked = rdkafka::consumer::Consumer::fetch_metadata(&client, Some(&name), ANSWER_MAX);
        let metadata = asked.map_err(|error| failed(&config.to_string(), "say what topics there are", error))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        Ok((metadata.brokers().len(), topic.is_some_and(|topic| topic.error().is_none())))
    })
    .await
}

async fn create(
    config: &Config,
    admin: &AdminClient<Context>,
    wanted: &Wanted,
    replication: usize,
) -> Result<(), Error> {
    if !config.create {
        return Err(Error::TopicMissing { topic: wanted.name.clone() });
    }
    let in_sync = in_sync_of(replication).to_string();
    let partitions = i32::try_from(wanted.partitions).expect("few partitions");
    let copies = i32::try_from(replication).unwrap_or(i32::MAX);
    let mut topic = NewTopic::new(&wanted.name, partitions, TopicReplication::Fixed(copies));
    for (name, value) in &wanted.settings {
        topic = topic.set(name, value);
    }
    if wanted.keeps_all {
        topic = topic.set(IN_SYNC, &in_sync);
    }
    let made = admin.create_topics([&topic], &options()).await;
    let refused = |error| failed(&config.to_string(), "make a topic", error);
    match made.map_err(refused)?.into_iter().next() {
        // Another process was quicker, which is as good.
        None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(refused(KafkaError::AdminOp(code))),
    }
}

/// Lets the brokers forget what is below an offset of the log. It cannot be undone.
pub(super) async fn forget(config: &Config, below: Offset) -> Result<Offset, Error> {
    let refused = |error| failed(&config.to_string(), "forget records", error);
    let admin: AdminClient<Context> = make(&config.client(), Context, config)?;
    let mut places = TopicPartitionList::new();
    let at = Position::Offset(i64::try_from(below.0).unwrap_or(i64::MAX));
    places.add_partition_offset(&config.log_topic(), PARTITION, at).map_err(refused)?;
    let left = admin.delete_records(&places, &options()).await.map_err(refused)?;
    let left = left.find_partition(&config.log_topic(), PARTITION);
    let low = left.map(|place| place.error().map(|()| place.offset()));
    match low.transpose().map_err(refused)? {
        Some(Position::Offset(low)) => Ok(offset(low)),
        _ => Err(refused(KafkaError::AdminOp(RDKafkaErrorCode::UnknownPartition))),
    }
}

/// A new topic takes a moment until every broker knows of it.
async fn describe(config: &Config, admin: &AdminClient<Context>, wanted: &Wanted) -> Result<Found, Error> {
    let begun = tokio::time::Instant::now();
    loop {
        match describe_now(config, admin, wanted).await {
            Err(_) if begun.elapsed() < KNOWN_MAX => tokio::time::sleep(ASK_AGAIN_AFTER).await,
            found => return found,
        }
    }
}

async fn describe_now(config: &Config, admin: &AdminClient<Context>, wanted: &Wanted) -> Result<Found, Error> {
    let refused = |error| failed(&config.to_string(), "describe a topic", error);
    let described = admin.describe_configs([&ResourceSpecifier::Topic(&wanted.name)], &options()).await;
    let missing = || Error::TopicMissing { topic: wanted.name.clone() };
    let described = described.map_err(refused)?.into_iter().next().ok_or_else(missing)?;
    let settings = described.map_err(|code| refused(KafkaError::AdminOp(code)))?;
    if settings.entries.is_empty() {
        // A broker that has not heard of the topic yet.
        return Err(missing());
    }
    let asked = admin.inner().fetch_metadata(Some(&wanted.name), ANSWER_MAX).map_err(refused)?;
    let topic = asked.topics().iter().find(|topic| topic.name() == wanted.name && !topic.partitions().is_empty());
    let partitions = topic.ok_or_else(missing)?.partitions();
    let replicas = partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
    Ok(Found { partitions: partitions.len(), replicas, settings })
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX))
}

fn setting(found: &Found, name: &str) -> String {
    found.settings.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default()
}

/// Refuses a topic that could lose, drop or reorder records.
fn check(config: &Config, wanted: &Wanted, found: &Found) -> Result<(), Error> {
    if !wanted.keeps_all {
        return Ok(());
    }
    let unfit = |setting, found: String, wanted_text: String| {
        Err(Error::TopicUnfit { topic: wanted.name.clone(), setting, found, wanted: wanted_text })
    };
    if found.partitions != wanted.partitions {
        return unfit("the number of partitions", found.partitions.to_string(), wanted.partitions.to_string());
    }
    let message_bytes = setting(found, LARGEST).parse().unwrap_or(0);
    if message_bytes < MESSAGE_BYTES_MIN {
        return unfit(
            LARGEST,
            message_bytes.to_string(),
            format!("{MESSAGE_BYTES_MIN} at least, for the largest decision"),
        );
    }
    for (name, value) in &wanted.settings {
        let stated = setting(found, name);
        if stated != *value {
            return unfit(name, stated, value.clone());
        }
    }
    let in_sync = setting(found, IN_SYNC).parse().unwrap_or(0);
    if in_sync < in_sync_of(found.replicas) {
        return unfit(IN_SYNC, in_sync.to_string(), format!("{} at least", in_sync_of(found.replicas)));
    }
    match config.replication.map(usize::from) {
        Some(asked) if found.replicas < asked => {
            unfit("the number of replicas", found.replicas.to_string(), format!("{asked} at least, as was asked for"))
        }
        _ => Ok(()),
    }
}
