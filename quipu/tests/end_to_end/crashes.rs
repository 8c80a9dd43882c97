//! Tasks while everything around them is killed: the agent, the control plane, both, and supervisors.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    assert_audited, assert_whole,
    cell::{
        Cell, WITH_AGENT,
        events::{FIELDS, Follower, Seen},
        process::is_alive,
        shell_job, wait_for,
    },
};

/// Leaves a line at its start, waits for its gate, leaves a line at its end.
const SCRIPT: &str = r#"
echo "$QUIPU_TASK $QUIPU_INCARNATION" >>"$RESULTS/starts"
n=0
until [ -e "$RESULTS/go.$QUIPU_INDEX" ]; do
    n=$((n + 1))
    [ "$n" -lt 1200 ] || exit 9
    sleep 0.05
done
echo "$QUIPU_TASK $QUIPU_INCARNATION" >>"$RESULTS/ends"
"#;
const TASKS: u32 = 6;

#[test]
fn whoever_is_killed_each_start_of_a_task_happens_at_most_once_and_each_task_ends_well_exactly_once() {
    let mut cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let follower = Follower::start(&cell, FIELDS, json!({}));
    cell.run_job(&shell_job(&cell, "work", TASKS, SCRIPT));
    await_lines(&cell, "starts", 6);

    // The agent alone: its tasks go on, and the next agent finds them.
    cell.kill9_agent();
    wait_for("another agent", || cell.agent_pid());
    cell.await_agent();

    // The control plane: one task ends in front of the agent alone.
    cell.kill9_control_plane();
    cell.open_gate("go.0");
    await_lines(&cell, "ends", 1);
    // Both: one more ends in front of nobody but its supervisor.
    cell.kill9_agent();
    cell.open_gate("go.1");
    await_lines(&cell, "ends", 2);
    cell.restart();
    for task in ["work.0", "work.1"] {
        follower.wait(&format!("{task} to have finished"), |seen| ends(seen, task).pop());
    }

    // A supervisor under an agent that lives: told at once, and the task is started anew.
    let first = incarnation(&cell, "work.2");
    let program = cell.kill9_supervisor("work.2", first);
    assert_supervisor_died(&follower, "work.2", first);
    assert!(!is_alive(program), "what the dead supervisor left behind was ended");
    // A supervisor and the agent together: the next agent finds out.
    let second = incarnation(&cell, "work.3");
    cell.kill9_agent();
    let program = cell.kill9_supervisor("work.3", second);
    assert_supervisor_died(&follower, "work.3", second);
    assert!(!is_alive(program), "what the dead supervisor left behind was ended");
    await_lines(&cell, "starts", 8);

    for index in 2..TASKS {
        cell.open_gate(&format!("go.{index}"));
    }
    assert_eq!(cell.await_end("work"), "SUCCEEDED");
    assert_whole(&cell, &follower);
    assert!(follower.connections() > 1, "the follower has come back after the restart");
    assert_ran_once(&cell, &follower.seen());
    assert_audited(&mut cell);
}

#[test]
fn an_agent_that_is_killed_amid_forty_starts_costs_no_task_anything() {
    const STARTS: usize = 40;
    let cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let follower = Follower::start(&cell, FIELDS, json!({}));
    let mut job = shell_job(&cell, "burst", 40, "echo \"$QUIPU_INDEX\" >>\"$RESULTS/ran\"");
    job["restart"] = json!({ "on": "NEVER" });
    cell.run_job(&job);
    await_lines(&cell, "ran", 1);
    cell.kill9_agent();
    cell.await_end("burst");
    let seen = follower.wait("the end of the job", |seen| {
        let events: Vec<_> = seen.iter().map(|seen| seen.event.clone()).collect();
        events.iter().any(|event| event["name"] == "job.ended").then_some(events)
    });
    let failed = named(&seen, "task.status_changed").filter(|body| body["state"] == "failed");
    let others: Vec<_> = failed.filter(|body| body["end"]["reason"] != "never_began").collect();
    assert!(others.is_empty(), "what never began is placed again, and nothing else failed: {others:?}");
    let ran = cell.lines("ran");
    assert_eq!((ran.len(), distinct(ran).len()), (STARTS, STARTS), "each task ran once");
    let mut scheduled = named(&seen, "task.restart_scheduled");
    assert!(scheduled.all(|body| body["restarts"] == 0), "no restart is used up");
}

/// What the tasks did is what the log says.
fn assert_ran_once(cell: &Cell, events: &[Value]) {
    let starts = distinct(cell.lines("starts"));
    let ends = distinct(cell.lines("ends"));
    let placed: Vec<_> = named(events, "task.placed").map(run).collect();
    assert_eq!(distinct(placed), starts, "what was placed was started, once each");
    let finished: Vec<_> =
        named(events, "task.status_changed").filter(|body| body["state"] == "finished").map(run).collect();
    assert_eq!(distinct(finished), ends, "what ended well was told so, once each");
    let tasks: Vec<_> = ends.iter().filter_map(|run| run.split(' ').next()).map(ToOwned::to_owned).collect();
    assert_eq!(distinct(tasks), (0..TASKS).map(|index| format!("work.{index}")).collect(), "each task ended well once");
    let died = named(events, "task.status_changed").filter(|body| body["end"]["reason"] == "supervisor_died");
    let died = distinct(died.map(run).collect());
    assert_eq!(died.len(), 2, "{died:?}");
    assert_eq!(&starts - &ends, died, "only starts whose supervisor died did not come to their end");
}

fn assert_supervisor_died(follower: &Follower, task: &str, incarnation: u64) {
    let end = follower.wait(&format!("the end of {task}"), |seen| {
        ends(seen, task).into_iter().find(|body| body["incarnation"] == incarnation)
    });
    assert_eq!((&end["state"], &end["end"]["reason"]), (&json!("failed"), &json!("supervisor_died")), "{end}");
}

/// The ends of a task's starts, as the log tells them.
fn ends(seen: &[Seen], task: &str) -> Vec<Value> {
    let of_task = seen.iter().map(|seen| &seen.event).filter(|event| event["task"] == task);
    of_task.filter(|event| !event["body"]["end"].is_null()).map(|event| event["body"].clone()).collect()
}

fn incarnation(cell: &Cell, task: &str) -> u64 {
    let runs: BTreeMap<String, u64> = cell
        .lines("starts")
        .iter()
        .filter_map(|line| {
            let (task, incarnation) = line.split_once(' ')?;
            Some((task.to_owned(), incarnation.parse().ok()?))
        })
        .collect();
    runs[task]
}

fn named<'a>(events: &'a [Value], name: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["name"] == name).map(|event| &event["body"])
}

/// `task incarnation`, as the tasks write it.
fn run(body: &Value) -> String {
    format!("{} {}", body["task"].as_str().unwrap_or_default(), body["incarnation"])
}

/// The set of these, of which none may be there twice.
fn distinct(all: Vec<String>) -> BTreeSet<String> {
    let set: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(set.len(), all.len(), "something is there twice: {all:?}");
    set
}

fn await_lines(cell: &Cell, file: &str, count: usize) {
    wait_for(&format!("{count} lines in {file}"), || (cell.lines(file).len() >= count).then_some(()));
}
