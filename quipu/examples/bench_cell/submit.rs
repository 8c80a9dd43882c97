//! Latency at a rate that the cell does not choose.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    Line, Size,
    bed::{Bed, Log, accept, follow, job},
    cell::{
        Client,
        events::{Follower, Seen},
    },
    figures::{count, first_seen, micros, percentile, state, thousandths},
    machines::in_parallel,
};

/// How many connections keep the open loop open: more than requests are ever under way.
const SENDERS: u32 = 16;
/// The wait before the first job of the open loop is due.
const LEAD: Duration = Duration::from_millis(200);

/// From when a job was to be sent to when its task was seen placed, and running.
///
/// A broker that has just started compiles itself while it serves, so every cell has as many jobs beforehand.
pub fn run(log: Log, size: &Size) -> Vec<Line> {
    let bed = Bed::with_agent(log);
    let client = bed.client();
    let follower = follow(&client, "cursor name job body", &["task.placed", "task.status_changed"]);
    submit(&client, "before", size);
    await_finished(&follower, size.jobs);
    let begin = submit(&client, "j", size);
    let (wanted, seen) = await_finished(&follower, 2 * size.jobs);
    let times = |is_it: &dyn Fn(&Value) -> bool| {
        let first = first_seen(&seen, is_it);
        assert_eq!(first.len(), wanted, "every job was seen");
        let wait = |n| first[&format!("j{n}")].saturating_duration_since(due(begin, n, size));
        let mut waits: Vec<_> = (0..size.jobs).map(wait).collect();
        waits.sort_unstable();
        waits
    };
    let placed = times(&|event| event["name"] == "task.placed");
    // A task as short as these may be told to have ended before it is told to have run.
    let running = times(&|event| matches!(state(event), "running" | "finished"));
    assert_eq!((count(&seen, "placed"), count(&seen, "finished"), count(&seen, "failed")), (wanted, wanted, 0));
    drop(follower);
    bed.audit();
    let answer = format!("{wanted} placed once, {wanted} finished, audited");
    let place = match log {
        Log::Embedded => "embedded log",
        Log::Kafka => "one Kafka broker (C1 compiler, serial GC)",
    };
    let rate = format!("{} one-task jobs at {}/s, open loop", size.jobs, size.jobs_per_s);
    let workload = format!("{rate}, after as many before, one agent, {place}");
    let line = |name, waits: &[Duration], percent| {
        let value = thousandths(micros(percentile(waits, percent)));
        Line { name, workload: workload.clone(), n: size.jobs, unit: "ms", value, answer: answer.clone() }
    };
    match log {
        Log::Embedded => vec![
            line("submit_placed_p50_ms", &placed, 50),
            line("submit_placed_p99_ms", &placed, 99),
            line("submit_running_p50_ms", &running, 50),
            line("submit_running_p99_ms", &running, 99),
        ],
        Log::Kafka => {
            vec![line("submit_placed_kafka_p50_ms", &placed, 50), line("submit_placed_kafka_p99_ms", &placed, 99)]
        }
    }
}

/// Submits jobs in an open loop, and says when it began.
fn submit(client: &Client, name: &str, size: &Size) -> Instant {
    let begin = Instant::now() + LEAD;
    in_parallel(SENDERS, size.jobs, |n| {
        thread::sleep(due(begin, n, size).saturating_duration_since(Instant::now()));
        accept(client, &job(&format!("{name}{n}"), 1, "cpu=0.01 mem=16Mi"));
    });
    begin
}

fn due(begin: Instant, n: u32, size: &Size) -> Instant {
    begin + Duration::from_secs(1) * n / size.jobs_per_s
}

/// Waits until so many tasks have finished, and returns what was seen.
fn await_finished(follower: &Follower, tasks: u32) -> (usize, Vec<Seen>) {
    let wanted = usize::try_from(tasks).expect("few tasks");
    let seen = follower.wait("every task to finish", |seen| (count(seen, "finished") >= wanted).then(|| seen.to_vec()));
    (wanted, seen)
}
