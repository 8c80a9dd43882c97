//! Commands while the control plane is killed: what was acknowledged is there, and nothing is there twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;

use crate::{
    assert_audited, assert_whole,
    cell::{
        Cell, WITHOUT_AGENT,
        events::{FIELDS, Follower},
        shell_job, wait_for,
    },
};

const WRITERS: usize = 4;
const JOBS_PER_WRITER: usize = 40;
/// After how many acknowledgements the control plane is killed.
const KILL_AFTER: [usize; 3] = [20, 60, 110];
/// The wait before a command whose outcome is not known is sent again.
const RETRY_AFTER: Duration = Duration::from_millis(20);

#[test]
fn no_acknowledged_submission_is_lost_and_none_counts_twice_when_the_control_plane_is_killed_in_mid_stream() {
    let mut cell = Cell::start(WITHOUT_AGENT);
    let follower = Follower::start(&cell, FIELDS, json!({}));
    let url = cell.url();
    let acked = AtomicUsize::new(0);
    let retried = AtomicUsize::new(0);
    let writers = Writers { acked: &acked, retried: &retried };
    thread::scope(|scope| {
        // The writers ask through handles of their own: the cell itself is being killed meanwhile.
        for writer in 0..WRITERS {
            let client = cell.client();
            let jobs: Vec<_> =
                (0..JOBS_PER_WRITER).map(|n| shell_job(&cell, &format!("w{writer}-{n}"), 1, "true")).collect();
            scope.spawn(move || writers.submit_all(&client, &jobs));
        }
        for count in KILL_AFTER {
            wait_for(&format!("{count} acknowledgements"), || (acked.load(Ordering::Relaxed) >= count).then_some(()));
            cell.kill9_control_plane();
            cell.restart();
        }
    });
    assert_eq!(cell.url(), url, "the gateway is found again where it was");
    assert_eq!(acked.load(Ordering::Relaxed), WRITERS * JOBS_PER_WRITER);
    assert!(retried.load(Ordering::Relaxed) > 0, "some command was sent more than once, or this shows nothing");
    assert_whole(&cell, &follower);
    assert!(follower.connections() > KILL_AFTER.len(), "the follower came back after each restart");
    assert_accepted_once(&cell);
    assert_audited(&mut cell);
}

fn assert_accepted_once(cell: &Cell) {
    let mut accepted: BTreeMap<String, u32> = BTreeMap::new();
    for event in cell.events(&json!({ "names": ["job.accepted"] })) {
        let name = event["body"]["spec"]["id"].as_str().expect("jobs have names");
        *accepted.entry(name.to_owned()).or_default() += 1;
    }
    let expected: BTreeMap<String, u32> =
        (0..WRITERS).flat_map(|w| (0..JOBS_PER_WRITER).map(move |n| (format!("w{w}-{n}"), 1))).collect();
    assert_eq!(accepted, expected, "each acknowledged job is in the log, once");
    let jobs = cell.data("{ jobs(first: 1000) { nodes { name } } }", json!({}));
    let jobs: BTreeSet<_> =
        jobs["jobs"]["nodes"].as_array().expect("nodes").iter().map(|job| job["name"].as_str()).collect();
    assert_eq!(jobs, expected.keys().map(|name| Some(name.as_str())).collect(), "and each is in the rows");
}

/// What the writers count together.
#[derive(Clone, Copy)]
struct Writers<'a> {
    acked: &'a AtomicUsize,
    retried: &'a AtomicUsize,
}

impl Writers<'_> {
    /// Submits job after job, each under one key until it is acknowledged.
    fn submit_all(self, client: &crate::cell::Client, jobs: &[serde_json::Value]) {
        for job in jobs {
            let key = format!("key-{}", job["name"].as_str().expect("jobs have names"));
            let count_and_wait = || {
                self.retried.fetch_add(1, Ordering::Relaxed);
                thread::sleep(RETRY_AFTER);
            };
            let submit = || client.submit(job, &key).inspect_err(|_| count_and_wait()).ok();
            let payload = wait_for("an acknowledgement", submit);
            assert_eq!(payload["userErrors"], json!([]), "a repeated command is answered as the first was: {payload}");
            self.acked.fetch_add(1, Ordering::Relaxed);
        }
    }
}
