//! Streams of events over gateways that are killed.

use serde_json::json;

use crate::{
    cell::events::{FIELDS, Follower},
    parts::{Parts, STORY},
};

const JOBS: u32 = 24;

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn a_subscriber_whose_gateway_is_killed_goes_on_at_another_with_no_gap_and_no_repeat() {
    let mut parts = Parts::start(STORY);
    let follower = Follower::over(&parts.clients(), FIELDS, json!({}));
    for n in 0..JOBS {
        parts.run_job(&format!("j{n}"), 2, "true");
        if n == JOBS / 2 {
            follower.wait("events in the middle of the stream", |seen| (!seen.is_empty()).then_some(()));
            assert_eq!(follower.connections(), 1);
            parts.kill9_gateway(0);
        }
    }
    (0..JOBS).for_each(|n| assert_eq!(parts.await_end(&format!("j{n}")), "SUCCEEDED"));
    let known = parts.client(1).events(&json!({})).expect("an answer");
    let last = &known.last().expect("something happened")["cursor"];
    follower.wait("the newest event", |seen| seen.iter().any(|seen| seen.event["cursor"] == *last).then_some(()));
    assert_eq!(follower.seen()[..known.len()], known[..], "no gap, no repeat");
    assert_eq!(follower.connections(), 2, "one stream at each gateway");
}
