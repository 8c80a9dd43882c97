//! Measures whole cells from outside: the real binary, a log with fsync, GraphQL over loopback.
//!
//! ```text
//! cargo run -p quipu --example bench_cell [-- --smoke] [--only NAME]
//!
//!   submit_*             50 one-task jobs a second on a real agent, open loop: from when a job was
//!                        to be sent to when a subscriber saw its task placed, or running
//!   cell_tasks_per_s     nomad-e2e-placement: machines without agents behind them; 100 jobs of 100
//!   cell_cpu_s           tasks over 4 connections; tasks by the time from first to last placement as
//!                        a subscriber saw them, and the CPU time of the server meanwhile
//!   first_task_s         from `quipu up` in an empty directory to the first task running
//! ```
//! One JSON object per line. Before a line is printed its answer is checked: each task placed once and
//! ended well where there is somebody to run it, and the cell's log holds when it is decided again.

#[path = "../harness/cell.rs"]
mod cell;

use std::{
    collections::BTreeMap,
    net::TcpStream,
    process::ExitCode,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use command_log::remote::protocol::{FromAgent, FromGateway, LINK_PATH, VERSION};
use log_schema::{AgentId, Class, Command, Envelope, Key, Principal, Resources, command::ReportAgentV1};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use cell::{
    Cell, WITH_AGENT,
    events::{Follower, Seen},
    process::cpu_ms,
    wait_for,
};

/// One bench: the lines that it prints, and what it does.
type Bench = (&'static [&'static str], fn(&Size) -> Vec<Line>);

const BENCHES: [Bench; 3] = [
    (&["submit_placed_p50_ms", "submit_placed_p99_ms", "submit_running_p50_ms", "submit_running_p99_ms"], submit),
    (&["cell_tasks_per_s", "cell_cpu_s"], place),
    (&["first_task_s"], first_task),
];
/// A cell whose machines come over the agents' link and never speak again.
const SILENT_MACHINES: &[&str] = &["--no-agent", "--agent-silent-ms", "0"];
/// What one machine of the placement workload has, and what one of its tasks needs.
const MACHINE: &str = "cpu=64 mem=262144Mi";
const TASK: &str = "cpu=0.1 mem=64Mi";
/// How many connections report machines or submit jobs.
const CONNECTIONS: u32 = 4;
/// How many connections keep the open loop open: more than requests are ever under way.
const SENDERS: u32 = 16;
/// The wait before the first job of the open loop is due.
const LEAD: Duration = Duration::from_millis(200);
/// How long a machine waits for the gateway.
const LINK_WAIT: Duration = Duration::from_secs(10);

/// How much is done.
struct Size {
    /// Jobs of the open loop, and how many of them a second.
    jobs: u32,
    jobs_per_s: u32,
    /// Machines, jobs and tasks of each job of the placement workload.
    machines: u32,
    large_jobs: u32,
    tasks_per_job: u32,
    /// How many cells a median is taken of.
    cells: usize,
}

const FULL: Size = Size { jobs: 1000, jobs_per_s: 50, machines: 1000, large_jobs: 100, tasks_per_job: 100, cells: 5 };
const SMOKE: Size = Size { jobs: 20, jobs_per_s: 50, machines: 20, large_jobs: 4, tasks_per_job: 25, cells: 1 };

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
    let wanted: Vec<_> = BENCHES.iter().filter(|(names, _)| names.iter().any(|name| name.starts_with(only))).collect();
    if wanted.is_empty() {
        return usage();
    }
    for (_, bench) in wanted {
        for line in bench(if smoke { &SMOKE } else { &FULL }).iter().filter(|line| line.name.starts_with(only)) {
            let Line { name, workload, n, unit, value, answer } = line;
            println!(
                r#"{{"name":"{name}","workload":"{workload}","n":{n},"unit":"{unit}","value":{value},"answer":"{answer}"}}"#
            );
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names: Vec<_> = BENCHES.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    eprintln!("usage: bench_cell [--smoke] [--only NAME], where NAME begins one of: {}", names.join(" "));
    ExitCode::from(2)
}

/// Latency at a rate that the cell does not choose.
fn submit(size: &Size) -> Vec<Line> {
    let mut cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let follower = follow(&cell, "cursor name job body", &["task.placed", "task.status_changed"]);
    let begin = Instant::now() + LEAD;
    let due = |n: u32| begin + Duration::from_secs(1) * n / size.jobs_per_s;
    in_parallel(SENDERS, size.jobs, |n| {
        thread::sleep(due(n).saturating_duration_since(Instant::now()));
        accept(&cell, &job(&format!("j{n}"), 1, "cpu=0.01 mem=16Mi"));
    });
    let wanted = usize::try_from(size.jobs).expect("few jobs");
    let seen = follower.wait("every task to finish", |seen| (count(seen, "finished") >= wanted).then(|| seen.to_vec()));
    let times = |is_it: &dyn Fn(&Value) -> bool| {
        let first = first_seen(&seen, is_it);
        assert_eq!(first.len(), wanted, "every job was seen");
        let mut waits: Vec<_> =
            (0..size.jobs).map(|n| first[&format!("j{n}")].saturating_duration_since(due(n))).collect();
        waits.sort_unstable();
        waits
    };
    let placed = times(&|event| event["name"] == "task.placed");
    // A task as short as these may be told to have ended before it is told to have run.
    let running = times(&|event| matches!(state(event), "running" | "finished"));
    assert_eq!((count(&seen, "placed"), count(&seen, "finished"), count(&seen, "failed")), (wanted, wanted, 0));
    audit(&mut cell);
    let answer = format!("{wanted} placed once, {wanted} finished, audited");
    let workload = format!("{} one-task jobs at {}/s, open loop, one agent", size.jobs, size.jobs_per_s);
    let line = |name, waits: &[Duration], percent| {
        let value = thousandths(micros(percentile(waits, percent)));
        Line { name, workload: workload.clone(), n: size.jobs, unit: "ms", value, answer: answer.clone() }
    };
    let [placed_p50, placed_p99, running_p50, running_p99] = *BENCHES[0].0 else { unreachable!("four names") };
    vec![
        line(placed_p50, &placed, 50),
        line(placed_p99, &placed, 99),
        line(running_p50, &running, 50),
        line(running_p99, &running, 99),
    ]
}

/// Placements a second, and what they cost; medians over several cells.
fn place(size: &Size) -> Vec<Line> {
    let tasks = size.large_jobs * size.tasks_per_job;
    let (mut rates, mut costs): (Vec<u64>, Vec<u64>) = (0..size.cells).map(|_| place_once(size)).unzip();
    let workload = format!(
        "nomad-e2e-placement {} machines ({},{}), median of {} cells",
        size.machines, size.large_jobs, size.tasks_per_job, size.cells
    );
    let answer = format!("{tasks} distinct tasks placed, audited");
    let line =
        |name, unit, value| Line { name, workload: workload.clone(), n: tasks, unit, value, answer: answer.clone() };
    vec![
        line("cell_tasks_per_s", "tasks/s", median(&mut rates).to_string()),
        line("cell_cpu_s", "CPU-s", thousandths(median(&mut costs))),
    ]
}

/// Tasks a second, and the server's CPU time in milliseconds.
fn place_once(size: &Size) -> (u64, u64) {
    let mut cell = Cell::start(SILENT_MACHINES);
    let url = cell.url().expect("the cell is ready");
    in_parallel(CONNECTIONS, size.machines, |n| report(&url, n));
    wait_for("every machine to be admitted", || {
        let agents = cell.data("{ agents(first: 1000) { nodes { name } } }", json!({}));
        (agents["agents"]["nodes"].as_array().map(Vec::len) == usize::try_from(size.machines).ok()).then_some(())
    });
    let follower = follow(&cell, "cursor task", &["task.placed"]);
    let (pid, tasks) = (cell.control_plane_pid(), size.large_jobs * size.tasks_per_job);
    let wanted = usize::try_from(tasks).expect("few tasks");
    let cpu_before = cpu_ms(pid).expect("the server runs");
    in_parallel(CONNECTIONS, size.large_jobs, |n| accept(&cell, &job(&format!("j{n}"), size.tasks_per_job, TASK)));
    let (mut names, took) = follower.wait("every task to be placed", |seen| {
        let took = (seen.len() >= wanted).then(|| seen[seen.len() - 1].at - seen[0].at)?;
        Some((seen.iter().map(|seen| seen.event["task"].to_string()).collect::<Vec<_>>(), took))
    });
    let cpu = cpu_ms(pid).expect("the server runs") - cpu_before;
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), wanted, "each task is placed, once");
    audit(&mut cell);
    (u64::from(tasks) * 1_000_000 / micros(took).max(1), cpu)
}

/// How long a newcomer waits; median over several empty directories.
fn first_task(size: &Size) -> Vec<Line> {
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
    let follower = follow_from_the_start(&cell, "cursor name job body", &["task.status_changed"]);
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

/// Says over a link of its own, as an agent would, that there is a machine.
fn report(url: &str, number: u32) {
    let id = format!("m{number:04}");
    let agent = AgentId::new(&id).expect("a legal id");
    let capacity: Resources = MACHINE.parse().expect("legal resources");
    let report = ReportAgentV1 { agent, capacity, attributes: BTreeMap::new() };
    let envelope = Envelope {
        principal: Principal::new(format!("agent:{id}")).expect("a legal name"),
        key: Key::new("report").expect("a legal key"),
        caused_by: None,
        class: Class::Exogenous,
    };
    let record = Command::ReportAgent(report).to_record(&envelope);
    let authority = url.strip_prefix("http://").expect("an address");
    let stream = TcpStream::connect(authority).expect("the gateway listens");
    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LINK_WAIT))).expect("a socket");
    let link = format!("ws://{authority}{LINK_PATH}?version={VERSION}&agent={id}");
    let (mut socket, _) = tungstenite::client(link, stream).expect("the gateway takes links");
    let append = FromAgent::Append { request: 1, records: vec![record.into()] };
    socket.send(Message::Binary(append.encode())).expect("the link holds");
    loop {
        let Message::Binary(bytes) = socket.read().expect("the link holds") else { continue };
        match FromGateway::decode(&bytes).expect("a message of a gateway") {
            FromGateway::Appended { .. } => break,
            FromGateway::Failed { message, .. } => panic!("machine {id} was not taken: {message}"),
            _ => {}
        }
    }
    let _ = socket.close(None);
}

/// Does something for each number below `end`, so many at a time, in the order of the numbers.
fn in_parallel(at_once: u32, end: u32, work: impl Fn(u32) + Sync) {
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(n) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < end) {
                    work(n);
                }
            });
        }
    });
}

fn follow(cell: &Cell, fields: &str, names: &[&str]) -> Follower {
    let follower = follow_from_the_start(cell, fields, names);
    wait_for("the subscription", || (follower.connections() > 0).then_some(()));
    follower
}

fn follow_from_the_start(cell: &Cell, fields: &str, names: &[&str]) -> Follower {
    Follower::start(cell, fields, json!({ "names": names }))
}

fn job(name: &str, count: u32, resources: &str) -> Value {
    json!({
        "name": name, "kind": "BATCH", "count": count, "resources": resources, "command": ["true"],
        "restart": { "on": "NEVER" },
    })
}

fn accept(cell: &Cell, job: &Value) {
    cell.run_job(job);
}

/// The log, decided again, is what it was.
fn audit(cell: &mut Cell) {
    cell.stop();
    let audit = cell.quipu(["audit", "verify", "--log", &cell.dir().display().to_string()]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.out, audit.err);
}

/// `placed`, or the state that an event tells a task to be in.
fn state(event: &Value) -> &str {
    if event["name"] == "task.placed" { "placed" } else { event["body"]["state"].as_str().unwrap_or_default() }
}

fn count(seen: &[Seen], wanted: &str) -> usize {
    seen.iter().filter(|seen| state(&seen.event) == wanted).count()
}

/// When each job's first such event was seen.
fn first_seen(seen: &[Seen], is_it: &dyn Fn(&Value) -> bool) -> BTreeMap<String, Instant> {
    let mut first = BTreeMap::new();
    for Seen { at, event } in seen.iter().filter(|seen| is_it(&seen.event)) {
        first.entry(event["job"].as_str().unwrap_or_default().to_owned()).or_insert(*at);
    }
    first
}

/// The least of these that so many percent do not pass.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values[(values.len() - 1) / 2]
}

/// Thousandths of a unit, written in that unit.
fn thousandths(n: u64) -> String {
    format!("{}.{:03}", n / 1000, n % 1000)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a short time")
}
