//! `quipu frameworks`: outside schedulers, what they run and what they are offered.

use std::process::ExitCode;

use serde_json::json;

use super::{Context, Listing, jobs::counts};
use crate::output::{self, Column, left, right};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Frameworks($state: [FrameworkState!], $first: Int, $after: String, $at: At) {
  frameworks(state: $state, first: $first, after: $after, at: $at) {
    asOf pageInfo { hasNextPage endCursor }
    nodes {
      name role state suppressed offerCount since { offset time } subscribed { offset time }
      used { text } offered { text }
      taskCounts { total active waiting placed starting running restarting finished failed killed lost withdrawn }
    }
  }
}";

const COLUMNS: &[Column] = &[
    left("FRAMEWORK", |node| node.text("/name")),
    left("ROLE", |node| node.text("/role")),
    left("STATE", |node| if node.text("/suppressed") == "yes" { "suppressed".into() } else { node.word("/state") }),
    right("OFFERS", |node| node.text("/offerCount")),
    left("TASKS", |node| counts(&node.at("/taskCounts"))),
    left("HOLDS", |node| node.text("/used/text")),
    left("OFFERED", |node| node.text("/offered/text")),
    right("SINCE", |node| node.age("/since/time")),
];

/// `quipu frameworks`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu frameworks          the frameworks that are there
  quipu frameworks --all    those that are gone as well")]
pub(crate) struct Args {
    /// Show frameworks that are gone as well.
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
}

/// Lists frameworks.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let state = if args.all { json!(null) } else { json!(["SUBSCRIBED", "ENDING"]) };
    let variables = json!({ "state": state, "at": args.listing.reading.at() });
    let page = context.client.list(DOCUMENT, "frameworks", variables, args.listing.limit)?;
    output::list(context.format, "frameworks", &page, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}
