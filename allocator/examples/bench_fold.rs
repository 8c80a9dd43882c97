//! How many events the state takes in a second from decisions that are in memory: `fold`.
//!
//! Decoding is part of it; one core. `--smoke` folds a short log and compares with what is known of
//! it. One JSON line goes to the standard output.

use std::time::{Duration, Instant};

use allocator::{State, apply_decision, invariant};
use log_schema::{AgentId, DecisionV1, Event, Incarnation, Record, TaskId, TaskState, codec};

#[path = "shared/decider.rs"]
mod decider;
#[path = "shared/workload.rs"]
mod workload;

use decider::Decider;
use workload::Workload;

const WORKLOAD: &str = "events/s applied by the allocator's state from a log already in memory, decode included, \
    one core: 1,000 machines, jobs of 100 tasks, each placed, starting, running and finished, ended jobs forgotten; \
    decisions of 256 commands";
const SEED: u64 = 2;
const MACHINES: usize = 1_000;
const TASKS_PER_JOB: u32 = 100;
/// So many jobs come, run and end between two ticks.
const JOBS_PER_ROUND: usize = 50;
const TICK_MS: u64 = 1000;
/// The log is folded this many times, always from nothing.
const FOLDS: u32 = 5;
/// The answer of the smoke run.
const SMOKE_ANSWER: &str = "60fe2eb1457eee9ea0d5250de443fb876fa5a9d20c28109752a80832a6593d5e";

/// As in the binary.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::disallowed_methods, reason = "a bench reads its command line; the core does not")]
fn main() {
    if std::env::args().any(|word| word == "--smoke") {
        assert_eq!(run("fold_smoke", 3), SMOKE_ANSWER, "the smoke run folds otherwise than it did");
        return;
    }
    run("fold", 60);
}

/// Makes a log, folds it, checks, reports; gives the answer.
fn run(name: &str, rounds: usize) -> String {
    let (log, decided) = make_log(rounds);
    let expected = decided.digest();
    let mut took = Duration::ZERO;
    let mut events = 0;
    for _ in 0..FOLDS {
        let (state, count, time) = fold(&log);
        took += time;
        events += count;
        assert_eq!(state.digest(), expected, "what was folded is not what decided");
        invariant::check_all(&state).expect("every invariant holds");
    }
    report(name, events, took, &expected.to_string())
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock; the core does not")]
fn fold(log: &[Record]) -> (State, usize, Duration) {
    let mut state = State::default();
    let mut events = 0;
    let start = Instant::now();
    for record in log {
        let decision: DecisionV1 = codec::decode("decision", &record.payload).expect("a decision");
        apply_decision(&mut state, &decision);
        events += decision.answers.iter().map(|answer| answer.events.len()).sum::<usize>();
    }
    (state, events, start.elapsed())
}

/// The decisions of a cell in which jobs come, run and end, and the state that made them.
fn make_log(rounds: usize) -> (Vec<Record>, State) {
    let mut workload = Workload::new(SEED);
    let mut decider = Decider::new();
    let mut setup = vec![workload.forget_after(TICK_MS)];
    setup.extend((0..MACHINES).map(|number| workload.machine(number).0));
    let mut log = Vec::new();
    decider.decide(&setup, |record, _| log.push(record));
    for round in 0..rounds {
        let mut submits = vec![workload.tick(TICK_MS * (round as u64 + 1))];
        submits
            .extend((0..JOBS_PER_ROUND).map(|number| workload.job(round * JOBS_PER_ROUND + number, TASKS_PER_JOB).0));
        let mut placed = Vec::new();
        decider.decide(&submits, |record, decision| {
            log.push(record);
            placed.extend(placements(decision));
        });
        assert_eq!(placed.len(), JOBS_PER_ROUND * TASKS_PER_JOB as usize, "everything was placed");
        for state in [TaskState::Starting, TaskState::Running, TaskState::Finished] {
            let said = placed
                .iter()
                .map(|(task, incarnation, agent)| workload.status(task.clone(), *incarnation, agent.clone(), state));
            let said: Vec<_> = said.collect();
            decider.decide(&said, |record, _| log.push(record));
        }
    }
    (log, decider.state)
}

fn placements(decision: &DecisionV1) -> impl Iterator<Item = (TaskId, Incarnation, AgentId)> {
    decision.events().filter_map(|event| match event {
        Event::TaskPlaced(e) => Some((e.task.clone(), e.incarnation, e.agent.clone())),
        _ => None,
    })
}

fn report(name: &str, n: usize, took: Duration, answer: &str) -> String {
    let value = n as u128 * 1_000_000_000 / took.as_nanos();
    let line = serde_json::json!({
        "name": name, "workload": WORKLOAD, "n": n, "unit": "1/s", "value": u64::try_from(value).expect("a rate"), "answer": answer,
    });
    println!("{line}");
    answer.to_owned()
}
