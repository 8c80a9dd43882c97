//! Baseline and variant side by side, with a card that says how far they can be trusted.
//!
//! The baseline is a run of the same simulation in which nothing is changed: up to the end of the log
//! it is history, record by record, and past it both go on by the same rules. So whatever differs
//! between the two comes from the change.

use std::collections::BTreeMap;

use log_schema::{Offset, TaskId, TimeMs, job::JobKind};
use serde::Serialize;

use super::{
    Error,
    census::StartKey,
    change::Changes,
    history::History,
    life::Source,
    measure::{Measure, Placement},
    outcome::{Outcome, outcome},
    pace::Pace,
    run::{Run, Until, run},
};

/// What a what-if found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The first offset that the fork does not share with history.
    pub fork: Offset,
    /// The time of the fork.
    pub fork_time: TimeMs,
    /// The time of the log's last record.
    pub log_end: TimeMs,
    /// What was changed, as options of the command line.
    pub changes: String,
    /// What comes of no change.
    pub baseline: Outcome,
    /// What comes of the change.
    pub variant: Outcome,
    /// How the placements differ.
    pub placements: Placements,
    /// The first start that went otherwise.
    pub first_divergence: Option<Divergence>,
    /// How far the numbers can be trusted.
    pub card: Card,
    /// What a reader must know beside.
    pub notes: Vec<String>,
}

/// How the placements of two runs differ: the same start of the same task is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Placements {
    /// On the same agent at the same time.
    pub same: u64,
    /// On the same agent at another time.
    pub other_time: u64,
    /// On another agent.
    pub other_agent: u64,
    /// Only in the baseline.
    pub only_baseline: u64,
    /// Only in the variant.
    pub only_variant: u64,
}

/// The first start that went otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// When.
    pub time: TimeMs,
    /// The decision that placed it first, in the run that did.
    pub offset: Offset,
    /// Which task.
    pub task: TaskId,
    /// Which start of it, from 1.
    pub start: u32,
    /// What happened in the baseline.
    pub baseline: String,
    /// What happened in the variant.
    pub variant: String,
}

/// How far the numbers can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Gate A: recorded decisions of the whole log that were made again and found equal: all of them.
    pub decisions_equal: u64,
    /// Gate A: records after the fork that a run without changes gave again, byte for byte: all of them.
    pub records_equal: u64,
    /// Gate B: what a run without changes, at the modelled leader's own pace, gets wrong.
    pub floor: Floor,
    /// Where the lengths of the baseline's starts come from.
    pub baseline_lengths: Lengths,
    /// Where the lengths of the variant's starts come from.
    pub variant_lengths: Lengths,
}

/// Gate B: how a run that keeps none of history's pace differs from the baseline. No difference below these means anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Floor {
    /// Mean wait for a place, in milliseconds.
    pub wait_placed_mean_ms: u64,
    /// 95th percentile of the wait for a place.
    pub wait_placed_p95_ms: u64,
    /// The makespan.
    pub makespan_ms: u64,
    /// Placements on another agent, or only in one of the two.
    pub placements: u64,
}

/// How many starts ended by themselves, by where their length comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// As history saw this very start end.
    pub history: u64,
    /// As another run of the same task.
    pub same_task: u64,
    /// As the task of the same job whose index is this one's modulo those that ran.
    pub twin: u64,
    /// The median of the finished tasks of the job that lasted longer than this one was seen.
    pub job_median: u64,
    /// The same of the whole cell.
    pub cell_median: u64,
    /// Starts without an end that still run.
    pub endless: u64,
}

/// Runs a history without and with changes, and compares.
pub fn compare(history: &History, changes: &Changes) -> Result<Comparison, Error> {
    check_names(history, changes)?;
    let nothing = Changes::default();
    let baseline = run(history, &nothing, Pace::History, Until::WorkIsDone)?;
    if let Some(at) = baseline.parted {
        return Err(Error::NotReproduced { fork: history.fork, at });
    }
    let variant = run(history, changes, Pace::History, Until::WorkIsDone)?;
    let own_pace = run(history, &nothing, Pace::Own, Until::WorkIsDone)?;
    let end = baseline.end.max(variant.end);
    let [base, other, own] = [&baseline, &variant, &own_pace].map(|run| outcome(history, run, end));
    let card = Card {
        decisions_equal: history.tally.decisions,
        records_equal: (history.records.len() - history.first_index()) as u64,
        floor: floor(&base, &own, &placements(&baseline.measure, &own_pace.measure)),
        baseline_lengths: lengths(&baseline),
        variant_lengths: lengths(&variant),
    };
    Ok(Comparison {
        fork: history.fork,
        fork_time: TimeMs(history.at_fork.time),
        log_end: TimeMs(history.end),
        changes: changes.to_string(),
        placements: placements(&baseline.measure, &variant.measure),
        first_divergence: first_divergence(&baseline.measure, &variant.measure),
        notes: notes(history, &baseline, &variant),
        baseline: base,
        variant: other,
        card,
    })
}

/// A change of something that never is changes nothing, and would read like an answer.
fn check_names(history: &History, changes: &Changes) -> Result<(), Error> {
    let unknown = |what, name: &str| Err(Error::Unknown { what, name: name.into() });
    if let Some(agent) = changes.drop_agents.iter().find(|agent| !history.agents.contains(*agent)) {
        return unknown("agent", agent.as_str());
    }
    if let Some(job) = changes.scale.keys().find(|job| !history.jobs.contains(*job)) {
        return unknown("job", job.as_str());
    }
    Ok(())
}

fn placements(baseline: &Measure, variant: &Measure) -> Placements {
    let mut found = Placements::default();
    for (start, one) in &baseline.placements {
        let count = match variant.placements.get(start) {
            None => &mut found.only_baseline,
            Some(other) if other.agent != one.agent => &mut found.other_agent,
            Some(other) if other.time != one.time => &mut found.other_time,
            Some(_) => &mut found.same,
        };
        *count += 1;
    }
    let new = variant.placements.keys().filter(|start| !baseline.placements.contains_key(*start));
    found.only_variant = new.count() as u64;
    found
}

fn first_divergence(baseline: &Measure, variant: &Measure) -> Option<Divergence> {
    let alike = |one: &Placement, other: &Placement| (one.time, &one.agent) == (other.time, &other.agent);
    let either = baseline.placements.keys().chain(variant.placements.keys());
    let pairs = either.map(|start| (start, baseline.placements.get(start), variant.placements.get(start)));
    let differing = pairs.filter(|(_, one, other)| !one.zip(*other).is_some_and(|(one, other)| alike(one, other)));
    let earliest = |one: Option<&Placement>, other: Option<&Placement>| {
        one.into_iter().chain(other).map(|placement| (placement.time, placement.offset)).min()
    };
    let (start, one, other) = differing.min_by_key(|(start, one, other)| (earliest(*one, *other), *start))?;
    let (time, offset) = earliest(one, other)?;
    Some(divergence(start, (time, offset), one, other))
}

fn divergence(
    start: &StartKey,
    (time, offset): (u64, u64),
    baseline: Option<&Placement>,
    variant: Option<&Placement>,
) -> Divergence {
    let said = |placement: Option<&Placement>| match placement {
        Some(placement) => format!("on {} at {} ms", placement.agent, placement.time),
        None => "not placed".to_owned(),
    };
    Divergence {
        time: TimeMs(time),
        offset: Offset(offset),
        task: start.task.clone(),
        start: start.ordinal,
        baseline: said(baseline),
        variant: said(variant),
    }
}

fn floor(baseline: &Outcome, own: &Outcome, placements: &Placements) -> Floor {
    Floor {
        wait_placed_mean_ms: baseline.wait_placed.mean_ms.abs_diff(own.wait_placed.mean_ms),
        wait_placed_p95_ms: baseline.wait_placed.p95_ms.abs_diff(own.wait_placed.p95_ms),
        makespan_ms: baseline.makespan_ms.abs_diff(own.makespan_ms),
        placements: placements.other_agent + placements.only_baseline + placements.only_variant,
    }
}

fn lengths(run: &Run) -> Lengths {
    let ended: &BTreeMap<Source, u64> = &run.ended;
    let of = |source| ended.get(&source).copied().unwrap_or(0);
    Lengths {
        history: of(Source::History),
        same_task: of(Source::SameTask),
        twin: of(Source::Twin),
        job_median: of(Source::Job),
        cell_median: of(Source::Cell),
        endless: of(Source::Endless),
    }
}

fn notes(history: &History, baseline: &Run, variant: &Run) -> Vec<String> {
    let mut notes = Vec::new();
    let frameworks = history.tally.framework_commands;
    if frameworks > 0 {
        notes.push(format!(
            "the log has {frameworks} commands of frameworks after the fork: they are said again as history had them, and \
             frameworks are not modelled. Offers are numbered anew in a fork, so once it has parted from history an \
             acceptance may be refused, and tasks of frameworks may be missing from the variant"
        ));
    }
    let others = history.tally.endogenous - frameworks;
    if others > 0 {
        notes.push(format!(
            "{others} other commands after the fork answered what the cell had decided; they are said again as they were"
        ));
    }
    let is_service = |run: &Run| run.state.jobs.iter().any(|job| job.spec.kind == JobKind::Service && job.active > 0);
    if is_service(baseline) || is_service(variant) {
        notes.push(
            "services still run at the end: they have no end of their own and do not count for the makespan".into(),
        );
    }
    if baseline.cut_short || variant.cut_short {
        notes.push("a run was stopped before its work was done, for its number of records".into());
    }
    if baseline.end > history.end || variant.end > history.end {
        notes.push("past the end of the log both runs go on by the model until the batch work is done".into());
    }
    notes
}
