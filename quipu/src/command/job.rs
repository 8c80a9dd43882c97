//! `quipu job`: all that is known of one job.

use std::process::ExitCode;

use log_schema::JobId;
use serde_json::json;

use super::{
    Context, Reading, count,
    jobs::counts,
    there,
    why::{self, reason},
};
use crate::output::{self, Node};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Job($job: String!, $at: At) {
  job(name: $job, at: $at) {
    asOf name kind role state count restarts submittedBy forgotten resources { text }
    submitted { offset time } stopping { offset time } ended { offset time }
    taskCounts { total active waiting placed starting running restarting finished failed killed lost withdrawn }
    deferred { waiting reasons { reason agents } since { offset time } } missingResources
    spec {
      count ports command env { name value } directory killGraceMs
      constraints { attribute operator values } restart { on limit backoffMs backoffMaxMs }
    }
  }
}";

/// `quipu job`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu job web
  quipu job web --at 10m -o yaml")]
pub(crate) struct Args {
    /// The job.
    job: JobId,
    #[command(flatten)]
    reading: Reading,
}

/// Shows a job.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut data = context.client.query(DOCUMENT, json!({ "job": args.job, "at": args.reading.at() }))?;
    let job = there(data["job"].take(), "job", args.job.as_str(), "quipu jobs --all")?;
    output::show(context.format, &job, || table(&Node::of(&job)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn table(job: &Node<'_>) -> String {
    let spec = job.at("/spec");
    let ports = spec.number("/ports");
    output::pairs([
        ("job", job.text("/name")),
        ("kind", job.word("/kind")),
        ("state", state(job)),
        ("role", job.text("/role")),
        ("wanted", count(job.number("/count"), "task")),
        ("tasks", counts(&job.at("/taskCounts"))),
        ("waiting", if job.is_absent("/deferred") { String::new() } else { reason::sentence(&job.at("/deferred")) }),
        ("missing", reason::missing(job).unwrap_or_default()),
        ("each needs", job.text("/resources/text")),
        ("ports", if ports == 0 { String::new() } else { format!("{ports} each") }),
        ("runs", why::command_line(&spec.at("/command"))),
        ("environment", present(spec.named("/env"))),
        ("directory", present(spec.text("/directory"))),
        ("constraints", constraints(&spec)),
        ("restart", restart(job)),
        ("kill grace", present(spec.millis("/killGraceMs"))),
        ("submitted", submitted(job)),
    ])
}

fn state(job: &Node<'_>) -> String {
    let state = job.word("/state");
    match (job.is_absent("/ended"), job.is_absent("/stopping")) {
        (false, _) => format!("{state}, {} ago", job.age("/ended/time")),
        (true, false) => format!("{state}, asked for {} ago", job.age("/stopping/time")),
        (true, true) => state,
    }
}

fn submitted(job: &Node<'_>) -> String {
    let (age, offset) = (job.age("/submitted/time"), job.text("/submitted/offset"));
    match job.find("/submittedBy") {
        Some(who) => format!("{age} ago by {who}, at offset {offset}"),
        None => format!("{age} ago, at offset {offset}"),
    }
}

fn restart(job: &Node<'_>) -> String {
    let restart = job.at("/spec/restart");
    let on = match restart.word("/on").as_str() {
        "never" => return "never".into(),
        "failure" => "a failure",
        _ => "any end",
    };
    let waits =
        format!("waiting {} at first and {} at most", restart.millis("/backoffMs"), restart.millis("/backoffMaxMs"));
    let so_far = job.number("/restarts");
    format!("after {on}, up to {} times, {waits}; {so_far} so far", restart.text("/limit"))
}

fn constraints(spec: &Node<'_>) -> String {
    let short = |constraint: Node<'_>| {
        let values = constraint.text("/values").replace(' ', ",");
        match constraint.word("/operator").as_str() {
            "in" => format!("{}={values}", constraint.text("/attribute")),
            "not in" => format!("{}!={values}", constraint.text("/attribute")),
            _ => constraint.text("/attribute"),
        }
    };
    spec.each("/constraints").map(short).collect::<Vec<_>>().join(" ")
}

/// Nothing instead of a dash, for lines that are left out where there is nothing.
fn present(text: String) -> String {
    if text == output::node::ABSENT { String::new() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_in_lines() {
        let job = json!({
            "name": "web", "kind": "SERVICE", "state": "RUNNING", "role": "*", "count": 3, "restarts": 2,
            "taskCounts": { "running": 2, "waiting": 1 }, "resources": { "text": "cpu=0.5 mem=64Mi" },
            "deferred": { "waiting": 1, "reasons": [{ "reason": "CPU_TAKEN", "agents": 2 }] },
            "submittedBy": "alice", "submitted": { "offset": "12", "time": "1970-01-01T00:00:00.000Z" },
            "ended": null, "stopping": null,
            "spec": {
                "ports": 1, "command": ["sh", "-c", "sleep 5"], "env": [{ "name": "A", "value": "1" }],
                "directory": null, "killGraceMs": "10000",
                "constraints": [{ "attribute": "zone", "operator": "NOT_IN", "values": ["north", "south"] }],
                "restart": { "on": "ANY", "limit": 1000, "backoffMs": "1000", "backoffMaxMs": "60000" },
            },
        });
        insta::assert_snapshot!(table(&Node::new(&job, 192_000)), @"
        job          web
        kind         service
        state        running
        role         *
        wanted       3 tasks
        tasks        2 running, 1 waiting
        waiting      1 task waits: of 2 agents, 2 have too little CPU left
        each needs   cpu=0.5 mem=64Mi
        ports        1 each
        runs         sh -c 'sleep 5'
        environment  A=1
        constraints  zone!=north,south
        restart      after any end, up to 1000 times, waiting 1s at first and 1m at most; 2 so far
        kill grace   10s
        submitted    3m12s ago by alice, at offset 12
        ");
    }
}
