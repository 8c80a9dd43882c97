//! `quipu cell`: who leads, how far the log is, how far behind this gateway is, what is used.

use std::process::ExitCode;

use serde_json::json;

use super::{Context, Reading, agents::part, count, jobs::counts};
use crate::output::{self, Node};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Cell($at: At) {
  cell(at: $at) {
    name asOf logTime logicVersion
    decision { at { offset time } epoch from to events }
    parameters { policy offerTtlMs agentLostAfterMs keyKeptMs endedKeptMs }
    log {
      low high next decided answered folded horizon epoch leader leaderLogicVersion chain
      epochsVoid decisionsVoid decisionsDuplicate halted
    }
  }
  usage(at: $at) {
    asOf agentsUp agentsUnreachable agentsLeaving frameworks jobs offers
    capacity { text cpu mem } used { text cpu mem } offered { text cpu mem }
    tasks { total active waiting placed starting running restarting finished failed killed lost withdrawn }
    ended { finished failed killed lost }
  }
}";

/// `quipu cell`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu cell
  quipu cell --at 1200        the cell as of an offset
  quipu cell -o json")]
pub(crate) struct Args {
    #[command(flatten)]
    reading: Reading,
}

/// Shows the cell.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let data = context.client.query(DOCUMENT, json!({ "at": args.reading.at() }))?;
    let is_now = args.reading.at.is_none();
    output::show(context.format, &data, || table(&Node::of(&data), is_now))?;
    Ok(ExitCode::SUCCESS)
}

fn table(data: &Node<'_>, is_now: bool) -> String {
    let (cell, usage) = (data.at("/cell"), data.at("/usage"));
    let mut pairs = vec![
        ("cell", cell.text("/name")),
        ("as of offset", cell.text("/asOf")),
        ("log time", format!("{} ({} ago)", cell.text("/logTime"), cell.age("/logTime"))),
    ];
    if is_now {
        pairs.extend(log(&cell.at("/log")));
    }
    pairs.extend([
        ("agents", agents(&usage)),
        ("cpu", format!("{} held, {} offered", of(&usage, "/used/cpu", "cpu"), of(&usage, "/offered/cpu", "cpu"))),
        ("mem", format!("{} held, {} offered", of(&usage, "/used/mem", "mem"), of(&usage, "/offered/mem", "mem"))),
        ("jobs", usage.text("/jobs")),
        ("frameworks", usage.text("/frameworks")),
        ("offers", usage.text("/offers")),
        ("tasks", counts(&usage.at("/tasks"))),
        ("runs ended", counts(&usage.at("/ended"))),
    ]);
    output::pairs(pairs)
}

fn log(log: &Node<'_>) -> Vec<(&'static str, String)> {
    let (high, next) = (log.number("/high"), log.number("/next"));
    let void = log.number("/epochsVoid") + log.number("/decisionsVoid") + log.number("/decisionsDuplicate");
    let chain: String = log.text("/chain").chars().take(16).collect();
    vec![
        ("leader", format!("{}, epoch {}", log.text("/leader"), log.text("/epoch"))),
        ("log", format!("offsets {} to {high}, answered to {}", log.text("/low"), log.text("/answered"))),
        (
            "lag",
            match high.saturating_sub(next) {
                0 => "none: the gateway has read all of it".into(),
                lag => format!("{} not read yet", count(lag, "record")),
            },
        ),
        ("history", format!("kept from offset {} on", log.text("/horizon"))),
        ("chain", chain),
        ("void", if void == 0 { String::new() } else { count(void, "record") }),
        ("halted", log.find("/halted").map(|why| format!("the gateway reads no further: {why}")).unwrap_or_default()),
    ]
}

fn agents(usage: &Node<'_>) -> String {
    let states = [("/agentsUp", "up"), ("/agentsUnreachable", "unreachable"), ("/agentsLeaving", "leaving")];
    let parts: Vec<_> = states
        .iter()
        .filter(|(pointer, state)| *state == "up" || usage.number(pointer) > 0)
        .map(|(pointer, state)| format!("{} {state}", usage.number(pointer)))
        .collect();
    parts.join(", ")
}

fn of(usage: &Node<'_>, pointer: &str, resource: &str) -> String {
    part(usage, pointer, &format!("/capacity/{resource}"))
}

#[cfg(test)]
pub(crate) fn table_of(data: &serde_json::Value, now_ms: u64) -> String {
    table(&Node::new(data, now_ms), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_told_with_its_lag() {
        let data = json!({
            "cell": {
                "name": "local", "asOf": "40", "logTime": "1970-01-01T00:00:10.000Z",
                "log": {
                    "low": "0", "high": "45", "next": "42", "answered": "39", "horizon": "0", "epoch": "2",
                    "leader": "host-1", "chain": "00112233445566778899", "epochsVoid": "0", "decisionsVoid": "1",
                    "decisionsDuplicate": "0", "halted": null,
                },
            },
            "usage": {
                "agentsUp": 2, "agentsUnreachable": 1, "agentsLeaving": 0, "frameworks": 0, "jobs": 1, "offers": 0,
                "capacity": { "cpu": "4000", "mem": "1048576" }, "used": { "cpu": "1001", "mem": "0" },
                "offered": { "cpu": "0", "mem": "0" }, "tasks": { "running": 2 }, "ended": { "failed": "1" },
            },
        });
        insta::assert_snapshot!(table_of(&data, 12_000), @"
        cell          local
        as of offset  40
        log time      1970-01-01T00:00:10.000Z (2s ago)
        leader        host-1, epoch 2
        log           offsets 0 to 45, answered to 39
        lag           3 records not read yet
        history       kept from offset 0 on
        chain         0011223344556677
        void          1 record
        agents        2 up, 1 unreachable
        cpu           26% held, 0% offered
        mem           0% held, 0% offered
        jobs          1
        frameworks    0
        offers        0
        tasks         2 running
        runs ended    1 failed
        ");
    }
}
