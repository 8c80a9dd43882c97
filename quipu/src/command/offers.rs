//! `quipu offers`: what is offered to whom.

use std::process::ExitCode;

use log_schema::FrameworkId;
use serde_json::json;

use super::{Context, Listing};
use crate::output::{self, Column, left, right};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Offers($framework: String, $standing: Boolean!, $first: Int, $after: String, $at: At) {
  offers(framework: $framework, standing: $standing, first: $first, after: $after, at: $at) {
    asOf pageInfo { hasNextPage endCursor }
    nodes {
      name framework agent standing endReason resources { text } made { offset time } ended { offset time }
    }
  }
}";

const COLUMNS: &[Column] = &[
    left("OFFER", |node| node.text("/name")),
    left("FRAMEWORK", |node| node.text("/framework")),
    left("AGENT", |node| node.text("/agent")),
    left("RESOURCES", |node| node.text("/resources/text")),
    right("AGE", |node| node.age("/made/time")),
    left("END", |node| node.word("/endReason")),
];

/// `quipu offers`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu offers                            the offers that stand
  quipu offers --framework spark --all    all that spark was ever offered")]
pub(crate) struct Args {
    /// Only offers to this framework.
    #[arg(long, value_name = "FRAMEWORK")]
    framework: Option<FrameworkId>,
    /// Show offers that stand no more as well.
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
}

/// Lists offers.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let variables = json!({ "framework": args.framework, "standing": !args.all, "at": args.listing.reading.at() });
    let page = context.client.list(DOCUMENT, "offers", variables, args.listing.limit)?;
    output::list(context.format, "offers", &page, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}
