//! Parts that are told to end while nobody can ack anything.

use std::thread;

use serde_json::json;

use crate::parts::{Parts, STORY};

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn with_all_brokers_down_every_part_ends_when_it_is_told_to_and_the_cell_comes_back_whole() {
    let mut parts = Parts::start(STORY);
    parts.run_job("first", 2, "true");
    assert_eq!(parts.await_end("first"), "SUCCEEDED");
    parts.brokers().kill9_all();
    // Somebody waits for an answer meanwhile, and is told that there is none.
    let client = parts.client(0);
    let job = json!({ "name": "in-vain", "kind": "BATCH", "resources": "cpu=0.1 mem=16Mi", "command": ["true"] });
    let asking = thread::spawn(move || client.submit(&job, "in-vain"));
    parts.stop();
    asking.join().expect("no panic").expect_err("nobody could answer");

    parts.restart_all();
    assert_eq!(parts.await_end("first"), "SUCCEEDED");
    parts.assert_audited();
}
