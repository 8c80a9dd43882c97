//! `quipu kill`: ends one task for good.

use std::process::ExitCode;

use log_schema::TaskId;
use serde_json::json;

use super::{Asking, Context, Grace, show_change};

/// What is asked for.
pub(crate) const DOCUMENT: &str = "
mutation Kill($input: KillTaskInput!) {
  killTask(input: $input) {
    offset decisionOffset key repeats userErrors { number code message details }
    task { name state agent }
  }
}";

/// `quipu kill`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu kill web.0       a task of a job; it is not started again by itself, see `quipu restart`
  quipu kill web.0 -f    at once, also when it is being ended with a long grace
  quipu kill spark/t1    a task of a framework")]
pub(crate) struct Args {
    /// The task.
    task: TaskId,
    #[command(flatten)]
    grace: Grace,
    #[command(flatten)]
    asking: Asking,
}

/// Kills a task.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let answer = context.client.ask(DOCUMENT, args.grace.with(json!({ "task": args.task })), args.asking.key())?;
    show_change(context, &answer, |now| {
        let task = now.at("/task");
        match task.find("/agent") {
            _ if answer.is_repeat() => format!("task {} is {}\n", args.task, task.word("/state")),
            Some(agent) => format!("agent {agent} is to end task {}; it is {}\n", args.task, task.word("/state")),
            None => format!("task {} will not be started\n", args.task),
        }
    })
}
