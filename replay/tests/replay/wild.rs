//! A cell in which everything happens that may: for tests that must hold whatever a log holds.

#![allow(dead_code, reason = "shared by test binaries that use different parts")]

use bytes::Bytes;
use command_log::memory::MemoryLog;
use log_schema::{
    AgentId, Class, Command, EpochNumber, EpochV1, FrameworkId, Incarnation, Kind, MiB, MilliCpu, OfferId, Principal,
    Record, Resources, RoleName, TaskId, TaskState, TimeMs,
    command::{
        AcceptOffersV1, DeclineOffersV1, LaunchV1, MarkAgentUnreachableV1, Policy, ReviveOffersV1, SetParametersV1,
        SetRoleV1, SubmitJobV1, SubscribeFrameworkV1, SuppressOffersV1, TeardownFrameworkV1, UpdateTaskStatusV1,
    },
    job::{JobKind, JobSpecV1, RunSpecV1},
};

use super::cell::{Cell, job};

const AGENTS: [&str; 5] = ["a1", "a2", "a3", "a4", "a5"];

/// A log of about so many records, with frameworks or without.
pub fn wild_log(seed: u64, records: u64, with_frameworks: bool) -> MemoryLog {
    wild_cell(seed, records, with_frameworks).log
}

/// The cell behind such a log.
pub fn wild_cell(seed: u64, records: u64, with_frameworks: bool) -> Cell {
    let mut cell = Cell::new(seed);
    cell.is_wild = true;
    cell.time += 1000;
    while cell.reader.next().0 < records {
        cell.time += cell.chance.below(25);
        match cell.chance.below(14) {
            0 => client(&mut cell),
            1 => agents(&mut cell),
            2 if with_frameworks => framework(&mut cell),
            3 => rarely(&mut cell),
            4..=7 => report(&mut cell),
            8..=9 => tick(&mut cell),
            _ => decide(&mut cell),
        }
    }
    cell
}

fn client(cell: &mut Cell) {
    let name = format!("j{}", cell.chance.below(9));
    let count = u32::try_from(cell.chance.below(6)).expect("small");
    let cpu = 300 + cell.chance.below(8) * 200;
    match cell.chance.below(9) {
        0..=3 => {
            let kind = if cell.chance.one_in(4) { JobKind::Service } else { JobKind::Batch };
            let length = 20 + cell.chance.below(600);
            cell.lengths_ms.insert(name.clone(), length);
            let ports = u16::try_from(cell.chance.below(3)).expect("small");
            let spec = JobSpecV1 { ports, ..job(&name, kind, count, cpu) };
            cell.ask(&Command::SubmitJob(SubmitJobV1 { job: spec }));
        }
        4 => cell.stop(&name),
        5 | 6 => cell.scale(&name, count),
        7 => cell.restart(&format!("{name}.{}", count / 2)),
        _ => cell.kill(&format!("{name}.{count}")),
    }
}

fn agents(cell: &mut Cell) {
    let name = *pick(cell, &AGENTS);
    let agent = AgentId::new(name).expect("an agent id");
    match cell.chance.below(6) {
        0..=3 => {
            let cpu = 2000 + cell.chance.below(3) * 1000;
            cell.agent(name, cpu);
        }
        4 => {
            cell.silent.push(agent.clone());
            let silent = Command::MarkAgentUnreachable(MarkAgentUnreachableV1 { agent, silent_ms: 40 });
            cell.say("node-1", Class::Exogenous, &silent);
        }
        _ => cell.remove(name),
    }
}

fn rarely(cell: &mut Cell) {
    match cell.chance.below(10) {
        // A rest, after which the longest waits are over.
        9 => cell.time += 301_000,
        0 => cell.lead(),
        1 => void_claim(cell),
        2 => void_decision(cell),
        3 => drop(cell.last_decision.clone().map(|record| cell.append(record))),
        4 => stray(cell),
        5 => drop(cell.append(Record::v1(Kind::SubmitJob, Bytes::from_static(b"\xc1")))),
        6 => {
            let role = RoleName::new("r").expect("a role");
            let weight = u32::try_from(cell.chance.below(4)).expect("small");
            cell.ask(&Command::SetRole(SetRoleV1 { role, weight }));
        }
        _ => {
            let policy = Some(*pick(cell, &[Policy::Spread, Policy::Binpack]));
            let agent_lost_after_ms = Some(50 + cell.chance.below(200));
            let ended_kept_ms = Some(cell.chance.below(400));
            cell.set(SetParametersV1 { policy, agent_lost_after_ms, ended_kept_ms, ..SetParametersV1::default() });
        }
    }
}

/// Somebody claims an epoch that is taken.
fn void_claim(cell: &mut Cell) {
    let node = Principal::new("late").expect("a principal");
    cell.append(EpochV1 { epoch: EpochNumber(1), node, logic_version: 1 }.to_record());
}

/// A leader that was superseded decides on.
fn void_decision(cell: &mut Cell) {
    let Some(record) = cell.last_decision.clone().filter(|_| cell.reader.epoch().0 > 1) else { return };
    let mut decision: log_schema::DecisionV1 =
        log_schema::codec::decode("decision", &record.payload).expect("a decision");
    decision.epoch = EpochNumber(1);
    cell.append(decision.to_record());
}

/// An agent reports of a start that never was.
fn stray(cell: &mut Cell) {
    let report = UpdateTaskStatusV1 {
        task: TaskId::new("j1.0").expect("a task id"),
        incarnation: Incarnation(cell.chance.below(40)),
        agent: AgentId::new("a9").expect("an agent id"),
        state: TaskState::Running,
        end: None,
        observed: TimeMs(cell.time),
    };
    cell.say("a9", Class::Intrinsic, &Command::UpdateTaskStatus(report));
}

fn framework(cell: &mut Cell) {
    let framework = FrameworkId::new(*pick(cell, &["f1", "f2"])).expect("a framework id");
    let offers: Vec<OfferId> = cell.state.frameworks.offers.keys().copied().take(1).collect();
    let command = match cell.chance.below(9) {
        0 | 1 => {
            let role = RoleName::new("r").expect("a role");
            Command::SubscribeFramework(SubscribeFrameworkV1 { framework, role })
        }
        2..=4 => {
            let name = format!("t{}", cell.chance.below(30)).into();
            let run = RunSpecV1 { argv: vec!["x".into()], env: [].into(), directory: None, kill_grace_ms: 1 };
            let resources = Resources::of(MilliCpu(300), MiB(32));
            let launches = vec![LaunchV1 { name, resources, run }];
            Command::AcceptOffers(AcceptOffersV1 { framework, offers, launches, filter_ms: 30 })
        }
        5 => Command::DeclineOffers(DeclineOffersV1 { framework, offers, filter_ms: 60 }),
        6 => Command::ReviveOffers(ReviveOffersV1 { framework }),
        7 => Command::SuppressOffers(SuppressOffersV1 { framework }),
        _ => Command::TeardownFramework(TeardownFrameworkV1 { framework }),
    };
    cell.say("framework", Class::Endogenous, &command);
}

fn report(cell: &mut Cell) {
    let due: Vec<u64> = cell.runs.iter().filter(|(_, run)| cell.has_due(run)).map(|(number, _)| *number).collect();
    if !due.is_empty() {
        let number = *pick(cell, &due);
        cell.report_one(number);
    }
}

fn tick(cell: &mut Cell) {
    if cell.is_tick_due() || cell.chance.one_in(20) {
        cell.tick();
    }
}

fn decide(cell: &mut Cell) {
    let waiting = cell.undecided.len() as u64;
    if waiting > 0 {
        let up_to = 1 + cell.chance.below(waiting + 2);
        cell.decide(usize::try_from(up_to).expect("small"));
    }
}

fn pick<'a, T>(cell: &mut Cell, from: &'a [T]) -> &'a T {
    let index = cell.chance.below(from.len() as u64);
    &from[usize::try_from(index).expect("small")]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use command_log::reader::{Reader, Verdict};

    use super::*;
    use crate::cell::records;

    fn count(seeds: std::ops::Range<u64>) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        let mut add = |name: &str| *counts.entry(name.to_owned()).or_insert(0) += 1;
        for seed in seeds {
            let mut reader = Reader::new();
            for stored in records(&wild_log(seed, 700, seed % 2 == 0)) {
                match reader.judge(&stored).expect("a legal log") {
                    Verdict::Decision(decision) => {
                        decision.events().for_each(|event| add(event.name()));
                        decision
                            .answers
                            .iter()
                            .filter_map(|answer| answer.refusal.as_ref())
                            .for_each(|no| add(no.name()));
                    }
                    Verdict::VoidDecision { .. } => add("void decision"),
                    Verdict::VoidEpoch { .. } => add("void epoch"),
                    Verdict::DuplicateDecision { .. } => add("duplicate"),
                    Verdict::Epoch(_) | Verdict::Command => {}
                }
            }
        }
        counts
    }

    #[test]
    fn wild_logs_hold_every_sort_of_event() {
        let counts = count(100..130);
        let missing: Vec<_> = log_schema::Event::NAMES
            .iter()
            .chain(&[
                "void decision",
                "void epoch",
                "duplicate",
                "Malformed",
                "IllegalTransition",
                "IncarnationSuperseded",
            ])
            .filter(|name| **name != "logic.activated" && counts.get(**name).copied().unwrap_or(0) < 5)
            .collect();
        assert_eq!(missing, Vec::<&&str>::new(), "of {counts:?}");
    }
}
