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
    machines::{TASK, in_parallel, join},
};

/// How many connections keep the open loop open: more than requests are ever under way.
const SENDERS: u32 = 16;
/// What a task needs that a real agent runs beside many.
const SMALL_TASK: &str = "cpu=0.01 mem=16Mi";
/// The wait before the first job of the open loop is due.
const LEAD: Duration = Duration::from_millis(200);

/// From when a job was to be sent to when its task was seen placed, on machines without agents behind them.
///
/// A broker that has just started compiles itself while it serves, so every cell has as many jobs beforehand.
pub fn placed(log: Log, size: &Size) -> Vec<Line> {
    let bed = Bed::without_agent(log);
    let client = bed.client();
    join(&client, size.machines);
    let follower = follow(&client, "cursor name job body", &["task.placed"]);
    submit(&client, "before", TASK, size);
    await_all(&follower, "placed", size.jobs);
    let begin = submit(&client, "j", TASK, size);
    let seen = await_all(&follower, "placed", 2 * size.jobs);
    let waits = waits(&seen, begin, size, &|event| event["name"] == "task.placed");
    drop(follower);
    bed.audit();
    let (names, place) = match log {
        Log::Embedded => (["submit_placed_p50_ms", "submit_placed_p99_ms"], "embedded log"),
        Log::Kafka => {
            (["submit_placed_kafka_p50_ms", "submit_placed_kafka_p99_ms"], "one Kafka broker (C1 compiler, serial GC)")
        }
    };
    let on = format!("{} machines without agents, {place}", size.machines);
    lines(names, &waits, &on, &format!("{} placed once, audited", 2 * size.jobs), size)
}

/// From when a job was to be sent to when its task was seen running, on a real agent.
pub fn running(log: Log, size: &Size) -> Vec<Line> {
    let bed = Bed::with_agent(log);
    let client = bed.client();
    let follower = follow(&client, "cursor name job body", &["task.placed", "task.status_changed"]);
    submit(&client, "before", SMALL_TASK, size);
    await_all(&follower, "finished", size.jobs);
    let begin = submit(&client, "j", SMALL_TASK, size);
    let (wanted, seen) = (2 * size.jobs, await_all(&follower, "finished", 2 * size.jobs));
    assert_eq!((count(&seen, "placed"), count(&seen, "failed")), (number(wanted), 0));
    // A task as short as these may be told to have ended before it is told to have run.
    let waits = waits(&seen, begin, size, &|event| matches!(state(event), "running" | "finished"));
    drop(follower);
    bed.audit();
    let names = ["submit_running_p50_ms", "submit_running_p99_ms"];
    lines(names, &waits, "one agent, embedded log", &format!("{wanted} placed once, {wanted} finished, audited"), size)
}

fn lines(names: [&'static str; 2], waits: &[Duration], on: &str, answer: &str, size: &Size) -> Vec<Line> {
    let workload = format!("one-task jobs at {}/s, open loop, after as many before, {on}", size.jobs_per_s);
    let line = |(name, percent)| {
        let value = thousandths(micros(percentile(waits, percent)));
        Line { name, workload: workload.clone(), n: size.jobs, unit: "ms", value, answer: answer.to_owned() }
    };
    names.into_iter().zip([50, 99]).map(line).collect()
}

/// How long each job of the second half waited for such an event, the shortest first.
fn waits(seen: &[Seen], begin: Instant, size: &Size, is_it: &dyn Fn(&Value) -> bool) -> Vec<Duration> {
    let first = first_seen(seen, is_it);
    assert_eq!(first.len(), number(2 * size.jobs), "every job was seen");
    let wait = |n| first[&format!("j{n}")].saturating_duration_since(due(begin, n, size));
    let mut waits: Vec<_> = (0..size.jobs).map(wait).collect();
    waits.sort_unstable();
    waits
}

/// Submits jobs in an open loop, and says when it began.
fn submit(client: &Client, name: &str, resources: &str, size: &Size) -> Instant {
    let begin = Instant::now() + LEAD;
    in_parallel(SENDERS, size.jobs, |n| {
        thread::sleep(due(begin, n, size).saturating_duration_since(Instant::now()));
        accept(client, &job(&format!("{name}{n}"), 1, resources));
    });
    begin
}

fn due(begin: Instant, n: u32, size: &Size) -> Instant {
    begin + Duration::from_secs(1) * n / size.jobs_per_s
}

/// Waits until so many tasks were seen in a state, each once, and returns what was seen.
fn await_all(follower: &Follower, state: &str, tasks: u32) -> Vec<Seen> {
    let wanted = number(tasks);
    let seen = follower.wait("every task", |seen| (count(seen, state) >= wanted).then(|| seen.to_vec()));
    assert_eq!(count(&seen, state), wanted, "tasks that are {state}");
    seen
}

fn number(tasks: u32) -> usize {
    usize::try_from(tasks).expect("few tasks")
}
