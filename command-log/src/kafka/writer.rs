//! The one ordered writer of a process: a queue, a thread, an idempotent producer.
//!
//! Sending from many tasks could reorder where the producer's queue is full, so one thread sends.
//! Records of one append are sent one after the other, and acked in that order, since there is one
//! partition. An append is answered when each of its records was acked or has failed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use log_schema::{Offset, Record};
use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Config,
    client::{Context, PARTITION, is_final, make, offset},
    message::Source,
};
use crate::{Error, trace::TraceParent};

/// How many appends may wait to be sent.
const QUEUE_MAX: usize = 1024;
/// The wait before a record is sent again that the producer's full queue did not take.
const FULL_WAIT: Duration = Duration::from_millis(1);
/// How long closing waits for what was sent.
const CLOSING_MAX: Duration = Duration::from_secs(2);

type Reply = oneshot::Sender<Result<Vec<Offset>, Error>>;

struct Request {
    batch: Vec<Record>,
    trace: Option<TraceParent>,
    reply: Reply,
}

/// The sending end of the queue.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Request>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(config: &Config, topic: &str) -> Result<Self, Error> {
        let mut sender = Sender::new(config, topic)?;
        let (queue, mut requests) = mpsc::channel::<Request>(QUEUE_MAX);
        let run = move || {
            while let Some(request) = requests.blocking_recv() {
                sender.send(request);
            }
            sender.close();
        };
        let thread = std::thread::Builder::new().name("kafka-writer".to_owned()).spawn(run);
        let thread =
            thread.map_err(|source| Error::Unreachable { place: config.to_string(), source: source.into() })?;
        Ok(Self { queue: Some(queue), thread: Mutex::new(Some(thread)) })
    }

    /// Appends a batch that is within the limits.
    pub async fn append(&self, batch: Vec<Record>) -> Result<Vec<Offset>, Error> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Error::Closed)?;
        queue.send(Request { batch, trace: TraceParent::current(), reply }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.lock().expect("no holder of the lock panics").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer of the log panicked");
        }
    }
}

type OrderedProducer = ThreadedProducer<Deliveries>;

/// What the thread owns.
struct Sender {
    config: Config,
    topic: String,
    source: Source,
    producer: OrderedProducer,
    waiting: Arc<Waiting>,
    /// The number of the newest append.
    newest: usize,
}

impl Sender {
    fn new(config: &Config, topic: &str) -> Result<Self, Error> {
        let waiting = Arc::new(Waiting::new(config.to_string()));
        let producer = make(&producer_config(config), Deliveries(Arc::clone(&waiting)), config)?;
        let (config, topic) = (config.clone(), topic.to_owned());
        Ok(Self { config, topic, source: Source::new(), producer, waiting, newest: 0 })
    }

    /// Hands a batch to the producer. Once a record has failed, no later one of its batch is sent.
    fn send(&mut self, Request { batch, trace, reply }: Request) {
        if let Err(error) = self.renew_if_broken() {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(Err(error));
            return;
        }
        self.newest += 1;
        self.waiting.lock().insert(self.newest, Batch::new(batch.len(), reply));
        for (sent, record) in batch.iter().enumerate() {
            if let Err(error) = self.send_one(record, trace.as_ref()) {
                let error = self.waiting.error(&error);
                self.waiting.settle(self.newest, batch.len() - sent, Err(error));
                return;
            }
        }
    }

    fn send_one(&mut self, record: &Record, trace: Option<&TraceParent>) -> Result<(), KafkaError> {
        let headers = self.source.headers(record, trace);
        let message = BaseRecord::<(), [u8], usize>::with_opaque_to(&self.topic, self.newest);
        let mut message = message.partition(PARTITION).payload(&record.payload[..]).headers(headers);
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    std::thread::sleep(FULL_WAIT);
                    message = again;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// A producer that has lost its place in the order of its records is good for nothing more:
    /// everything that it had not acked has failed, and a new one begins.
    fn renew_if_broken(&mut self) -> Result<(), Error> {
        if !self.waiting.broken.load(Ordering::Acquire) {
            return Ok(());
        }
        tracing::warn!("the producer of the log has failed; a new one takes over");
        let fresh = Self::new(&self.config, &self.topic)?;
        self.producer = fresh.producer;
        self.waiting.give_up_all("the producer failed");
        self.waiting = fresh.waiting;
        Ok(())
    }

    fn close(self) {
        if let Err(error) = self.producer.flush(CLOSING_MAX) {
            tracing::warn!(%error, "the log was closed before everything was acked");
        }
        let waiting = Arc::clone(&self.waiting);
        drop(self);
        waiting.give_up_all("the log was closed");
    }
}

fn producer_config(config: &Config) -> ClientConfig {
    let mut client = config.client();
    let patience_ms = config.unacked_after.map_or(0, |patience| patience.as_millis());
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", patience_ms.to_string())
        .set("linger.ms", "0")
        .set("batch.num.messages", "100000")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "200000")
        .set("queue.buffering.max.kbytes", "262144");
    client
}

/// One append whose acks are outstanding.
struct Batch {
    left: usize,
    offsets: Vec<Offset>,
    failed: Option<Error>,
    reply: Reply,
}

/// Appends that were sent, by number.
struct Waiting {
    place: String,
    batches: Mutex<BTreeMap<usize, Batch>>,
    broken: AtomicBool,
}

impl Waiting {
    fn new(place: String) -> Self {
        Self { place, batches: Mutex::default(), broken: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Batch>> {
        self.batches.lock().expect("no holder of the lock panics")
    }

    /// Takes the outcome of so many records of an append, and answers it if these were the last.
    fn settle(&self, number: usize, records: usize, outcome: Result<Offset, Error>) {
        let mut batches = self.lock();
        let Some(batch) = batches.get_mut(&number) else { return };
        match outcome {
            Ok(offset) => batch.offsets.push(offset),
            Err(error) => batch.failed = batch.failed.take().or(Some(error)),
        }
        batch.left -= records;
        if batch.left == 0 {
            let whole = batches.remove(&number);
            drop(batches);
            whole.into_iter().for_each(Batch::answer);
        }
    }

    fn give_up_all(&self, why: &str) {
        for mut batch in std::mem::take(&mut *self.lock()).into_values() {
            let why = why.to_owned();
            batch.failed = batch.failed.take().or(Some(Error::Unacked { place: self.place.clone(), why }));
            batch.answer();
        }
    }

    /// What it means to the caller that a record was not acked.
    fn error(&self, error: &KafkaError) -> Error {
        let place = self.place.clone();
        match error.rdkafka_error_code() {
            Some(code) if is_final(code) && code != RDKafkaErrorCode::Fatal => {
                Error::Rejected { place, doing: "append", source: error.clone().into() }
            }
            _ => Error::Unacked { place, why: error.to_string() },
        }
    }
}

impl Batch {
    fn new(records: usize, reply: Reply) -> Self {
        Self { left: records, offsets: Vec::with_capacity(records), failed: None, reply }
    }

    fn answer(self) {
        let answer = self.failed.map_or(Ok(self.offsets), Err);
        // Whoever asked may have stopped waiting.
        let _ = self.reply.send(answer);
    }
}

/// Hears of acks, on the producer's own thread.
struct Deliveries(Arc<Waiting>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.0.broken.store(true, Ordering::Release);
        }
        Context.error(error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, number: usize) {
        let outcome = match delivered {
            Ok(message) if message.offset() >= 0 => Ok(offset(message.offset())),
            // A repeat that the broker knew: it is in the log, and nobody says where.
            Ok(_) => Err(Error::Unacked { place: self.0.place.clone(), why: "its offset is not known".to_owned() }),
            Err((error, _)) => Err(self.0.error(error)),
        };
        self.0.settle(number, 1, outcome);
    }
}
