//! `quipu scale`: changes how many tasks a job has.

use std::process::ExitCode;

use log_schema::{JobId, job::TASKS_PER_JOB_MAX};
use serde_json::json;

use super::{Asking, Context, count, jobs::counts, show_change};
use crate::cli::parse;

/// What is asked for.
pub(crate) const DOCUMENT: &str = "
mutation Scale($input: ScaleJobInput!) {
  scaleJob(input: $input) {
    offset decisionOffset key repeats userErrors { number code message details }
    job { name state count taskCounts { total active waiting placed starting running restarting finished failed killed lost withdrawn } }
  }
}";

/// `quipu scale`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu scale web 5    the tasks with the highest indexes go first, when there are fewer")]
pub(crate) struct Args {
    /// The job.
    job: JobId,
    /// How many tasks it is to have.
    #[arg(value_name = "COUNT", value_parser = parse::whole(0..=TASKS_PER_JOB_MAX), allow_negative_numbers = true)]
    count: u32,
    #[command(flatten)]
    asking: Asking,
}

/// Scales a job.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let answer = context.client.ask(DOCUMENT, json!({ "job": args.job, "count": args.count }), args.asking.key())?;
    show_change(context, &answer, |now| {
        let job = now.at("/job");
        let wanted = count(job.number("/count"), "task");
        format!("job {} is to have {wanted}; now: {}\n", args.job, counts(&job.at("/taskCounts")))
    })
}
