//! `quipu why`: tells in sentences why a task or job waits, where it was placed, or how it ended.
//!
//! It says what the log says, and guesses nothing: reasons are those that decisions state.

mod history;
mod job;
pub(crate) mod reason;
mod task;

use std::process::ExitCode;

use log_schema::{JobId, TaskId, TaskOwner};
use serde_json::{Value, json};

use super::{Context, Reading, there};
use crate::output::{self, Node};

/// What is asked about a task and the job whose task it is.
pub(crate) const TASK: &str = "
query WhyTask($task: String!, $job: String!, $ofJob: Boolean!, $at: At) {
  task(name: $task, at: $at) {
    asOf name job framework state since { offset time } agent restarts restartDelayMs
    killRequested { offset time } doomed
    run {
      incarnation agent state resources { text } placed { offset time } started { offset time } ended { offset time }
      endReason exitCode signal ranMs message
    }
    runsBefore { incarnation agent ended { offset time } endReason exitCode signal ranMs message }
    timeline(first: 20, newestFirst: true) { lines { offset time event text } }
  }
  job(name: $job, at: $at) @include(if: $ofJob) {
    asOf name kind state count taskCounts { waiting } resources { text }
    stopping { offset time } ended { offset time }
    deferred { waiting reasons { reason agents } since { offset time } } missingResources
    spec { restart { on limit } }
  }
}";

/// What is asked about a job and the tasks that went wrong.
pub(crate) const JOB: &str = "
query WhyJob($job: String!, $at: At) {
  job(name: $job, at: $at) {
    asOf name kind state count restarts resources { text }
    submittedBy submitted { offset time } stopping { offset time } ended { offset time }
    taskCounts { total active waiting placed starting running restarting finished failed killed lost withdrawn }
    deferred { waiting reasons { reason agents } since { offset time } } missingResources
    tasks(state: [FAILED, LOST, RESTARTING], first: 5) {
      nodes { name state restarts run { agent endReason exitCode signal ranMs message } }
    }
    timeline(first: 20, newestFirst: true) { lines { offset time event text } }
  }
}";

/// `quipu why`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu why web.0           a task
  quipu why web             a job
  quipu why web --at 10m    as of ten minutes ago")]
pub(crate) struct Args {
    /// A task, such as web.0 or spark/t1, or a job.
    #[arg(value_name = "TASK|JOB")]
    subject: Subject,
    #[command(flatten)]
    reading: Reading,
}

/// What a name on the command line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A name with a `.` or a `/`.
    Task(TaskId),
    /// Any other.
    Job(JobId),
}

impl std::str::FromStr for Subject {
    type Err = log_schema::id::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(['.', '/']) { TaskId::new(text).map(Self::Task) } else { JobId::new(text).map(Self::Job) }
    }
}

/// Tells why.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let at = args.reading.at();
    let (data, story) = match &args.subject {
        Subject::Task(task) => about_task(task, at, context)?,
        Subject::Job(job) => about_job(job, at, context)?,
    };
    output::show(context.format, &data, || story)?;
    Ok(ExitCode::SUCCESS)
}

fn about_task(task: &TaskId, at: Value, context: &Context) -> anyhow::Result<(Value, String)> {
    let (job, index) = match task.owner() {
        TaskOwner::Job { job, index } => (job, Some(index)),
        TaskOwner::Framework { .. } => ("", None),
    };
    let variables = json!({ "task": task, "job": job, "ofJob": index.is_some(), "at": at });
    let data = context.client.query(TASK, variables)?;
    let node = Node::of(&data);
    let waits_in_job = index.is_some_and(|index| u64::from(index) < node.number("/job/count"));
    if node.is_absent("/task") && !waits_in_job {
        there(Value::Null, "task", task.as_str(), "quipu ps --all")?;
    }
    let story = task::story(task, &node);
    Ok((data, story))
}

fn about_job(job: &JobId, at: Value, context: &Context) -> anyhow::Result<(Value, String)> {
    let mut data = context.client.query(JOB, json!({ "job": job, "at": at }))?;
    let found = there(data["job"].take(), "job", job.as_str(), "quipu jobs --all` and `quipu refusals")?;
    let story = job::story(&Node::of(&found));
    Ok((found, story))
}

/// A command line as one would type it.
pub(crate) fn command_line(command: &Node<'_>) -> String {
    let quoted = |word: Node<'_>| {
        let word = word.text("");
        let is_bare = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c));
        if is_bare { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    command.each("").map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
