//! How many placements the core makes in a second: `place_1k`, `place_10k` and `place_50k`.
//!
//! Machines are filled to 85 % of their CPU. From then on one task ends and one arrives, as commands
//! through [`allocator::answer`]; decoding them, deciding, and encoding the decisions is what is
//! measured, on one core. `--smoke` runs a small cell and compares with what is known of it.
//! One JSON line for each goes to the standard output.

use std::time::Duration;

use allocator::invariant;
use log_schema::{AgentId, DecisionV1, Event, Incarnation, Record, TaskId, TaskState};

#[path = "shared/decider.rs"]
mod decider;
#[path = "shared/workload.rs"]
mod workload;

use decider::Decider;
use workload::Workload;

const WORKLOAD: &str = "placements/s by the allocator's core, one core, decisions encoded: machines of \
    {16,32,64,96} cores with 4 GiB per core, tasks of {250,500,1000,2000,4000} milli-CPU and \
    {512,1024,2048,4096,8192} MiB, filled to 85 % of CPU, then one task ends and one arrives";
const SEED: u64 = 1;
/// How much of the CPU is taken before measuring begins.
const FILL_PERCENT: u64 = 85;
/// The cell is filled by jobs of this many tasks; what arrives later are jobs of one.
const TASKS_PER_FILLING_JOB: u32 = 50;
/// So many tasks end and arrive between two ticks.
const ROUND: usize = 1000;
/// Log time between two ticks, and how long what has ended is kept.
const TICK_MS: u64 = 1000;
/// The answer of the smoke run.
const SMOKE_ANSWER: &str = "de24c74b4658725cd644a7bf0b79c44fce6232303ef4b6caf7b43c55ec0e143a";

/// How large a run is.
struct Size {
    name: &'static str,
    machines: usize,
    placements: usize,
}

const SMOKE: Size = Size { name: "place_smoke", machines: 100, placements: 5_000 };
const SIZES: [Size; 3] = [
    Size { name: "place_1k", machines: 1_000, placements: 1_000_000 },
    Size { name: "place_10k", machines: 10_000, placements: 1_000_000 },
    Size { name: "place_50k", machines: 50_000, placements: 1_000_000 },
];

/// A task that runs, and where.
struct Running {
    task: TaskId,
    incarnation: Incarnation,
    agent: AgentId,
}

/// As in the binary.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::disallowed_methods, reason = "a bench reads its command line; the core does not")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--smoke") {
        assert_eq!(run(&SMOKE), SMOKE_ANSWER, "the smoke run decides otherwise than it did");
        return;
    }
    let chosen = |size: &&Size| words.is_empty() || words.iter().any(|word| word == size.name);
    assert_eq!(run(&SMOKE), run(&SMOKE), "two runs decide differently");
    for size in SIZES.iter().filter(chosen) {
        run(size);
    }
}

/// Fills a cell, measures, checks, reports; gives the answer.
fn run(size: &Size) -> String {
    let mut workload = Workload::new(SEED);
    let mut decider = Decider::new();
    let mut running = fill(size, &mut workload, &mut decider);
    let mut took = Duration::ZERO;
    let mut placed = 0;
    for round in 0..size.placements / ROUND {
        let records = make_round(round, &mut workload, &mut running);
        let before = running.len();
        took += decider.decide(&records, |_, decision| running.extend(placements(decision)));
        placed += running.len() - before;
    }
    assert_eq!(placed, size.placements, "everything was placed");
    invariant::check_all(&decider.state).expect("every invariant holds");
    report(size, took, &decider.chain.to_string())
}

/// Takes machines in, and starts tasks until the CPU is as full as it is to be.
fn fill(size: &Size, workload: &mut Workload, decider: &mut Decider) -> Vec<Running> {
    let mut records = vec![workload.forget_after(TICK_MS)];
    let mut cpu = 0;
    for number in 0..size.machines {
        let (record, more) = workload.machine(number);
        records.push(record);
        cpu += more;
    }
    let mut left = cpu * FILL_PERCENT / 100;
    for number in 0.. {
        let (record, more) = workload.job(number, TASKS_PER_FILLING_JOB);
        let Some(less) = left.checked_sub(more * u64::from(TASKS_PER_FILLING_JOB)) else { break };
        records.push(record);
        left = less;
    }
    let mut running = Vec::new();
    decider.decide(&records, |_, decision| running.extend(placements(decision)));
    assert_eq!(running.len(), (records.len() - 1 - size.machines) * TASKS_PER_FILLING_JOB as usize, "it was filled");
    running
}

/// The commands of one round: a tick, then ends and arrivals by turns.
fn make_round(round: usize, workload: &mut Workload, running: &mut Vec<Running>) -> Vec<Record> {
    let mut records = vec![workload.tick(TICK_MS * (round as u64 + 1))];
    for number in 0..ROUND {
        let ended = running.swap_remove(workload.below(running.len()));
        records.push(workload.status(ended.task, ended.incarnation, ended.agent, TaskState::Finished));
        records.push(workload.job(1_000_000_000 + round * ROUND + number, 1).0);
    }
    records
}

fn placements(decision: &DecisionV1) -> impl Iterator<Item = Running> {
    decision.events().filter_map(|event| match event {
        Event::TaskPlaced(e) => {
            Some(Running { task: e.task.clone(), incarnation: e.incarnation, agent: e.agent.clone() })
        }
        _ => None,
    })
}

fn report(size: &Size, took: Duration, answer: &str) -> String {
    let (name, n) = (size.name, size.placements);
    let value = n as u128 * 1_000_000_000 / took.as_nanos();
    let line = serde_json::json!({
        "name": name, "workload": WORKLOAD, "n": n, "unit": "1/s", "value": u64::try_from(value).expect("a rate"), "answer": answer,
    });
    println!("{line}");
    answer.to_owned()
}
