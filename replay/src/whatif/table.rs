//! A comparison as text, for people.

use std::fmt::Write;

use super::{
    compare::{Card, Comparison, Lengths},
    outcome::{Outcome, Waits},
};

/// From nothing to everything.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Baseline and variant side by side, the use of the cell as a line of bars, and the card.
pub fn render_table(comparison: &Comparison) -> String {
    let Comparison { baseline, variant, .. } = comparison;
    let mut text = String::new();
    line(
        &mut text,
        &format!("fork at offset {} ({} ms), change: {}", comparison.fork, comparison.fork_time, comparison.changes),
    );
    line(&mut text, "");
    line(&mut text, &format!("{:<24}{:>14}{:>14}{:>14}", "", "baseline", "variant", "difference"));
    for (name, one, other) in rows(baseline, variant) {
        let difference = i128::from(other) - i128::from(one);
        let difference = if difference == 0 { "0".to_owned() } else { format!("{difference:+}") };
        line(&mut text, &format!("{name:<24}{one:>14}{other:>14}{difference:>14}"));
    }
    line(&mut text, "");
    line(&mut text, &format!("allocation   baseline  │{}│", bars(&baseline.allocation_over_time_permille)));
    line(&mut text, &format!("             variant   │{}│", bars(&variant.allocation_over_time_permille)));
    line(&mut text, "");
    line(&mut text, &placements(comparison));
    line(&mut text, &divergence(comparison));
    line(&mut text, "");
    card(&mut text, &comparison.card);
    for note in &comparison.notes {
        line(&mut text, &format!("note: {note}"));
    }
    text
}

fn line(text: &mut String, of: &str) {
    writeln!(text, "{}", of.trim_end()).expect("a string takes everything");
}

fn rows(one: &Outcome, other: &Outcome) -> Vec<(&'static str, u64, u64)> {
    let mut rows = vec![
        ("tasks finished", one.finished, other.finished),
        ("      failed", one.failed, other.failed),
        ("      killed", one.killed, other.killed),
        ("      lost", one.lost, other.lost),
        ("      still running", one.running, other.running),
        ("      still waiting", one.waiting, other.waiting),
        ("starts placed", one.placed, other.placed),
    ];
    rows.extend(waits(
        ["placed after, mean ms", "  p50 ms", "  p95 ms", "  max ms"],
        one.wait_placed,
        other.wait_placed,
    ));
    rows.extend(waits(
        ["running after, mean ms", "  p50 ms", "  p95 ms", "  max ms"],
        one.wait_running,
        other.wait_running,
    ));
    rows.push(("makespan ms", one.makespan_ms, other.makespan_ms));
    rows.push(("cpu allocated permille", one.allocation_permille, other.allocation_permille));
    rows.push(("refusals", one.refusals, other.refusals));
    rows
}

fn waits(names: [&'static str; 4], one: Waits, other: Waits) -> [(&'static str, u64, u64); 4] {
    [
        (names[0], one.mean_ms, other.mean_ms),
        (names[1], one.p50_ms, other.p50_ms),
        (names[2], one.p95_ms, other.p95_ms),
        (names[3], one.max_ms, other.max_ms),
    ]
}

fn bars(permille: &[u64]) -> String {
    let bar = |permille: &u64| {
        let eighths = (permille * 8).div_ceil(1000).min(8);
        BARS[usize::try_from(eighths).expect("at most 8")]
    };
    permille.iter().map(bar).collect()
}

fn placements(comparison: &Comparison) -> String {
    let found = &comparison.placements;
    format!(
        "placements: {} the same, {} at another time, {} on another agent, {} only in the baseline, {} only in the variant",
        found.same, found.other_time, found.other_agent, found.only_baseline, found.only_variant
    )
}

fn divergence(comparison: &Comparison) -> String {
    match &comparison.first_divergence {
        None => "first divergence: none".to_owned(),
        Some(first) => format!(
            "first divergence: start {} of {}, at offset {} ({} ms): baseline {}, variant {}",
            first.start, first.task, first.offset, first.time, first.baseline, first.variant
        ),
    }
}

fn card(text: &mut String, card: &Card) {
    line(text, "how far to trust this");
    line(
        text,
        &format!(
            "  gate A: {0} of {0} recorded decisions follow from the log; {1} of {1} records after the fork come out the same",
            card.decisions_equal, card.records_equal
        ),
    );
    let floor = &card.floor;
    line(
        text,
        &format!(
            "  gate B: a leader at its own pace is off by {} ms mean wait, {} ms p95, {} ms makespan, {} placements",
            floor.wait_placed_mean_ms, floor.wait_placed_p95_ms, floor.makespan_ms, floor.placements
        ),
    );
    line(text, &format!("  lengths in the baseline: {}", lengths(&card.baseline_lengths)));
    line(text, &format!("  lengths in the variant:  {}", lengths(&card.variant_lengths)));
}

fn lengths(lengths: &Lengths) -> String {
    let Lengths { history, same_task, twin, job_median, cell_median, endless } = lengths;
    format!(
        "{history} from history; modelled: {same_task} as the task's other run, {twin} as a twin, {job_median} by the job's \
         median, {cell_median} by the cell's; {endless} without an end"
    )
}
