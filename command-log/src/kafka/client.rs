//! What every client has in common: where its messages go, what its errors mean, and how to ask for watermarks.

use std::{
    thread,
    time::{Duration, Instant},
};

use log_schema::Offset;
use rdkafka::{
    ClientConfig, ClientContext, Offset as Position, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::Config;
use crate::{Error, Watermarks};

/// How long a broker may take to answer a question.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The wait before the same question is asked again.
pub(super) const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long whoever is thought to lead may take, before it is asked who leads.
const LEADER_ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long a partition may be without a leader: a dead broker is missed after nine seconds, if nothing else was set.
const LEADERLESS_MAX: Duration = Duration::from_secs(20);
/// A log has one partition: this one.
pub(super) const PARTITION: i32 = 0;

/// Sends what librdkafka has to say to the log of this program.
pub(super) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::warn!(target: "kafka", facility, "{message}");
            }
            RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "kafka", facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "kafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // The end of the topic is where a follower usually is.
            Some(RDKafkaErrorCode::PartitionEOF) => return,
            // Said again and again while a broker is down.
            Some(RDKafkaErrorCode::BrokerTransportFailure) => {
                tracing::debug!(target: "kafka", %error, "{reason}");
                return;
            }
            _ => {}
        }
        tracing::warn!(target: "kafka", %error, "{reason}");
    }
}

impl ConsumerContext for Context {}

/// A consumer of one topic.
pub(super) type Reader = BaseConsumer<Context>;

/// Asks a cluster about one topic.
pub(super) struct Client {
    place: String,
    topic: String,
    asker: Reader,
}

impl Client {
    pub fn new(config: &Config, topic: &str) -> Result<Self, Error> {
        let asker = make(&config.client(), Context, config)?;
        Ok(Self { place: config.to_string(), topic: topic.to_owned(), asker })
    }

    /// What it asks about.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What can be read now. Blocks while it asks, again and again: a partition may have no leader for a moment, and
    /// a broker may not have heard of a topic yet that another one has just made.
    pub fn watermarks(&self) -> Result<Watermarks, Error> {
        let begun = Instant::now();
        loop {
            match self.watermarks_now() {
                Err(_) if begun.elapsed() < LEADERLESS_MAX => self.ask_who_leads(),
                answer => return answer,
            }
        }
    }

    fn watermarks_now(&self) -> Result<Watermarks, Error> {
        let asked = self.asker.fetch_watermarks(&self.topic, PARTITION, LEADER_ANSWER_MAX);
        let (low, high) = asked.map_err(|error| failed(&self.place, "say how long the log is", error))?;
        Ok(Watermarks { low: offset(low), high: offset(high) })
    }

    /// librdkafka goes on asking the broker that led before, and may it be dead, until it is made to look again.
    fn ask_who_leads(&self) {
        thread::sleep(ASK_AGAIN_AFTER);
        if let Err(error) = self.asker.fetch_metadata(Some(&self.topic), LEADER_ANSWER_MAX) {
            tracing::debug!(%error, "nobody says who leads the log");
        }
    }

    pub fn unreachable(&self, why: String) -> Error {
        Error::Unreachable { place: self.place.clone(), source: why.into() }
    }
}

/// An offset as Kafka states it; what it never states reads as 0.
pub(super) fn offset(stated: i64) -> Offset {
    Offset(u64::try_from(stated).unwrap_or(0))
}

/// Makes a client of librdkafka's.
pub(super) fn make<C, T: FromClientConfigAndContext<C>>(
    client: &ClientConfig,
    context: C,
    config: &Config,
) -> Result<T, Error>
where
    C: ClientContext,
{
    let made = client.create_with_context(context);
    made.map_err(|error| Error::Configuration { name: config.to_string(), why: error.to_string() })
}

/// A consumer that begins at an offset and goes nowhere else by itself.
pub(super) fn reader_at(config: &Config, topic: &str, from: Offset, queued_kib: u32) -> Result<Reader, Error> {
    let mut client = config.client();
    client
        // librdkafka asks for the name of a group even where there is none.
        .set("group.id", "quipu-has-no-group")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_uncommitted")
        .set("check.crcs", "true")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.message.max.bytes", "4194304")
        .set("queued.max.messages.kbytes", queued_kib.to_string());
    let reader: Reader = make(&client, Context, config)?;
    let unreadable = |error| failed(&config.to_string(), "let the log be read", error);
    let mut places = TopicPartitionList::new();
    let at = Position::Offset(i64::try_from(from.0).unwrap_or(i64::MAX));
    places.add_partition_offset(topic, PARTITION, at).map_err(unreadable)?;
    reader.assign(&places).map_err(unreadable)?;
    Ok(reader)
}

/// What a failed request means to whoever made it.
pub(super) fn failed(place: &str, doing: &'static str, error: KafkaError) -> Error {
    let place = place.to_owned();
    // The code of an administrator's request is not among those that rdkafka tells.
    let code = if let KafkaError::AdminOp(code) = error { Some(code) } else { error.rdkafka_error_code() };
    match code {
        Some(code) if is_final(code) => Error::Rejected { place, doing, source: error.into() },
        _ => Error::Unreachable { place, source: error.into() },
    }
}

/// Whether a reader or writer that is told this need not try again.
pub(super) fn is_final(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AutoOffsetReset
            | RDKafkaErrorCode::OffsetOutOfRange
            | RDKafkaErrorCode::LogTruncation
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopicId
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::InvalidConfig
            | RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::Fatal
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_administrator_is_refused_is_final_and_what_brokers_suffer_from_is_not() {
        let refused = KafkaError::AdminOp(RDKafkaErrorCode::InvalidReplicationFactor);
        assert!(matches!(failed("here", "make a topic", refused), Error::Rejected { .. }));
        let down = KafkaError::AdminOp(RDKafkaErrorCode::BrokerTransportFailure);
        assert!(matches!(failed("here", "make a topic", down), Error::Unreachable { .. }));
    }
}
