//! `quipu ps`: what runs where.

use std::process::ExitCode;

use log_schema::{AgentId, FrameworkId, JobId};
use serde_json::{Value, json};

use super::{Context, Listing, why::reason};
use crate::output::{self, Column, Node, left, right};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Tasks($filter: TaskFilter!, $first: Int, $after: String, $at: At) {
  tasks(filter: $filter, first: $first, after: $after, at: $at) {
    asOf pageInfo { hasNextPage endCursor }
    nodes {
      name job framework state since { offset time } agent restarts restartDelayMs doomed
      run {
        incarnation state resources { text } started { offset time } ended { offset time }
        endReason exitCode signal ranMs message
      }
    }
  }
}";

/// What is asked about the job whose tasks are listed.
pub(crate) const JOB: &str = "
query PsJob($job: String!, $at: At) {
  job(name: $job, at: $at) { deferred { waiting reasons { reason agents } } }
}";

const COLUMNS: &[Column] = &[
    left("TASK", |node| node.text("/name")),
    left("STATE", |node| node.word("/state")),
    left("AGENT", |node| node.text("/agent")),
    right("SINCE", |node| node.age("/since/time")),
    right("RESTARTS", |node| node.text("/restarts")),
    left("HOLDS", |node| node.text("/run/resources/text")),
    left("END", |node| end(&node.at("/run"))),
];

/// The states in which a task is listed where nothing is said: those after which more comes.
const LIVE: &[State] = &[State::Waiting, State::Placed, State::Starting, State::Running, State::Restarting];

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the words are those of `quipu ps`")]
pub(crate) enum State {
    Waiting,
    Placed,
    Starting,
    Running,
    Restarting,
    Finished,
    Failed,
    Killed,
    Lost,
    Withdrawn,
}

/// `quipu ps`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu ps                              the tasks that run or are to run
  quipu ps web                          those of a job
  quipu ps --all --state failed,lost    those that went wrong
  quipu ps --agent a1 --at 5m           what ran on a1 five minutes ago")]
pub(crate) struct Args {
    /// Only tasks of this job.
    #[arg(value_name = "JOB", conflicts_with = "framework")]
    job: Option<JobId>,
    /// Only tasks of this framework.
    #[arg(long, value_name = "FRAMEWORK")]
    framework: Option<FrameworkId>,
    /// Only tasks that hold resources of this agent.
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentId>,
    /// Show tasks that have ended as well.
    #[arg(short, long)]
    all: bool,
    /// Only tasks in these states.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATE")]
    state: Vec<State>,
    #[command(flatten)]
    listing: Listing,
}

/// Lists tasks.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let variables = json!({ "filter": filter(args), "at": args.listing.reading.at() });
    let page = context.client.list(DOCUMENT, "tasks", variables, args.listing.limit)?;
    output::list(context.format, "tasks", &page, COLUMNS)?;
    let is_any_waiting = page.nodes.iter().any(|task| task["state"] == "WAITING");
    if let Some(job) = args.job.as_ref().filter(|_| is_any_waiting) {
        let data = context.client.query(JOB, json!({ "job": job, "at": { "offset": page.as_of } }))?;
        let deferred = Node::of(&data).at("/job/deferred");
        if !deferred.is_absent("") {
            output::notice(&format!("{job}: {}", reason::sentence(&deferred)));
        }
    }
    if let Some(job) = args.job.as_ref().filter(|_| page.nodes.is_empty()) {
        output::notice(&format!("`quipu job {job}` and `quipu why {job}` tell more"));
    }
    Ok(ExitCode::SUCCESS)
}

fn filter(args: &Args) -> Value {
    let state = match (args.state.as_slice(), args.all) {
        ([], false) => json!(LIVE),
        ([], true) => Value::Null,
        (states, _) => json!(states),
    };
    json!({ "job": args.job, "framework": args.framework, "agent": args.agent, "state": state })
}

/// How a run ended, in few words: `exit code 1 after 12s`.
pub(crate) fn end(run: &Node<'_>) -> String {
    let how = match (run.is_absent("/exitCode"), run.is_absent("/signal")) {
        // The code is that of whoever was left over: it does not tell why.
        _ if run.word("/endReason") == "out of memory" => "out of memory".into(),
        (false, _) => format!("exit code {}", run.text("/exitCode")),
        (true, false) => format!("signal {}", run.text("/signal")),
        (true, true) => run.word("/endReason"),
    };
    if run.is_absent("/ranMs") { how } else { format!("{how} after {}", run.millis("/ranMs")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_says_how_and_after_what_time() {
        let known = [
            (json!({}), "-"),
            (json!({ "endReason": "EXITED", "exitCode": 1, "ranMs": "12000" }), "exit code 1 after 12s"),
            (json!({ "endReason": "SIGNALLED", "signal": 9 }), "signal 9"),
            (json!({ "endReason": "CANNOT_START" }), "cannot start"),
            (json!({ "endReason": "OUT_OF_MEMORY", "exitCode": 137, "ranMs": "1000" }), "out of memory after 1s"),
        ];
        for (run, text) in known {
            assert_eq!(end(&Node::new(&run, 0)), text);
        }
    }

    #[test]
    fn tasks_that_have_ended_are_left_out_unless_asked_for() {
        let args = |line: &str| {
            let cli = <crate::cli::Cli as clap::Parser>::try_parse_from(line.split(' ')).expect("legal");
            let crate::cli::Command::Ps(args) = cli.command else { panic!("{line}") };
            filter(&args)["state"].clone()
        };
        assert_eq!(args("quipu ps"), json!(["WAITING", "PLACED", "STARTING", "RUNNING", "RESTARTING"]));
        assert_eq!(args("quipu ps -a"), Value::Null);
        assert_eq!(args("quipu ps --state failed,lost"), json!(["FAILED", "LOST"]));
    }
}
