//! Telemetry over Kafka: a topic keyed by agent, so that every gateway and allocator hears every agent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use log_schema::{AgentId, codec};
use rdkafka::{
    Message, Offset as Position, TopicPartitionList,
    consumer::Consumer,
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{MetadataPartition, MetadataTopic},
    producer::{BaseRecord, DefaultProducerContext, ThreadedProducer},
};
use tokio::sync::broadcast;

use super::{
    Config,
    client::{ANSWER_MAX, Context, Reader, failed, make},
    topic,
};
use crate::{
    Error,
    telemetry::{InProcess, Sample, Telemetry},
};

const LOOK: Duration = Duration::from_millis(100);

/// The telemetry of a cell, shared by all who have it open.
pub struct KafkaTelemetry {
    topic: String,
    producer: ThreadedProducer<DefaultProducerContext>,
    heard: Arc<InProcess>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl KafkaTelemetry {
    /// Opens the cell's telemetry, from now on.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        topic::prepare(config, &topic::telemetry(config)).await?;
        let (owned, topic) = (config.clone(), config.telemetry_topic());
        let (topic, reader) =
            crate::blocking(move || reader_of_all(&owned, &topic).map(|reader| (topic, reader))).await?;
        let mut client = config.client();
        // A sample that is late is worth nothing.
        client.set("message.timeout.ms", "5000").set("acks", "1").set("linger.ms", "20");
        let producer = make(&client, DefaultProducerContext, config)?;
        let (heard, stop) = (Arc::new(InProcess::default()), Arc::new(AtomicBool::new(false)));
        let listen = {
            let (heard, stop) = (Arc::clone(&heard), Arc::clone(&stop));
            move || listen(&reader, &heard, &stop)
        };
        let thread = std::thread::Builder::new().name("kafka-telemetry".to_owned()).spawn(listen);
        let thread =
            thread.map_err(|source| Error::Unreachable { place: config.to_string(), source: source.into() })?;
        Ok(Self { topic, producer, heard, stop, thread: Some(thread) })
    }
}

/// A reader at the end of every partition.
fn reader_of_all(config: &Config, topic: &str) -> Result<Reader, Error> {
    let unreadable = |error| failed(&config.to_string(), "let telemetry be read", error);
    let mut client = config.client();
    client.set("group.id", "quipu-has-no-group").set("enable.auto.commit", "false").set("auto.offset.reset", "latest");
    let reader: Reader = make(&client, Context, config)?;
    let mut places = TopicPartitionList::new();
    for partition in partitions_of(&reader, topic).map_err(unreadable)? {
        places.add_partition_offset(topic, partition, Position::End).map_err(unreadable)?;
    }
    reader.assign(&places).map_err(unreadable)?;
    Ok(reader)
}

/// Every partition of the topic. A broker that has not heard of a new topic yet is asked again.
fn partitions_of(reader: &Reader, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let begun = Instant::now();
    loop {
        let metadata = reader.fetch_metadata(Some(topic), ANSWER_MAX)?;
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        let partitions: Vec<i32> = partitions.map(MetadataPartition::id).collect();
        if !partitions.is_empty() {
            return Ok(partitions);
        }
        if begun.elapsed() > ANSWER_MAX {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
        }
        std::thread::sleep(LOOK);
    }
}

/// What cannot be read is passed over: a later sample follows.
fn listen(reader: &Reader, heard: &InProcess, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let Some(Ok(message)) = reader.poll(LOOK) else { continue };
        match codec::decode::<Sample>("sample", message.payload().unwrap_or_default()) {
            Ok(sample) => heard.publish(sample),
            Err(error) => tracing::warn!(%error, "a message of the telemetry topic is no sample"),
        }
    }
}

impl Telemetry for KafkaTelemetry {
    fn publish(&self, sample: Sample) {
        let payload = codec::encode(&sample);
        let record = BaseRecord::to(&self.topic).key(sample.agent.as_str()).payload(&payload);
        if let Err((error, _)) = self.producer.send(record) {
            tracing::debug!(%error, "a sample was not sent");
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Sample>> {
        self.heard.subscribe()
    }

    fn latest(&self, agent: &AgentId) -> Option<Arc<Sample>> {
        self.heard.latest(agent)
    }

    fn latest_all(&self) -> Vec<Arc<Sample>> {
        self.heard.latest_all()
    }
}

impl Drop for KafkaTelemetry {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the listener to telemetry panicked");
        }
    }
}
