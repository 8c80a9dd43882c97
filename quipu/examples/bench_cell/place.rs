//! Placements a second, and what they cost; medians over several cells.

use crate::{
    Line, Size,
    bed::{Bed, Log, follow},
    figures::{median, micros, thousandths},
    machines::{fill, join},
};

pub fn run(log: Log, size: &Size) -> Vec<Line> {
    let tasks = size.large_jobs * size.tasks_per_job;
    let (mut rates, mut costs): (Vec<u64>, Vec<u64>) = (0..size.cells).map(|_| place_once(log, size)).unzip();
    let where_to = if log == Log::Kafka { ", one Kafka broker" } else { "" };
    let workload = format!(
        "nomad-e2e-placement {} machines ({},{}), median of {} cells{where_to}",
        size.machines, size.large_jobs, size.tasks_per_job, size.cells
    );
    let answer = format!("{tasks} distinct tasks placed, audited");
    let line =
        |name, unit, value| Line { name, workload: workload.clone(), n: tasks, unit, value, answer: answer.clone() };
    let rate = median(&mut rates).to_string();
    match log {
        Log::Embedded => vec![
            line("cell_tasks_per_s", "tasks/s", rate),
            line("cell_cpu_s", "CPU-s", thousandths(median(&mut costs))),
        ],
        Log::Kafka => vec![line("cell_tasks_per_s_kafka", "tasks/s", rate)],
    }
}

/// Tasks a second, and the control plane's CPU time in milliseconds.
fn place_once(log: Log, size: &Size) -> (u64, u64) {
    let bed = Bed::without_agent(log);
    join(&bed.client(), size.machines);
    let follower = follow(&bed.client(), "cursor task", &["task.placed"]);
    let cpu_before = bed.cpu_ms();
    let took = fill(&bed.client(), &follower, size);
    let cpu = bed.cpu_ms() - cpu_before;
    drop(follower);
    bed.audit();
    (u64::from(size.large_jobs * size.tasks_per_job) * 1_000_000 / micros(took).max(1), cpu)
}
