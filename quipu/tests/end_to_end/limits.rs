//! What happens to a task that wants more than it was given.

use serde_json::json;

use crate::cell::{AGENT, Cell, WITH_AGENT, shell_job};

/// Holds 256 MiB in memory, where nobody hinders it, and ends.
/// The main process itself takes too much: where only a child of it does, the end is the main process's own.
const GREEDY: &str = "exec tail -n 1 /dev/zero";

#[test]
fn a_task_that_passes_its_memory_is_ended_and_that_is_told() {
    let cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let data = cell
        .data("query($name: String!) { agent(name: $name) { attributes { name value } } }", json!({ "name": AGENT }));
    let attributes = data["agent"]["attributes"].as_array().expect("attributes");
    let limits = attributes.iter().find(|pair| pair["name"] == "limits").expect("agents say what they enforce");
    if !limits["value"].as_str().is_some_and(|limits| limits.split('-').any(|limit| limit == "memory")) {
        eprintln!("SKIPPED: no control group for memory can be made here; the agent says limits={}", limits["value"]);
        return;
    }
    let mut job = shell_job(&cell, "greedy", 1, GREEDY);
    job["restart"] = json!({ "on": "NEVER" });
    cell.run_job(&job);
    assert_eq!(cell.await_end("greedy"), "FAILED");
    let task = cell.data("{ task(name: \"greedy.0\") { run { state endReason } } }", json!({}));
    assert_eq!(task["task"]["run"], json!({ "state": "FAILED", "endReason": "OUT_OF_MEMORY" }));
    let why = cell.quipu(["why", "greedy.0"]);
    assert!(why.out.contains("out of memory"), "{}", why.out);
    let run = cell.quipu(["run", "--mem", "32Mi", "--", "sh", "-c", GREEDY]);
    assert!(run.code != Some(0) && run.err.contains("out of memory"), "{run:?}");
}
