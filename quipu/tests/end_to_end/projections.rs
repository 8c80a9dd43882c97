//! The read models are folds: without their directory they come back the same.

use std::fs;

use serde_json::{Value, json};

use crate::cell::{Cell, WITH_AGENT, shell_job, wait_for};

const EVERYTHING: &str = "query($at: At) {
  cell(at: $at) { asOf logTime decision { epoch from to events } }
  agents(at: $at, first: 10) { nodes { name state number since { offset time } capacity { text } used { text } attributes { name value } taskCount
    timeline { lines { offset time event text } } } }
  jobs(at: $at, first: 10) { nodes { name kind state count restarts submittedBy submitted { offset time } ended { offset time }
    taskCounts { total finished failed running } timeline { lines { offset time event text } }
    tasks(first: 10) { nodes { name state restarts since { offset time } timeline { lines { offset time event text } }
      run { incarnation agent state endReason exitCode ranMs message placed { offset time } ended { offset time } }
      runsBefore { incarnation exitCode } } } } }
}";

#[test]
fn projections_that_were_dropped_are_built_again_from_the_log_and_answer_the_same() {
    let mut cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    cell.run_job(&shell_job(&cell, "good", 3, "echo done"));
    let mut bad = shell_job(&cell, "bad", 1, "exit 3");
    bad["restart"] = json!({ "on": "FAILURE", "limit": 1, "backoffMs": "10" });
    cell.run_job(&bad);
    let mut service = shell_job(&cell, "service", 1, "exec sleep 600");
    service["kind"] = json!("SERVICE");
    cell.run_job(&service);
    assert_eq!((cell.await_end("good").as_str(), cell.await_end("bad").as_str()), ("SUCCEEDED", "FAILED"));
    wait_for("the service to run", || {
        let data = cell.data("{ task(name: \"service.0\") { state } }", json!({}));
        (data["task"]["state"] == "RUNNING").then_some(())
    });
    let newest: u64 = as_of(&cell.data("{ cell { asOf } }", json!({})));
    let before = answers(&cell, newest);
    assert!(before[2]["jobs"]["nodes"].as_array().is_some_and(|jobs| jobs.len() == 3), "{}", before[2]);

    cell.stop();
    fs::remove_dir_all(cell.dir().join("projections")).expect("the projections were there");
    cell.restart();
    assert_eq!(answers(&cell, newest), before);
}

/// What the gateway answers about everything, as of a third, two thirds and all of the history.
fn answers(cell: &Cell, newest: u64) -> [Value; 3] {
    [newest / 3, newest * 2 / 3, newest].map(|at| cell.data(EVERYTHING, json!({ "at": { "offset": at.to_string() } })))
}

fn as_of(data: &Value) -> u64 {
    data["cell"]["asOf"].as_str().and_then(|offset| offset.parse().ok()).expect("an offset")
}
