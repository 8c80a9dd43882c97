//! The log on a Kafka broker against bare librdkafka with the same promises: acks of all, idempotent.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use command_log::kafka::{Config, KafkaLog};
use log_schema::Record;
use rdkafka::{
    ClientConfig, ClientContext,
    message::DeliveryResult,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};

use crate::workload::{Case, Measured, append, read_back};

/// How long the broker may take to ack a batch.
const ACK_MAX: Duration = Duration::from_secs(60);

/// One broker, which ends with this program.
pub(crate) struct Broker {
    bootstrap: String,
    _dir: PathBuf,
}

impl Broker {
    /// Starts a broker, if Java and Maven are here.
    pub(crate) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        if ["java", "mvn"].iter().any(|tool| Command::new(tool).arg("-version").output().is_err()) {
            return Ok(None);
        }
        let dir = tempfile::tempdir()?.keep();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka-dev/kafka.sh");
        let owner = std::process::id().to_string();
        let started = Command::new(script).args(["start", "--for", &owner, "--dir"]).arg(&dir).output()?;
        if !started.status.success() {
            return Err(String::from_utf8_lossy(&started.stderr).into_owned().into());
        }
        Ok(Some(Self { bootstrap: String::from_utf8(started.stdout)?.trim().to_owned(), _dir: dir }))
    }

    pub(crate) async fn measure(&self, case: &Case) -> Result<Measured, Box<dyn Error>> {
        let (ours, bare) = (self.cell(case, "ours")?, self.cell(case, "bare")?);
        let log = KafkaLog::open(&ours).await?;
        drop(KafkaLog::open(&bare).await?);
        let bare_topic = format!("quipu.{}.log", bare.cell());
        let producer = self.bare_producer()?;
        let (mut took_log, mut took_bare) = (Duration::ZERO, Duration::ZERO);
        for round in case.rounds() {
            took_bare += append_bare(&producer, &bare_topic, &case.batches(round.clone()))?;
            took_log += append(&log, case.batches(round)).await?;
        }
        drop(log);
        let answer = read_back(Arc::new(KafkaLog::open(&ours).await?), case.records()).await?;
        Ok(Measured { name: "append_kafka", acked: "one broker, acks of all", answer, log: took_log, bare: took_bare })
    }

    fn cell(&self, case: &Case, whose: &str) -> Result<Config, Box<dyn Error>> {
        let mut config = Config::parse(&format!("kafka://{}/{whose}-{}", self.bootstrap, case.batch))?;
        config.create = true;
        Ok(config)
    }

    fn bare_producer(&self) -> Result<ThreadedProducer<Acks>, Box<dyn Error>> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("batch.num.messages", "100000");
        Ok(config.create_with_context(Acks::default())?)
    }
}

/// How many acks are outstanding, and who waits for the last.
#[derive(Default)]
struct Acks {
    left: AtomicU64,
    waiting: Mutex<Option<Thread>>,
}

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        delivered.as_ref().expect("acked");
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(waiting) = &*self.waiting.lock().expect("no panic")
        {
            waiting.unpark();
        }
    }
}

fn append_bare(
    producer: &ThreadedProducer<Acks>,
    topic: &str,
    batches: &[Vec<Record>],
) -> Result<Duration, Box<dyn Error>> {
    let acks = producer.client().context();
    *acks.waiting.lock().expect("no panic") = Some(std::thread::current());
    let start = Instant::now();
    for batch in batches {
        acks.left.store(batch.len() as u64, Ordering::Release);
        for record in batch {
            let message = BaseRecord::<(), [u8]>::to(topic).partition(0).payload(&record.payload[..]);
            producer.send(message).map_err(|(error, _)| error)?;
        }
        let sent = Instant::now();
        while acks.left.load(Ordering::Acquire) > 0 {
            std::thread::park_timeout(ACK_MAX);
            if sent.elapsed() > ACK_MAX {
                return Err("the broker does not ack".into());
            }
        }
    }
    Ok(start.elapsed())
}
