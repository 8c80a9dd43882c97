//! `quipu agents`: the machines of the cell, and how full each is.

use std::process::ExitCode;

use serde_json::json;

use super::{Context, Listing};
use crate::output::{self, Column, Node, left, right};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Agents($state: [AgentState!], $first: Int, $after: String, $at: At) {
  agents(state: $state, first: $first, after: $after, at: $at) {
    asOf pageInfo { hasNextPage endCursor }
    nodes {
      name state strayed since { offset time } admitted { offset time } connected overcommitted suspended portsHeld failedStarts taskCount tasksMax offerCount
      capacity { text cpu mem } used { text cpu mem } free { text }
      attributes { name value }
    }
  }
}";

const COLUMNS: &[Column] = &[
    left("AGENT", |node| node.text("/name")),
    left("STATE", state),
    right("TASKS", tasks),
    right("CPU", |node| part(node, "/used/cpu", "/capacity/cpu")),
    right("MEM", |node| part(node, "/used/mem", "/capacity/mem")),
    left("FREE", |node| node.text("/free/text")),
    left("ATTRIBUTES", |node| node.named("/attributes")),
    right("SINCE", |node| node.age("/since/time")),
];

/// `quipu agents`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu agents               the agents that are there
  quipu agents --all         those that are gone as well
  quipu agents --at 1h       the agents of an hour ago
  quipu agents -o json")]
pub(crate) struct Args {
    /// Show agents that are gone as well.
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
}

/// Lists agents.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let state = if args.all { json!(null) } else { json!(["UP", "UNREACHABLE", "LEAVING"]) };
    let variables = json!({ "state": state, "at": args.listing.reading.at() });
    let page = context.client.list(DOCUMENT, "agents", variables, args.listing.limit)?;
    output::list(context.format, "agents", &page, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}

/// `5`, or `5 of 74` where the agent's own limits bound them.
fn tasks(node: &Node<'_>) -> String {
    let (here, room) = (node.text("/taskCount"), node.text("/tasksMax"));
    if room == output::node::ABSENT { here } else { format!("{here} of {room}") }
}

fn state(node: &Node<'_>) -> String {
    let state = node.word("/state");
    let mut words = state.clone();
    // Of the past nobody knows; and one that was marked unreachable is expected to be silent.
    if state == "up" && node.text("/connected") == "no" {
        words.push_str(", not connected");
    }
    let obeyed = node.text("/strayed");
    if obeyed != output::node::ABSENT {
        words.push_str(&format!(", was ahead of the log (at {obeyed})"));
    }
    for what in ["overcommitted", "suspended"] {
        if node.text(&format!("/{what}")) == "yes" {
            words.push_str(", ");
            words.push_str(what);
        }
    }
    words
}

/// How much of the whole is in use, in whole per cents, rounded up: 100% is full.
pub(crate) fn part(node: &Node<'_>, used: &str, whole: &str) -> String {
    match node.number(whole) {
        0 => output::node::ABSENT.into(),
        whole => format!("{}%", u128::from(node.number(used)).saturating_mul(100).div_ceil(whole.into())),
    }
}
