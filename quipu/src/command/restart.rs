//! `quipu restart`: starts one task of a job again.

use std::process::ExitCode;

use log_schema::TaskId;
use serde_json::json;

use super::{Asking, Context, Grace, show_change};

/// What is asked for.
pub(crate) const DOCUMENT: &str = "
mutation Restart($input: RestartTaskInput!) {
  restartTask(input: $input) {
    offset decisionOffset key repeats userErrors { number code message details }
    task { name state agent }
  }
}";

/// `quipu restart`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu restart web.1         a task that runs is ended first; one that was killed or failed for good comes back
  quipu restart web.1 -f      without its grace")]
pub(crate) struct Args {
    /// The task of a job.
    task: TaskId,
    #[command(flatten)]
    grace: Grace,
    #[command(flatten)]
    asking: Asking,
}

/// Restarts a task.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let answer = context.client.ask(DOCUMENT, args.grace.with(json!({ "task": args.task })), args.asking.key())?;
    show_change(context, &answer, |now| {
        let task = now.at("/task");
        match task.find("/agent") {
            _ if answer.is_repeat() => format!("task {} is {}\n", args.task, task.word("/state")),
            Some(agent) => format!("task {} starts again; it is {} on agent {agent}\n", args.task, task.word("/state")),
            None => {
                format!("task {} starts again when there is a place for it; it is {}\n", args.task, task.word("/state"))
            }
        }
    })
}
