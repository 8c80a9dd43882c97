//! `quipu roles`: weights, and what hangs on each role.

use std::process::ExitCode;

use serde_json::json;

use super::{Context, Listing, agents::part};
use crate::output::{self, Column, Node, left, right};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Roles($first: Int, $after: String, $at: At) {
  roles(first: $first, after: $after, at: $at) {
    asOf pageInfo { hasNextPage endCursor }
    nodes {
      name weight taskCount jobCount frameworkCount used { text } offered { text }
      dominant { resource held capacity }
    }
  }
}";

const COLUMNS: &[Column] = &[
    left("ROLE", |node| node.text("/name")),
    right("WEIGHT", |node| node.text("/weight")),
    left("SHARE", share),
    right("JOBS", |node| node.text("/jobCount")),
    right("FRAMEWORKS", |node| node.text("/frameworkCount")),
    right("TASKS", |node| node.text("/taskCount")),
    left("HOLDS", |node| node.text("/used/text")),
    left("OFFERED", |node| node.text("/offered/text")),
];

/// `quipu roles`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu roles
  quipu roles --at 2026-07-29T10:15:00Z")]
pub(crate) struct Args {
    #[command(flatten)]
    listing: Listing,
}

/// Lists roles.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let variables = json!({ "at": args.listing.reading.at() });
    let page = context.client.list(DOCUMENT, "roles", variables, args.listing.limit)?;
    output::list(context.format, "roles", &page, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}

/// The largest part of the cell that the role has of any resource.
fn share(node: &Node<'_>) -> String {
    if node.is_absent("/dominant") {
        return output::node::ABSENT.into();
    }
    let dominant = node.at("/dominant");
    format!("{} of {}", part(&dominant, "/held", "/capacity"), dominant.text("/resource"))
}
