//! Measures whole cells from outside: the real binary, a log with fsync, GraphQL over loopback.
//!
//! ```text
//! cargo run -p quipu --example bench_cell [-- --smoke] [--only NAME]
//!
//!   submit_placed_*      50 one-task jobs a second, open loop, on machines without agents behind them: from
//!                        when a job was to be sent to when a subscriber saw its task placed
//!   submit_running_*     the same on a real agent, until a subscriber saw the task running
//!   cell_tasks_per_s     nomad-e2e-placement: machines without agents behind them; 100 jobs of 100
//!   cell_cpu_s           tasks over 4 connections; tasks by the time from first to last placement as
//!                        a subscriber saw them, and the CPU time of the server meanwhile
//!   first_task_s         from `quipu up` in an empty directory to the first task running
//!   *_kafka*             the same with each part a process of its own, over one Kafka broker
//!   takeover_*           over one broker, with agents and tasks: from when the leader is killed to when
//!                        a command that is sent at that moment is answered by the one that took over
//! ```
//! One JSON object per line. Before a line is printed its answer is checked: each task placed once and
//! ended well where there is somebody to run it, and the cell's log holds when it is decided again.

mod bed;
#[path = "../../harness/cell.rs"]
mod cell;
mod figures;
mod first_task;
mod machines;
#[path = "../../harness/parts.rs"]
mod parts;
mod place;
mod submit;
mod takeover;

use std::{path::Path, process::ExitCode};

use bed::Log;

/// One bench: the lines that it prints, where the log is, and what it does.
struct Bench {
    names: &'static [&'static str],
    log: Log,
    run: fn(Log, &Size) -> Vec<Line>,
}

const BENCHES: [Bench; 7] = [
    Bench { names: &["submit_placed_p50_ms", "submit_placed_p99_ms"], log: Log::Embedded, run: submit::placed },
    Bench {
        names: &["submit_placed_kafka_p50_ms", "submit_placed_kafka_p99_ms"],
        log: Log::Kafka,
        run: submit::placed,
    },
    Bench { names: &["submit_running_p50_ms", "submit_running_p99_ms"], log: Log::Embedded, run: submit::running },
    Bench { names: &["cell_tasks_per_s", "cell_cpu_s"], log: Log::Embedded, run: place::run },
    Bench { names: &["cell_tasks_per_s_kafka"], log: Log::Kafka, run: place::run },
    Bench { names: &["first_task_s"], log: Log::Embedded, run: first_task::run },
    Bench { names: &["takeover_p50_ms", "takeover_p99_ms"], log: Log::Kafka, run: takeover::run },
];

/// How much is done.
struct Size {
    /// Jobs of the open loop, and how many of them a second.
    jobs: u32,
    jobs_per_s: u32,
    /// Machines, jobs and tasks of each job of the placement workload, which those that are killed hold too.
    machines: u32,
    large_jobs: u32,
    tasks_per_job: u32,
    /// How many cells a median is taken of.
    cells: usize,
    /// How many leaders are killed.
    leaders: u32,
}

const FULL: Size =
    Size { jobs: 1000, jobs_per_s: 50, machines: 1000, large_jobs: 100, tasks_per_job: 100, cells: 5, leaders: 20 };
const SMOKE: Size =
    Size { jobs: 20, jobs_per_s: 50, machines: 20, large_jobs: 4, tasks_per_job: 25, cells: 1, leaders: 2 };

/// What was measured.
struct Line {
    name: &'static str,
    workload: String,
    n: u32,
    unit: &'static str,
    value: String,
    answer: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (smoke, only) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (false, ""),
        ["--smoke"] => (true, ""),
        ["--only", only] => (false, only),
        ["--smoke", "--only", only] | ["--only", only, "--smoke"] => (true, only),
        _ => return usage(),
    };
    let is_wanted = |bench: &&Bench| bench.names.iter().any(|name| name.starts_with(only));
    let wanted: Vec<_> = BENCHES.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        return usage();
    }
    for Bench { names, log, run } in wanted {
        if *log == Log::Kafka && !is_kafka_here() {
            eprintln!("SKIPPED: {} need Java 17 and Maven, for a Kafka broker", names.join(", "));
            continue;
        }
        let lines = run(*log, if smoke { &SMOKE } else { &FULL });
        lines.iter().filter(|line| names.contains(&line.name) && line.name.starts_with(only)).for_each(Line::print);
    }
    ExitCode::SUCCESS
}

impl Line {
    fn print(&self) {
        let Self { name, workload, n, unit, value, answer } = self;
        println!(
            r#"{{"name":"{name}","workload":"{workload}","n":{n},"unit":"{unit}","value":{value},"answer":"{answer}"}}"#
        );
    }
}

fn usage() -> ExitCode {
    let names: Vec<_> = BENCHES.iter().flat_map(|bench| bench.names).copied().collect();
    eprintln!("usage: bench_cell [--smoke] [--only NAME], where NAME begins one of: {}", names.join(" "));
    ExitCode::from(2)
}

/// Whether a broker can be started: what `kafka.sh` asks for is in the path.
fn is_kafka_here() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |tool: &str| std::env::split_paths(&path).any(|directory| Path::new(&directory).join(tool).is_file());
    is_here("java") && is_here("mvn")
}
