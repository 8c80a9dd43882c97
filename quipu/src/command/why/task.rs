//! The story of one task.

use log_schema::TaskId;

use super::{history, reason};
use crate::{command::ps::end, output::Node};

/// What is to be told of a task; `data` holds `task`, and `job` where it is a job's.
pub(super) fn story(id: &TaskId, data: &Node<'_>) -> String {
    let (task, job) = (data.at("/task"), data.at("/job"));
    let is_first = task.word("/state") == "waiting" && task.is_absent("/run");
    if data.is_absent("/task") || is_first {
        return unplaced(id, &job);
    }
    let mut sentences = vec![stands(id, &task)];
    match task.word("/state").as_str() {
        "waiting" => sentences.extend(waits(&job)),
        "restarting" => sentences.push(restarts(&task, &job)),
        "failed" | "finished" | "killed" | "lost" | "withdrawn" => sentences.extend(over(&task, &job)),
        _ if !task.is_absent("/killRequested") => sentences.push(being_killed(&task, &job)),
        _ => {}
    }
    sentences.extend(before(&task));
    sentences.join("\n") + "\n" + &history::lines(&task.at("/timeline"))
}

/// A task that no agent was ever found for: its job tells of it.
fn unplaced(id: &TaskId, job: &Node<'_>) -> String {
    if !job.is_absent("/ended") || !job.is_absent("/stopping") {
        return format!("Task {id} was never placed: its job is {}.\n", job.word("/state"));
    }
    let mut sentences = vec![format!("Task {id} waits for its first place; it needs {}.", job.text("/resources/text"))];
    sentences.extend(waits(job));
    sentences.join("\n") + "\n"
}

/// Where it stands.
fn stands(id: &TaskId, task: &Node<'_>) -> String {
    let (run, since) = (task.at("/run"), task.age("/since/time"));
    let (agent, offset) = (run.text("/agent"), run.text("/placed/offset"));
    match task.word("/state").as_str() {
        "waiting" => format!("Task {id} has waited for a place for {since}."),
        "placed" => format!(
            "Task {id} was placed on agent {agent} {since} ago, at offset {offset}; the agent has not answered yet."
        ),
        "starting" => {
            format!("Task {id} was placed on agent {agent} at offset {offset}, and has been starting for {since}.")
        }
        "running" => format!(
            "Task {id} has run on agent {agent} for {since}; it was placed there at offset {offset} and holds {}.",
            run.text("/resources/text")
        ),
        "restarting" => format!("Task {id} ended {since} ago on agent {agent} ({}) and is to start again.", how(&run)),
        "withdrawn" => format!("Task {id} was withdrawn {since} ago, while it held nothing."),
        state => format!("Task {id} {} {since} ago on agent {agent}: {}.", past(state), how(&run)),
    }
}

fn past(state: &str) -> &str {
    match state {
        "finished" => "finished",
        "failed" => "failed",
        "lost" => "was lost",
        _ => "was killed",
    }
}

/// How a run ended, with the line for people, if there is one.
pub(super) fn how(run: &Node<'_>) -> String {
    match run.find("/message") {
        Some(message) => format!("{}, {message}", end(run)),
        None => end(run),
    }
}

fn waits(job: &Node<'_>) -> Vec<String> {
    if job.is_absent("/deferred") {
        return vec!["Nothing is known to be in its way: it is placed with one of the next decisions.".into()];
    }
    let deferred = job.at("/deferred");
    let mut sentences = vec![
        format!("No agent can take it: {} (said {} ago).", reason::why_nowhere(&deferred), deferred.age("/since/time")),
        reason::advice(&deferred).into(),
    ];
    // As of now, which may be later than what was said: an agent that has it may have joined.
    sentences.extend(missing(job));
    sentences
}

/// The custom resources that no agent has, as a sentence.
pub(super) fn missing(job: &Node<'_>) -> Option<String> {
    let missing = reason::missing(job)?;
    let (first, rest) = missing.split_at(1);
    Some(format!("{}{rest}.", first.to_uppercase()))
}

fn restarts(task: &Node<'_>, job: &Node<'_>) -> String {
    let limit = job.text("/spec/restart/limit");
    format!(
        "It waits {} before its next start, which is restart {} of {limit}.",
        task.millis("/restartDelayMs"),
        task.text("/restarts")
    )
}

/// Why it will not be started again.
fn over(task: &Node<'_>, job: &Node<'_>) -> Option<String> {
    let state = task.word("/state");
    if task.text("/doomed") == "yes" {
        return Some(
            "Somebody ended this very task (`quipu kill`), so it is not started again by itself; `quipu restart` does."
                .into(),
        );
    }
    if !job.is_absent("/stopping") {
        return Some(format!(
            "Its job was asked to stop {} ago, at offset {}.",
            job.age("/stopping/time"),
            job.text("/stopping/offset")
        ));
    }
    if state != "failed" && state != "lost" {
        return None;
    }
    match job.word("/spec/restart/on").as_str() {
        "never" => Some("It is not started again: its job says never to.".into()),
        "-" => Some("Whether it is started again is for its framework to say.".into()),
        _ => {
            let (had, limit) = (task.text("/restarts"), job.text("/spec/restart/limit"));
            Some(format!("It is not started again: it had {had} of {limit} restarts."))
        }
    }
}

fn being_killed(task: &Node<'_>, job: &Node<'_>) -> String {
    let asked = format!("Its agent was asked to end it {} ago", task.age("/killRequested/time"));
    if job.is_absent("/stopping") { format!("{asked}.") } else { format!("{asked}, because its job was stopped.") }
}

fn before(task: &Node<'_>) -> Option<String> {
    let runs: Vec<_> = task.each("/runsBefore").map(|run| format!("{} ({})", run.text("/agent"), how(&run))).collect();
    if runs.is_empty() { None } else { Some(format!("Before that it ran on {}.", runs.join(", then on "))) }
}
