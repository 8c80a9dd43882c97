//! `quipu remove-agent`: takes a machine out of the cell for good.

use std::process::ExitCode;

use log_schema::AgentId;
use serde_json::json;

use super::{Asking, Context, count, show_change};

/// What is asked for.
pub(crate) const DOCUMENT: &str = "
mutation RemoveAgent($input: RemoveAgentInput!) {
  removeAgent(input: $input) {
    offset decisionOffset key repeats userErrors { number code message details }
    agent { name state taskCount }
  }
}";

/// `quipu remove-agent`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu remove-agent a7    its tasks are lost; jobs start them again elsewhere")]
pub(crate) struct Args {
    /// The agent.
    agent: AgentId,
    #[command(flatten)]
    asking: Asking,
}

/// Removes an agent.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let answer = context.client.ask(DOCUMENT, json!({ "agent": args.agent }), args.asking.key())?;
    show_change(context, &answer, |now| {
        let agent = now.at("/agent");
        let left = count(agent.number("/taskCount"), "task");
        format!("agent {} is {}, with {left} still on it\n", args.agent, agent.word("/state"))
    })
}
