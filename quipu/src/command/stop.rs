//! `quipu stop`: ends a job.

use std::process::ExitCode;

use log_schema::JobId;
use serde_json::json;

use super::{Asking, Context, Grace, jobs::counts, show_change};

/// What is asked for.
pub(crate) const DOCUMENT: &str = "
mutation Stop($input: StopJobInput!) {
  stopJob(input: $input) {
    offset decisionOffset key repeats userErrors { number code message details }
    job { name state taskCounts { total active waiting placed starting running restarting finished failed killed lost withdrawn } }
  }
}";

/// `quipu stop`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu stop web               each task has the grace of its job between SIGTERM and SIGKILL
  quipu stop web --grace 5s    also while it stops already: a long grace is cut
  quipu stop web -f            at once")]
pub(crate) struct Args {
    /// The job.
    job: JobId,
    #[command(flatten)]
    grace: Grace,
    #[command(flatten)]
    asking: Asking,
}

/// Stops a job.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let answer = context.client.ask(DOCUMENT, args.grace.with(json!({ "job": args.job })), args.asking.key())?;
    show_change(context, &answer, |now| {
        let job = now.at("/job");
        format!("job {} is {}: {}\n", args.job, job.word("/state"), counts(&job.at("/taskCounts")))
    })
}
