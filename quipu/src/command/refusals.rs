//! `quipu refusals`: every "no" that the cell has said.

use std::process::ExitCode;

use log_schema::{Principal, Refusal};
use serde_json::json;

use super::{Context, Listing};
use crate::output::{self, Column, left, right};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Refusals($principal: String, $code: String, $first: Int, $after: String, $at: At) {
  refusals(principal: $principal, code: $code, first: $first, after: $after, at: $at) {
    asOf pageInfo { hasNextPage endCursor }
    nodes { offset decided { offset time } principal key reason { number code message details } }
  }
}";

const COLUMNS: &[Column] = &[
    right("OFFSET", |node| node.text("/offset")),
    right("AGE", |node| node.age("/decided/time")),
    left("WHO", |node| node.text("/principal")),
    right("NUMBER", |node| node.text("/reason/number")),
    left("CODE", |node| node.text("/reason/code")),
    left("MESSAGE", |node| node.text("/reason/message")),
];

/// `quipu refusals`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu refusals
  quipu refusals --who alice --code JobExists")]
pub(crate) struct Args {
    /// Only commands of this principal.
    #[arg(long, value_name = "NAME")]
    who: Option<Principal>,
    /// Only refusals of this name, such as JobExists.
    #[arg(long, value_name = "CODE", value_parser = code)]
    code: Option<&'static str>,
    #[command(flatten)]
    listing: Listing,
}

fn code(text: &str) -> Result<&'static str, String> {
    let mut names = Refusal::ALL.iter().map(|(_, name)| *name);
    let known = names.clone().collect::<Vec<_>>().join(" ");
    names.find(|name| *name == text).ok_or_else(|| format!("refusals are {known}"))
}

/// Lists refusals.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let variables = json!({ "principal": args.who, "code": args.code, "at": args.listing.reading.at() });
    let page = context.client.list(DOCUMENT, "refusals", variables, args.listing.limit)?;
    output::list(context.format, "refusals", &page, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}
