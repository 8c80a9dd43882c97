//! Records that come too late, appended by hand: every reader counts them alike, and goes on.

use command_log::{
    Log, Stored,
    kafka::KafkaLog,
    reader::{Counts, Reader, Verdict},
};
use log_schema::{DecisionV1, EpochV1, Offset, Principal, Record};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    cell::wait_for,
    parts::{Parts, STORY, number},
};

/// How many bytes one read returns.
const READ_BYTES: usize = 1024 * 1024;

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn records_that_come_too_late_are_counted_by_every_reader_alike_and_the_cell_goes_on() {
    let mut parts = Parts::start(STORY);
    run(&parts, "first");
    parts.kill9_leader();
    parts.start_allocator();
    run(&parts, "second");
    let log = Beside::open(&parts);
    log.append_late();

    let (next, counts) = log.judged();
    assert!(counts.epochs_void >= 1 && counts.decisions_void >= 2 && counts.decisions_duplicate >= 1, "{counts:?}");
    for gateway in 0..2 {
        let status = wait_for("the gateway to have read that", || {
            let asked = "{ cell { log { next epochsVoid decisionsVoid decisionsDuplicate halted } } }";
            let status = parts.client(gateway).ask(asked, Value::Null).ok()?["cell"]["log"].take();
            (number(&status["next"]) >= next.0).then_some(status)
        });
        assert_eq!(status["halted"], Value::Null);
        let told = ["epochsVoid", "decisionsVoid", "decisionsDuplicate"].map(|name| number(&status[name]));
        assert_eq!(told, [counts.epochs_void, counts.decisions_void, counts.decisions_duplicate], "gateway {gateway}");
    }
    // Leader and agent have read them too, and whoever reads all of it from now on.
    run(&parts, "third");
    parts.kill9_leader();
    run(&parts, "fourth");
    parts.kill9_gateway(0);
    parts.restart_gateway(0);
    let report = parts.assert_audited();
    assert_eq!(number(&report["decisions_void"]), log.judged().1.decisions_void);
    assert_eq!(number(&report["decisions_duplicate"]), counts.decisions_duplicate);
}

fn run(parts: &Parts, job: &str) {
    parts.run_job(job, 2, "true");
    assert_eq!(parts.await_end(job), "SUCCEEDED");
}

/// The cell's log, opened beside the cell.
struct Beside {
    runtime: Runtime,
    log: KafkaLog,
}

impl Beside {
    fn open(parts: &Parts) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let log = runtime.block_on(KafkaLog::open(&parts.config())).expect("the log opens");
        Self { runtime, log }
    }

    /// Appends what a leader may write that slept through its end: a decision that was made before and one that
    /// was not; a decision of the one that leads, twice; and a claim of an epoch that another has.
    fn append_late(&self) {
        let decided = self.decisions();
        let ours = decided.last().expect("the cell has decided");
        let theirs = decided.iter().rev().find(|(_, decision)| decision.epoch < ours.1.epoch);
        let theirs = theirs.expect("the one before has decided too");
        let mut late = theirs.1.clone();
        (late.from, late.to) = (ours.1.to.next(), ours.1.to.next());
        let node = Principal::new("late").expect("legal");
        let claim = EpochV1 { epoch: ours.1.epoch, node, logic_version: 1 };
        let records = vec![theirs.0.clone(), late.to_record(), ours.0.clone(), claim.to_record()];
        self.runtime.block_on(self.log.append(records)).expect("appended");
    }

    /// The decisions that count.
    fn decisions(&self) -> Vec<(Record, DecisionV1)> {
        let mut reader = Reader::new();
        let judged = self.all().into_iter().filter_map(|stored| {
            let Verdict::Decision(decision) = reader.judge(&stored).expect("no halt") else { return None };
            Some((stored.record, decision))
        });
        judged.collect()
    }

    fn judged(&self) -> (Offset, Counts) {
        let mut reader = Reader::new();
        self.all().iter().for_each(|stored| drop(reader.judge(stored).expect("no halt")));
        (reader.next(), reader.counts())
    }

    fn all(&self) -> Vec<Stored> {
        self.runtime.block_on(async {
            let high = self.log.watermarks().await.expect("the brokers answer").high;
            let mut all: Vec<Stored> = Vec::new();
            while (all.len() as u64) < high.0 {
                all.extend(self.log.read(Offset(all.len() as u64), READ_BYTES).await.expect("the brokers answer"));
            }
            all
        })
    }
}
