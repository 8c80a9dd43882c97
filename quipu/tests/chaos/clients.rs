//! Many clients, each with a journal: whatever has no answer is asked again under the same key.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use log_schema::Offset;
use serde_json::{Value, json};

use crate::{
    cell::Client,
    command::{self, Command},
    journal::{Acked, Journal},
    parts::{Parts, number},
    plan::Plan,
};

/// How long a command may be without an answer before that counts as a failure.
const PATIENCE: Duration = Duration::from_mins(4);
/// The wait before a command is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// The wait between two jobs that are really run.
const REAL_JOB_EVERY: Duration = Duration::from_millis(300);
/// One round in so many is sent again though it was answered.
const REPEATED_EVERY: u64 = 4;

/// Clients that go on until they are told to stop.
pub(crate) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    journals: Vec<PathBuf>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    acked: AtomicU64,
    /// The longest that a command had no answer.
    longest_ms: AtomicU64,
    real_jobs: AtomicU64,
    /// Why something was sent again, and how often.
    again: Mutex<BTreeMap<String, u64>>,
}

/// What the clients have to tell in the end.
pub(crate) struct Told {
    pub(crate) journals: Vec<PathBuf>,
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    /// How many jobs were submitted whose tasks really run.
    pub(crate) real_jobs: u64,
    longest_ms: u64,
    again: BTreeMap<String, u64>,
}

impl Clients {
    pub(crate) fn start(parts: &Parts, plan: &Plan) -> Self {
        let directory = PathBuf::from(parts.path("journals"));
        fs::create_dir(&directory).expect("a writable directory");
        let (shared, results) = (Arc::new(Shared::default()), parts.path("results"));
        let journals: Vec<_> = (0..=plan.clients).map(|number| directory.join(number.to_string())).collect();
        let threads = (0..).zip(&journals).map(|(number, journal)| {
            // Each has connections of its own.
            let mut sender = Sender::new(parts.clients(), journal, &shared);
            let results = Some(results.clone()).filter(|_| number == plan.clients);
            thread::spawn(move || match results {
                None => sender.ask_on(number),
                Some(results) => sender.run_on(&results),
            })
        });
        Self { threads: threads.collect(), shared, journals }
    }

    pub(crate) fn acked(&self) -> u64 {
        self.shared.acked.load(Ordering::Relaxed)
    }

    /// Stops them, each when its last command was answered.
    pub(crate) fn finish(self) -> Told {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("every client had its answers"));
        let Shared { sent, acked, longest_ms, real_jobs, again, .. } = &*self.shared;
        let [sent, acked, longest_ms, real_jobs] =
            [sent, acked, longest_ms, real_jobs].map(|count| count.load(Ordering::Relaxed));
        let again = again.lock().expect("no client panicked").clone();
        Told { journals: self.journals, sent, acked, real_jobs, longest_ms, again }
    }
}

/// One client.
struct Sender {
    gateways: Vec<Client>,
    /// At whom it asks.
    at: usize,
    journal: Journal,
    shared: Arc<Shared>,
}

impl Sender {
    fn new(gateways: Vec<Client>, journal: &Path, shared: &Arc<Shared>) -> Self {
        Self { gateways, at: 0, journal: Journal::create(journal), shared: Arc::clone(shared) }
    }

    /// Round after round of cheap commands.
    fn ask_on(&mut self, client: u64) {
        self.at = usize::try_from(client).expect("few clients") % self.gateways.len();
        for number in 0.. {
            for command in command::round(client, number) {
                if self.is_over() {
                    return;
                }
                let acked = self.acked(&command);
                assert_eq!(acked.refusal.as_deref(), command.refusal, "{command:?}");
                if acked.refusal.is_none() && number.is_multiple_of(REPEATED_EVERY) {
                    let again = self.acked(&command);
                    let first = acked.repeats.unwrap_or(acked.offset);
                    assert_eq!(again.repeats, Some(first), "{command:?} was answered at {first}");
                }
            }
        }
    }

    /// Job after job that somebody really runs.
    fn run_on(&mut self, results: &str) {
        for number in 0.. {
            if self.is_over() {
                return;
            }
            let acked = self.acked(&command::real_job(number, results));
            assert_eq!(acked.refusal, None, "{acked}");
            self.shared.real_jobs.fetch_add(1, Ordering::Relaxed);
            thread::sleep(REAL_JOB_EVERY);
        }
    }

    fn is_over(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Sends a command until somebody answers it, and keeps the answer.
    fn acked(&mut self, command: &Command) -> Acked {
        let begun = Instant::now();
        loop {
            self.shared.sent.fetch_add(1, Ordering::Relaxed);
            let answer = self.gateways[self.at].ask(&command.document, json!({ "input": command.input }));
            match answer {
                Ok(data) => {
                    let acked = read(command, &data["done"]);
                    self.journal.add(&acked);
                    self.shared.acked.fetch_add(1, Ordering::Relaxed);
                    let waited_ms = u64::try_from(begun.elapsed().as_millis()).expect("a short time");
                    self.shared.longest_ms.fetch_max(waited_ms, Ordering::Relaxed);
                    return acked;
                }
                Err(why) => {
                    assert!(begun.elapsed() < PATIENCE, "{command:?} has no answer: {why}");
                    *self.shared.again.lock().expect("no client panics here").entry(class(&why)).or_default() += 1;
                    self.at = (self.at + 1) % self.gateways.len();
                    thread::sleep(AGAIN_AFTER);
                }
            }
        }
    }
}

fn read(command: &Command, payload: &Value) -> Acked {
    let offset = |name: &str| Offset(number(&payload[name]));
    Acked {
        key: command.key.clone(),
        offset: offset("offset"),
        decision: offset("decisionOffset"),
        repeats: (!payload["repeats"].is_null()).then(|| offset("repeats")),
        refusal: payload["userErrors"][0]["code"].as_str().map(ToOwned::to_owned),
    }
}

/// The name of an error of the interface; what a connection suffers from is told apart by its words.
fn class(why: &str) -> String {
    let code = serde_json::from_str::<Value>(why)
        .ok()
        .and_then(|error| Some(error["extensions"]["code"].as_str()?.to_owned()));
    code.unwrap_or_else(|| why.split(':').next().unwrap_or_default().to_owned())
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sent        {}, of which again {}", self.sent, self.again.values().sum::<u64>())?;
        writeln!(f, "  longest without an answer: {} ms", self.longest_ms)?;
        self.again.iter().try_for_each(|(why, count)| writeln!(f, "  {count:<8}{why}"))
    }
}
