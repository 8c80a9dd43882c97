//! The story of one job.

use super::{
    history, reason,
    task::{how, missing},
};
use crate::{
    command::{count, jobs::counts},
    output::Node,
};

/// What is to be told of a job.
pub(super) fn story(job: &Node<'_>) -> String {
    let mut sentences = vec![stands(job)];
    if !job.is_absent("/deferred") {
        let deferred = job.at("/deferred");
        sentences.push(format!("{} (said {} ago).", reason::sentence(&deferred), deferred.age("/since/time")));
        sentences.push(reason::advice(&deferred).into());
        sentences.extend(missing(job));
    } else if job.number("/taskCounts/waiting") > 0 && job.is_absent("/stopping") {
        sentences.push(
            "Nothing is known to be in the way of those that wait: they are placed with the next decisions.".into(),
        );
    }
    sentences.extend(job.each("/tasks/nodes").map(|task| went_wrong(&task)));
    sentences.join("\n") + "\n" + &history::lines(&job.at("/timeline"))
}

fn stands(job: &Node<'_>) -> String {
    let (name, tasks) = (job.text("/name"), counts(&job.at("/taskCounts")));
    let wanted = count(job.number("/count"), "task");
    match job.word("/state").as_str() {
        "running" => {
            format!("Job {name} goes on: {tasks}; {wanted} wanted, each with {}.", job.text("/resources/text"))
        }
        "stopping" => format!("Job {name} was asked to stop {} ago: {tasks}.", job.age("/stopping/time")),
        state => format!("Job {name} {state} {} ago: {tasks}.", job.age("/ended/time")),
    }
}

fn went_wrong(task: &Node<'_>) -> String {
    let run = task.at("/run");
    let state = match task.word("/state").as_str() {
        "failed" => "failed",
        "lost" => "was lost",
        _ => "is to start again",
    };
    format!(
        "Task {} {state} after {}: it last ran on {} ({}).",
        task.text("/name"),
        count(task.number("/restarts"), "restart"),
        run.text("/agent"),
        how(&run)
    )
}
