//! What one run came to, in numbers. Integers only, so that the same run gives the same bytes.

use log_schema::{Chain, TaskState};
use serde::Serialize;

use super::{history::History, measure::Use, run::Run};
use crate::verify::as_text;

/// How many parts the time of a run is cut into to show the use of the cell.
pub const BUCKETS: usize = 40;

/// What one run came to, counted from the fork on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Starts of tasks that finished.
    pub finished: u64,
    /// Starts that failed.
    pub failed: u64,
    /// Starts that were killed.
    pub killed: u64,
    /// Starts that were lost with their agents.
    pub lost: u64,
    /// Tasks that still run at the end.
    pub running: u64,
    /// Tasks of jobs that still wait for a place at the end.
    pub waiting: u64,
    /// Starts that were placed.
    pub placed: u64,
    /// From asking for a job's task to its first placement.
    pub wait_placed: Waits,
    /// From asking for a job's task to the first report that it runs.
    pub wait_running: Waits,
    /// From the fork to the end of the last start that ended.
    pub makespan_ms: u64,
    /// The CPU that tasks hold, in thousandths of what all agents have, over the whole time.
    pub allocation_permille: u64,
    /// The same in equal parts of the time from the fork to the later end of both runs.
    pub allocation_over_time_permille: Vec<u64>,
    /// Records that the fork appended.
    pub records: u64,
    /// Decisions among them.
    pub decisions: u64,
    /// Refusals in them.
    pub refusals: u64,
    /// The hash chain up to and with the run's last record.
    #[serde(serialize_with = "as_text")]
    pub chain: Chain,
    /// SHA-256 of the allocator's state at the end.
    #[serde(serialize_with = "as_text")]
    pub state_digest: Chain,
}

/// Waits, in milliseconds. A percentile is the element at that part of the sorted list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// How many waits ended.
    pub count: u64,
    /// Their mean, rounded down.
    pub mean_ms: u64,
    /// Their median.
    pub p50_ms: u64,
    /// Their 95th percentile.
    pub p95_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

/// Counts a run; `end` is the later end of the runs that are compared.
pub(super) fn outcome(history: &History, run: &Run, end: u64) -> Outcome {
    let Run { measure, state, .. } = run;
    let from = history.at_fork.time;
    let ended = |state| measure.ends.get(&state).copied().unwrap_or(0);
    let active = state.agents.iter().map(|agent| agent.tasks.len() as u64);
    Outcome {
        finished: ended(TaskState::Finished),
        failed: ended(TaskState::Failed),
        killed: ended(TaskState::Killed),
        lost: ended(TaskState::Lost),
        running: active.sum(),
        waiting: state.jobs.iter().map(|job| u64::from(job.waiting()) + job.backing_off.len() as u64).sum(),
        placed: measure.placements.len() as u64,
        wait_placed: waits(&measure.waits_placed_ms),
        wait_running: waits(&measure.waits_running_ms),
        makespan_ms: measure.last_end.map_or(0, |last| last.saturating_sub(from)),
        allocation_permille: allocation(&measure.uses, from, end),
        allocation_over_time_permille: buckets(from, end)
            .map(|(from, to)| allocation(&measure.uses, from, to))
            .collect(),
        records: run.next.0 - history.fork.0,
        decisions: measure.decisions,
        refusals: measure.refusals,
        chain: run.chain,
        state_digest: state.digest(),
    }
}

fn waits(waits_ms: &[u64]) -> Waits {
    let mut sorted = waits_ms.to_vec();
    sorted.sort_unstable();
    let Some(max_ms) = sorted.last().copied() else { return Waits::default() };
    let count = sorted.len() as u64;
    let at = |percent: usize| sorted[sorted.len() * percent / 100];
    Waits { count, mean_ms: sorted.iter().sum::<u64>() / count, p50_ms: at(50), p95_ms: at(95), max_ms }
}

/// Equal parts of a time, to the millisecond.
fn buckets(from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    let span = u128::from(to - from);
    let edge = move |n: usize| from + u64::try_from(span * n as u128 / BUCKETS as u128).expect("within the span");
    (0..BUCKETS).map(move |n| (edge(n), edge(n + 1)))
}

/// What was held of what was there between two times, in thousandths, rounded to the nearest.
fn allocation(uses: &[Use], from: u64, to: u64) -> u64 {
    let ends = uses.iter().skip(1).map(|next| next.time).chain([u64::MAX]);
    let (mut held, mut there) = (0_u128, 0_u128);
    for (Use { time, used, total }, end) in uses.iter().zip(ends) {
        let overlap = u128::from(end.min(to).saturating_sub((*time).max(from)));
        held += overlap * u128::from(*used);
        there += overlap * u128::from(*total);
    }
    let thousandths = (held * 2000 + there).checked_div(2 * there).unwrap_or(0);
    u64::try_from(thousandths).expect("tasks hold no more than there is, but for agents that left")
}
