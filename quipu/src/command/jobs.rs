//! `quipu jobs`: the jobs of the cell, and how far each has come.

use std::process::ExitCode;

use log_schema::RoleName;
use serde_json::json;

use super::{Context, Listing};
use crate::output::{self, Column, Node, left, right};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Jobs($state: [JobState!], $role: String, $first: Int, $after: String, $at: At) {
  jobs(state: $state, role: $role, first: $first, after: $after, at: $at) {
    asOf pageInfo { hasNextPage endCursor }
    nodes {
      name kind role state count restarts submittedBy submitted { offset time } ended { offset time }
      resources { text }
      taskCounts { total active waiting placed starting running restarting finished failed killed lost withdrawn }
    }
  }
}";

const COLUMNS: &[Column] = &[
    left("JOB", |node| node.text("/name")),
    left("KIND", |node| node.word("/kind")),
    left("STATE", |node| node.word("/state")),
    right("COUNT", |node| node.text("/count")),
    left("TASKS", |node| counts(&node.at("/taskCounts"))),
    left("EACH", |node| node.text("/resources/text")),
    left("ROLE", |node| node.text("/role")),
    right("AGE", |node| node.age("/submitted/time")),
];

/// `quipu jobs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu jobs                       the jobs that go on
  quipu jobs --all                 those that have ended as well
  quipu jobs --role team/web --at 1200")]
pub(crate) struct Args {
    /// Show jobs that have ended as well.
    #[arg(short, long)]
    all: bool,
    /// Only jobs of this role.
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleName>,
    #[command(flatten)]
    listing: Listing,
}

/// Lists jobs.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let state = if args.all { json!(null) } else { json!(["RUNNING", "STOPPING"]) };
    let variables = json!({ "state": state, "role": args.role, "at": args.listing.reading.at() });
    let page = context.client.list(DOCUMENT, "jobs", variables, args.listing.limit)?;
    output::list(context.format, "jobs", &page, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}

/// The states in which tasks are, as in `3 running, 1 waiting`.
pub(crate) fn counts(counts: &Node<'_>) -> String {
    const STATES: [&str; 10] =
        ["running", "starting", "placed", "waiting", "restarting", "finished", "failed", "killed", "lost", "withdrawn"];
    let there = STATES.iter().map(|state| (state, counts.number(&format!("/{state}"))));
    let parts: Vec<_> =
        there.filter(|(_, number)| *number > 0).map(|(state, number)| format!("{number} {state}")).collect();
    if parts.is_empty() { output::node::ABSENT.into() } else { parts.join(", ") }
}
