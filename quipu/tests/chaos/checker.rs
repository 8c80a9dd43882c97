//! Compares what clients were told with what the log says: nothing acked is lost, nothing is decided twice.
//!
//! Knows nothing of how either came about, and keeps no more of the log than offsets and keys.

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt,
};

use command_log::{
    Stored,
    reader::{Counts, Reader, Verdict},
};
use log_schema::{AnswerV1, Command, DecisionV1, Event, Offset, Record, event::TaskPlacedV1};

use crate::{cell::Client, journal::Acked};

/// How many faults of one sort are told in words.
const FAULTS_TOLD_MAX: usize = 20;

/// Something that must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// No reader gets past a record.
    Halt,
    /// A command or its answer is not where it was said to be.
    Lost,
    /// A command was answered twice, or two commands of one key had an effect.
    Doubled,
    /// A decision does not begin where the last one ended, or answers outside its range.
    Range,
    /// A client was told something else than was decided.
    Differs,
    /// A task was placed twice for one start.
    StartedTwice,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Report {
    /// Lines of journals that were compared.
    pub(crate) acked: u64,
    /// Among them: told that the command repeats another, and told no.
    repeats: u64,
    refused: u64,
    /// Commands of clients in the log, and tasks placed.
    commands: u64,
    placed: u64,
    /// How the reader judged the records.
    pub(crate) counts: Counts,
    /// How often something was wrong.
    pub(crate) faults: BTreeMap<Fault, u64>,
    told: Vec<String>,
}

impl Report {
    fn add(&mut self, fault: Fault, what: impl FnOnce() -> String) {
        let count = self.faults.entry(fault).or_default();
        *count += 1;
        if *count <= FAULTS_TOLD_MAX as u64 {
            self.told.push(format!("{fault:?}: {}", what()));
        }
    }
}

/// Compares journals with a log from its beginning on.
pub(crate) fn check(log: impl IntoIterator<Item = Stored>, journals: impl IntoIterator<Item = Acked>) -> Report {
    let mut report = Report::default();
    let read = read(log, &mut report);
    journals.into_iter().for_each(|acked| compare(&acked, &read, &mut report));
    report
}

/// What the log says, by offset of the command.
#[derive(Default)]
struct Read {
    /// The keys of clients' commands.
    keys: BTreeMap<Offset, String>,
    answers: BTreeMap<Offset, Answer>,
    /// The command of each key that had an effect.
    effective: BTreeMap<String, Offset>,
    placed: BTreeSet<(String, u64)>,
    last_to: Option<Offset>,
}

struct Answer {
    decision: Offset,
    repeats: Option<Offset>,
    refusal: Option<&'static str>,
}

fn read(log: impl IntoIterator<Item = Stored>, report: &mut Report) -> Read {
    let (mut read, mut reader) = (Read::default(), Reader::new());
    for stored in log {
        match reader.judge(&stored) {
            Ok(Verdict::Command) => read.take_command(stored.offset, &stored.record),
            Ok(Verdict::Decision(decision)) => read.take_decision(stored.offset, decision, report),
            Ok(
                Verdict::Epoch(_)
                | Verdict::VoidEpoch { .. }
                | Verdict::VoidDecision { .. }
                | Verdict::DuplicateDecision { .. },
            ) => {}
            Err(halt) => {
                report.add(Fault::Halt, || halt.to_string());
                break;
            }
        }
    }
    let unanswered = |at: &Offset| Some(*at) <= read.last_to && !read.answers.contains_key(at);
    for (at, key) in read.keys.iter().filter(|(at, _)| unanswered(at)) {
        report.add(Fault::Lost, || format!("{key} at {at} was passed over by the decisions"));
    }
    (report.commands, report.placed) = (read.keys.len() as u64, read.placed.len() as u64);
    report.counts = reader.counts();
    read
}

impl Read {
    fn take_command(&mut self, at: Offset, record: &Record) {
        let Ok((envelope, _)) = Command::from_record(record) else { return };
        if envelope.principal.as_str() == Client::PRINCIPAL {
            self.keys.insert(at, envelope.key.to_string());
        }
    }

    fn take_decision(&mut self, decision_at: Offset, decision: DecisionV1, report: &mut Report) {
        let DecisionV1 { from, to, answers, .. } = decision;
        let wanted = self.last_to.map_or(Offset(0), Offset::next);
        if from != wanted || to < from {
            report.add(Fault::Range, || format!("the decision at {decision_at} answers {from}..={to}, after {wanted}"));
        }
        self.last_to = Some(to);
        for answer in answers {
            if !(from..=to).contains(&answer.at) {
                report.add(Fault::Range, || format!("the decision at {decision_at} answers {} too", answer.at));
            }
            answer.events.iter().for_each(|event| self.take_event(event, report));
            self.take_answer(decision_at, &answer, report);
        }
    }

    fn take_event(&mut self, event: &Event, report: &mut Report) {
        if let Event::TaskPlaced(TaskPlacedV1 { task, incarnation, .. }) = event
            && !self.placed.insert((task.to_string(), incarnation.0))
        {
            report.add(Fault::StartedTwice, || format!("start {incarnation:?} of {task} was placed twice"));
        }
    }

    fn take_answer(&mut self, decision: Offset, answer: &AnswerV1, report: &mut Report) {
        let AnswerV1 { at, repeats, .. } = *answer;
        let refusal = answer.refusal.as_ref().map(log_schema::Refusal::name);
        if self.answers.insert(at, Answer { decision, repeats, refusal }).is_some() {
            report.add(Fault::Doubled, || format!("the command at {at} was answered twice"));
        }
        let Some(key) = self.keys.get(&at).filter(|_| repeats.is_none() && refusal.is_none()) else { return };
        match self.effective.entry(key.clone()) {
            Entry::Vacant(none) => drop(none.insert(at)),
            Entry::Occupied(first) => {
                report.add(Fault::Doubled, || format!("{key} had an effect at {} and at {at}", first.get()));
            }
        }
    }
}

fn compare(acked: &Acked, read: &Read, report: &mut Report) {
    report.acked += 1;
    report.repeats += u64::from(acked.repeats.is_some());
    report.refused += u64::from(acked.refusal.is_some());
    let Acked { key, offset, decision, .. } = acked;
    let is_at = |at: &Offset| read.keys.get(at) == Some(key);
    if !is_at(offset) || !acked.repeats.iter().all(is_at) {
        return report.add(Fault::Lost, || format!("{acked}: the command is not there"));
    }
    let Some(answer) = read.answers.get(offset) else {
        return report.add(Fault::Lost, || format!("{acked}: no decision that counts answers it"));
    };
    let standing = acked.repeats.map_or(Some(answer), |first| read.answers.get(&first));
    let decided = (Some(answer.decision), answer.repeats, standing.map(|answer| answer.refusal));
    if decided != (Some(*decision), acked.repeats, Some(acked.refusal.as_deref())) {
        report.add(Fault::Differs, || format!("{acked}: what was decided is {decided:?}"));
    }
    if acked.refusal.is_none() && !read.effective.contains_key(key) {
        report.add(Fault::Lost, || format!("{acked}: the key had no effect"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { commands, epochs, epochs_void, decisions, decisions_void, decisions_duplicate, .. } = self.counts;
        let count = |fault| self.faults.get(&fault).copied().unwrap_or_default();
        writeln!(f, "acked       {}, of which repeats {}, refused {}", self.acked, self.repeats, self.refused)?;
        writeln!(
            f,
            "log         {commands} commands ({} of clients), {decisions} decisions, {epochs} epochs",
            self.commands
        )?;
        writeln!(f, "placed      {} tasks", self.placed)?;
        writeln!(f, "void        {epochs_void} epochs, {decisions_void} decisions; duplicates {decisions_duplicate}")?;
        writeln!(f, "lost        {}", count(Fault::Lost))?;
        writeln!(f, "doubled     {}", count(Fault::Doubled) + count(Fault::StartedTwice))?;
        writeln!(f, "faults      {}", self.faults.values().sum::<u64>())?;
        self.told.iter().try_for_each(|told| writeln!(f, "  {told}"))
    }
}
