//! How long a newcomer waits; median over several empty directories.

use std::time::Instant;

use serde_json::json;

use crate::{
    Line, Size,
    bed::{Log, audit, job},
    cell::{Cell, WITH_AGENT, events::Follower, wait_for},
    figures::{median, micros, state, thousandths},
};

pub fn run(_: Log, size: &Size) -> Vec<Line> {
    let mut times: Vec<u64> = (0..size.cells).map(|_| first_task_once()).collect();
    vec![Line {
        name: "first_task_s",
        workload: format!("quipu up in an empty directory, submit, first task running; median of {} cells", size.cells),
        n: u32::try_from(size.cells).expect("few cells"),
        unit: "s",
        value: thousandths(median(&mut times)),
        answer: "finished, audited".into(),
    }]
}

/// Milliseconds.
fn first_task_once() -> u64 {
    let mut cell = Cell::prepare(WITH_AGENT);
    let filter = json!({ "names": ["task.status_changed"] });
    let follower = Follower::start(&cell, "cursor name job body", filter);
    let begun = Instant::now();
    cell.spawn();
    let job = job("first", 1, "cpu=0.01 mem=16Mi");
    wait_for("the job to be accepted", || cell.client().submit(&job, "first").ok());
    let running = follower.wait("the task to run", |seen| {
        seen.iter().find(|seen| matches!(state(&seen.event), "running" | "finished")).map(|seen| seen.at)
    });
    assert_eq!(cell.await_end("first"), "SUCCEEDED");
    audit(&mut cell);
    micros(running - begun) / 1000
}
