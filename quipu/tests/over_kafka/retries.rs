//! A command that is sent again under its key is answered as the first was, and runs once: in a new cell, after a
//! rest, and when the leader is killed at the send.

use std::thread;

use serde_json::{Value, json};

use crate::{
    cell::wait_for,
    parts::{Parts, STORY},
};

/// How often the leader is killed at a send.
const KILLS: usize = 6;

fn job(parts: &Parts, name: &str) -> Value {
    json!({
        "name": name,
        "kind": "BATCH",
        "count": 1,
        "resources": "cpu=0.05 mem=32Mi",
        "command": ["sh", "-c", "echo $QUIPU_TASK >>$RESULTS/starts"],
        "env": [{ "name": "RESULTS", "value": parts.path("results") }],
    })
}

/// Sends a job under a key until somebody answers.
fn answered(parts: &Parts, gateway: usize, job: &Value, key: &str) -> Value {
    let payload = wait_for("an answer", || parts.client(gateway).submit(job, key).ok());
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload
}

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn a_retry_under_the_same_key_runs_once_in_a_new_cell_and_when_the_leader_is_killed_at_the_send() {
    let mut parts = Parts::start(STORY);
    // The very first commands of the cell, through two gateways.
    let first = job(&parts, "first");
    let sent = answered(&parts, 0, &first, "K");
    assert_eq!(parts.await_end("first"), "SUCCEEDED");
    for gateway in [0, 1] {
        let again = answered(&parts, gateway, &first, "K");
        assert_eq!(again["repeats"], sent["offset"], "{again}");
    }

    for number in 0..KILLS {
        let (name, key) = (format!("killed-{number}"), format!("key-{number}"));
        let (job, client) = (job(&parts, &name), parts.client(number % 2));
        let sending = thread::spawn({
            let (job, key) = (job.clone(), key.clone());
            // An error means that nobody knows.
            move || client.submit(&job, &key).is_ok()
        });
        parts.kill9_leader();
        answered(&parts, (number + 1) % 2, &job, &key);
        assert_eq!(parts.await_end(&name), "SUCCEEDED");
        sending.join().expect("it asks");
        let again = answered(&parts, number % 2, &job, &key);
        assert_ne!(again["repeats"], Value::Null, "{again}");
        parts.start_allocator();
    }
    let mut starts = parts.lines("starts");
    starts.sort();
    let mut wanted: Vec<String> = (0..KILLS).map(|number| format!("killed-{number}.0")).collect();
    wanted.insert(0, "first.0".to_owned());
    assert_eq!(starts, wanted, "each ran once");
    parts.assert_audited();
}
