//! A cell whose parts run apart, over real Kafka brokers: allocators are killed and paused, gateways are
//! killed, brokers are killed, and nothing acked is lost, decided twice or started twice.

#[path = "over_kafka/archived.rs"]
mod archived;
#[path = "../harness/cell.rs"]
mod cell;
#[path = "over_kafka/late_records.rs"]
mod late_records;
#[path = "../harness/parts.rs"]
mod parts;
#[path = "over_kafka/retries.rs"]
mod retries;
#[path = "over_kafka/stopping.rs"]
mod stopping;
#[path = "over_kafka/streams.rs"]
mod streams;

use serde_json::{Value, json};

use cell::wait_for;
use parts::{Parts, STORY, Shape, number};

/// Leaves a line at its start, then works until its gate is open.
const GATED: &str = r#"
echo "$QUIPU_TASK $QUIPU_INCARNATION" >>"$RESULTS/starts"
n=0
until [ -e "$RESULTS/go" ]; do
    n=$((n + 1))
    [ "$n" -lt 2400 ] || exit 9
    sleep 0.05
done
"#;

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn a_stand_by_takes_over_from_a_leader_that_is_killed_or_paused_and_no_task_is_started_twice() {
    let mut parts = Parts::start(STORY);
    parts.run_job("before", 4, GATED);
    parts.await_lines("starts", 4);

    assert_eq!(parts.epoch(), 1);
    parts.kill9_leader();
    parts.run_job("killed", 2, GATED);
    parts.await_lines("starts", 6);
    assert_eq!(parts.epoch(), 2);

    parts.start_allocator();
    parts.pause_leader();
    parts.run_job("paused", 2, GATED);
    parts.await_lines("starts", 8);
    assert_eq!(parts.epoch(), 3);
    parts.resume_paused();
    parts.run_job("after", 1, GATED);
    parts.await_lines("starts", 9);

    parts.open_gate("go");
    for job in ["before", "killed", "paused", "after"] {
        assert_eq!(parts.await_end(job), "SUCCEEDED");
    }
    let starts = parts.lines("starts");
    assert_eq!(starts.len(), 9, "a task was started twice: {starts:?}");
    assert_eq!(parts.epoch(), 3, "whoever was paused stands by");
    assert_counts_agree(&parts);
}

/// What the woken leader still wrote, if anything, counts as void for a gateway as for the audit.
fn assert_counts_agree(parts: &Parts) {
    let (status, report) = (parts.log_status(), parts.assert_audited());
    for (told, audited) in [
        ("epochsVoid", "epochs_void"),
        ("decisionsVoid", "decisions_void"),
        ("decisionsDuplicate", "decisions_duplicate"),
    ] {
        assert_eq!(number(&status[told]), number(&report[audited]), "{told}: {status} {report}");
    }
}

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn every_gateway_tells_the_same_history_and_a_client_goes_on_at_another_one() {
    let mut parts = Parts::start(STORY);
    parts.run_job("first", 3, "true");
    assert_eq!(parts.await_end("first"), "SUCCEEDED");
    let seen = parts.events_of(0, "start");
    assert!(seen.len() > 5, "{seen:?}");
    let cursor = seen[seen.len() / 2]["cursor"].as_str().expect("a cursor").to_owned();
    parts.kill9_gateway(0);
    // The agent goes on through the other one too.
    parts.run_job("second", 2, "true");
    assert_eq!(parts.await_end("second"), "SUCCEEDED");
    let rest = parts.events_of(1, &cursor);
    assert_eq!(seen[seen.len() / 2 + 1..], rest[..seen.len() - seen.len() / 2 - 1], "no gap, no repeat");
    parts.restart_gateway(0);
    let again = wait_for("the gateway to catch up", || {
        let again = parts.try_events_of(0, "start")?;
        (again.len() == seen.len() / 2 + 1 + rest.len()).then_some(again)
    });
    assert_eq!(again[seen.len() / 2 + 1..], rest[..]);
}

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn a_cell_goes_on_while_brokers_are_killed() {
    let parts = Parts::start(Shape { brokers: 3, ..STORY });
    parts.run_job("all-up", 2, "true");
    assert_eq!(parts.await_end("all-up"), "SUCCEEDED");
    for broker in 1..=3 {
        parts.brokers().kill9(broker);
        let job = format!("without-{broker}");
        parts.run_job(&job, 2, "true");
        assert_eq!(parts.await_end(&job), "SUCCEEDED");
        parts.brokers().restart(broker);
    }
    parts.assert_audited();
}

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn a_cell_moves_from_kafka_to_a_directory_and_back_with_all_that_it_remembers() {
    let mut parts = Parts::start(STORY);
    parts.run_job("moved", 3, "true");
    assert_eq!(parts.await_end("moved"), "SUCCEEDED");
    parts.stop();
    let file = parts.path("all.qlog");
    let exported = parts.quipu(&["log", "export", "--log", &parts.log(), &file]);
    let directory = parts.path("embedded");
    assert_eq!(parts.quipu(&["log", "import", "--log", &directory, &file])["chain"], exported["chain"]);
    let back = parts.log().replace("/cell", "/back");
    assert_eq!(parts.quipu(&["log", "import", "--log", &back, &file])["chain"], exported["chain"]);
    // Done again it appends nothing, and a log of something else is refused.
    assert_eq!(parts.quipu(&["log", "import", "--log", &back, &file])["records"], exported["records"]);
    let [there, here] = [&back, &directory].map(|log| {
        let mut audit = parts.quipu(&["audit", "verify", "--log", log]);
        // What cannot be seen differs with where a log is kept.
        audit.as_object_mut().expect("an object").remove("not_seen");
        audit
    });
    assert_eq!(there, here);
    assert_eq!((&there["finding"], &there["chain"]), (&Value::Null, &exported["chain"]));
    let other = parts.path("other");
    parts.up_briefly(&other);
    let refused = parts.quipu_fails(&["log", "import", "--log", &other, &file]);
    assert!(refused.contains("the log holds something else than the file"), "{refused}");
    let moved = parts.up_briefly(&directory);
    assert_eq!(moved, json!({ "job": { "state": "SUCCEEDED" } }), "the cell goes on where it is now");
}
