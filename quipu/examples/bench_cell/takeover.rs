//! How long a cell is without a leader: one is killed, and a command is sent at that moment.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    Line, Size,
    bed::{Log, accept, follow, job, over_kafka},
    figures::{micros, percentile, thousandths},
    machines::{fill, join},
    parts::{Parts, number},
};

pub fn run(_: Log, size: &Size) -> Vec<Line> {
    let mut parts = over_kafka(2);
    let client = parts.client(0);
    join(&client, size.machines);
    fill(&client, &follow(&client, "cursor task", &["task.placed"]), size);
    let before = parts.epoch();
    let mut waits: Vec<Duration> = (0..size.leaders).map(|n| take_over(&mut parts, n)).collect();
    assert_eq!(parts.epoch(), before + u64::from(size.leaders), "each death made one new leader");
    let tasks = assert_placed_once(&parts, size);
    parts.stop();
    let report = parts.assert_audited();
    waits.sort_unstable();
    let workload = format!(
        "{} machines, {tasks} tasks, leader killed -9 {} times, one stand-by, take-over after 2000 ms, one Kafka broker",
        size.machines, size.leaders
    );
    let answer = format!("{tasks} tasks placed once, {} epochs, audited", number(&report["epochs"]));
    let line = |name, percent| Line {
        name,
        workload: workload.clone(),
        n: size.leaders,
        unit: "ms",
        value: thousandths(micros(percentile(&waits, percent))),
        answer: answer.clone(),
    };
    vec![line("takeover_p50_ms", 50), line("takeover_p99_ms", 99)]
}

/// From the leader's death to the answer of the one that took over; there is a stand-by again afterwards.
fn take_over(parts: &mut Parts, number: u32) -> Duration {
    parts.await_stand_bys();
    let client = parts.client(0);
    let job = job(&format!("after-{number}"), 1, "cpu=0.1 mem=64Mi");
    parts.kill9_leader();
    let dead = Instant::now();
    accept(&client, &job);
    let took = dead.elapsed();
    parts.start_allocator();
    took
}

/// Every task was placed, none a second time.
fn assert_placed_once(parts: &Parts, size: &Size) -> usize {
    let placed = parts.client(0).events(&json!({ "names": ["task.placed"] })).expect("an answer");
    let tasks: BTreeSet<String> = placed.iter().map(|event| event["task"].to_string()).collect();
    let wanted = usize::try_from(size.large_jobs * size.tasks_per_job + size.leaders).expect("few tasks");
    assert_eq!((placed.len(), tasks.len()), (wanted, wanted), "a task was restarted, or lost");
    wanted
}
