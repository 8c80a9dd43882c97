//! `quipu parameters`: shows and changes what the allocator goes by. All of it is in the log.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Asking, Context, Reading, show_change};
use crate::{
    duration,
    exit::Failure,
    output::{self, Node},
};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Parameters($at: At) {
  cell(at: $at) {
    asOf changed { offset time }
    parameters { policy offerTtlMs agentLostAfterMs keyKeptMs endedKeptMs }
  }
}";

/// What is asked for.
pub(crate) const SET: &str = "
mutation SetParameters($input: SetParametersInput!) {
  setParameters(input: $input) {
    offset decisionOffset key repeats userErrors { number code message details }
    cell { asOf parameters { policy offerTtlMs agentLostAfterMs keyKeptMs endedKeptMs } }
  }
}";

/// `quipu parameters`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu parameters show --at 1h
  quipu parameters set --policy spread
  quipu parameters set --offer-ttl 30s --agent-lost-after 5m")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the parameters.
    Show(Reading),
    /// Set parameters; what is not named stays as it is.
    Set(Set),
}

/// How agents are chosen among those that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Policy {
    /// The fullest agent.
    Binpack,
    /// The emptiest agent.
    Spread,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// How agents are chosen for jobs' tasks.
    #[arg(long, value_enum)]
    policy: Option<Policy>,
    /// How long an offer stands, as in 30s.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    offer_ttl: Option<u64>,
    /// How long an unreachable agent may come back to its tasks.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    agent_lost_after: Option<u64>,
    /// How long an idempotency key is remembered.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    key_kept: Option<u64>,
    /// How long what has ended keeps its name.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ended_kept: Option<u64>,
    #[command(flatten)]
    asking: Asking,
}

/// Shows or changes parameters.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Show(reading) => {
            let data = context.client.query(DOCUMENT, json!({ "at": reading.at() }))?;
            output::show(context.format, &data["cell"], || table(&data["cell"]))?;
        }
        Action::Set(set) => {
            let answer = context.client.ask(SET, input(set)?, set.asking.key())?;
            return show_change(context, &answer, |_| table(&answer.payload["cell"]));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is set, and nothing else: a name that is there says that its value is to change.
fn input(set: &Set) -> Result<Value, Failure> {
    let named = [
        ("policy", set.policy.map(|policy| json!(policy))),
        ("offerTtlMs", set.offer_ttl.map(|millis| json!(millis))),
        ("agentLostAfterMs", set.agent_lost_after.map(|millis| json!(millis))),
        ("keyKeptMs", set.key_kept.map(|millis| json!(millis))),
        ("endedKeptMs", set.ended_kept.map(|millis| json!(millis))),
    ];
    let input: serde_json::Map<_, _> =
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if input.is_empty() {
        return Err(
            Failure::usage("nothing is set").hint("name a parameter, as in `quipu parameters set --policy spread`")
        );
    }
    Ok(input.into())
}

fn table(cell: &Value) -> String {
    let parameters = Node::of(cell).at("/parameters");
    if Node::of(cell).is_absent("/parameters") {
        return "no parameter was ever set: the defaults hold\n".into();
    }
    output::pairs([
        ("policy", parameters.word("/policy")),
        ("offer-ttl", parameters.millis("/offerTtlMs")),
        ("agent-lost-after", parameters.millis("/agentLostAfterMs")),
        ("key-kept", parameters.millis("/keyKeptMs")),
        ("ended-kept", parameters.millis("/endedKeptMs")),
    ])
}
