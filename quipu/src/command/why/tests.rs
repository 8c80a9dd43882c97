//! Stories, from answers as gateways give them.

use super::*;

const NOW_MS: u64 = 200_000;

fn task_story(id: &str, data: &Value) -> String {
    task::story(&TaskId::new(id).expect("legal"), &Node::new(data, NOW_MS))
}

fn moment(offset: u32, second: u32) -> Value {
    json!({ "offset": offset.to_string(), "time": format!("1970-01-01T00:00:{second:02}.000Z") })
}

fn job(fields: Value) -> Value {
    let mut job = json!({
        "name": "web", "kind": "SERVICE", "state": "RUNNING", "count": 3, "resources": { "text": "cpu=4 mem=1Gi" },
        "spec": { "restart": { "on": "FAILURE", "limit": 3 } },
    });
    job.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    job
}

#[test]
fn a_name_with_a_dot_or_slash_is_a_task() {
    assert_eq!("web".parse(), Ok(Subject::Job(JobId::new("web").expect("legal"))));
    assert!(matches!("web.0".parse(), Ok(Subject::Task(_))));
    assert!(matches!("spark/t1".parse(), Ok(Subject::Task(_))));
    assert!("web.x".parse::<Subject>().is_err());
}

#[test]
fn a_task_without_a_place_says_why_and_what_helps() {
    let reasons = json!([{ "reason": "CPU_TAKEN", "agents": 2 }, { "reason": "AGENT_AWAY", "agents": 1 }]);
    let deferred = json!({ "waiting": 1, "reasons": reasons, "since": moment(9, 20) });
    let data = json!({ "task": null, "job": job(json!({ "deferred": deferred })) });
    insta::assert_snapshot!(task_story("web.2", &data), @"
    Task web.2 waits for its first place; it needs cpu=4 mem=1Gi.
    No agent can take it: of 3 agents, 2 have too little CPU left, 1 is silent or leaving (said 3m ago).
    It is placed as soon as there is room: when something ends, or when an agent joins.
    ");
}

#[test]
fn a_resource_that_no_agent_has_is_named() {
    let reasons = json!([{ "reason": "CUSTOM_TOO_SMALL", "agents": 2 }]);
    let deferred = json!({ "waiting": 1, "reasons": reasons, "since": moment(9, 20) });
    let job =
        job(json!({ "deferred": deferred, "missingResources": ["fpga", "licences"], "taskCounts": { "waiting": 1 } }));
    let data = json!({ "task": null, "job": job });
    insta::assert_snapshot!(task_story("web.2", &data), @"
    Task web.2 waits for its first place; it needs cpu=4 mem=1Gi.
    No agent can take it: of 2 agents, 2 have too little of a custom resource (said 3m ago).
    No wait will help: ask for less, or add an agent that is large enough.
    No agent has any fpga or licences, so it waits until one joins that has.
    ");
    assert!(super::job::story(&Node::new(&job, NOW_MS)).contains("No agent has any fpga or licences"));
}

#[test]
fn a_running_task_says_where_since_when_and_what_came_before() {
    let data = json!({
        "task": {
            "state": "RUNNING", "since": moment(30, 8), "restarts": 1, "killRequested": null, "doomed": false,
            "run": { "agent": "a2", "placed": moment(28, 7), "resources": { "text": "cpu=4 mem=1Gi" } },
            "runsBefore": [{ "agent": "a1", "endReason": "EXITED", "exitCode": 1, "ranMs": "2500" }],
            "timeline": { "lines": [
                { "offset": "28", "time": "1970-01-01T00:00:07.000Z", "event": "task.placed", "text": "on a2" },
                { "offset": "12", "time": "1970-01-01T00:00:02.000Z", "event": "task.placed", "text": "on a1" },
            ] },
        },
        "job": job(json!({})),
    });
    insta::assert_snapshot!(task_story("web.0", &data), @"
    Task web.0 has run on agent a2 for 3m12s; it was placed there at offset 28 and holds cpu=4 mem=1Gi.
    Before that it ran on a1 (exit code 1 after 2s).

      AGO  OFFSET  EVENT
    3m18s      12  task.placed  on a1
    3m13s      28  task.placed  on a2
    ");
}

#[test]
fn a_task_that_failed_for_good_says_how_and_why_it_is_not_started_again() {
    let run = json!({ "agent": "a1", "endReason": "CANNOT_START", "message": "no such file or directory" });
    let task = json!({ "state": "FAILED", "since": moment(40, 50), "restarts": 3, "doomed": false, "run": run });
    insta::assert_snapshot!(task_story("web.0", &json!({ "task": task, "job": job(json!({})) })), @"
    Task web.0 failed 2m30s ago on agent a1: cannot start, no such file or directory.
    It is not started again: it had 3 of 3 restarts.
    ");
}

#[test]
fn a_task_between_two_runs_says_how_long_it_waits() {
    let run = json!({ "agent": "a1", "endReason": "SIGNALLED", "signal": 11, "ranMs": "900" });
    let task =
        json!({ "state": "RESTARTING", "since": moment(40, 59), "restarts": 2, "restartDelayMs": "4000", "run": run });
    insta::assert_snapshot!(task_story("web.0", &json!({ "task": task, "job": job(json!({})) })), @"
    Task web.0 ended 2m21s ago on agent a1 (signal 11 after 900ms) and is to start again.
    It waits 4s before its next start, which is restart 2 of 3.
    ");
}

#[test]
fn a_killed_task_says_who_wanted_it() {
    let run = json!({ "agent": "a1", "endReason": "REQUESTED", "signal": 15 });
    let task = json!({ "state": "KILLED", "since": moment(40, 59), "restarts": 0, "doomed": true, "run": run });
    insta::assert_snapshot!(task_story("web.0", &json!({ "task": task, "job": job(json!({})) })), @"
    Task web.0 was killed 2m21s ago on agent a1: signal 15.
    Somebody ended this very task (`quipu kill`), so it is not started again by itself; `quipu restart` does.
    ");
}

#[test]
fn a_job_says_how_far_it_is_what_waits_and_what_went_wrong() {
    let told = job(json!({
        "taskCounts": { "running": 1, "waiting": 1, "failed": 1 },
        "deferred": { "waiting": 1, "reasons": [{ "reason": "CONSTRAINT_UNMET", "agents": 1 }], "since": moment(9, 20) },
        "tasks": { "nodes": [{ "name": "web.1", "state": "FAILED", "restarts": 3,
            "run": { "agent": "a1", "endReason": "EXITED", "exitCode": 7, "ranMs": "100" } }] },
        "timeline": { "lines": [{ "offset": "5", "time": "1970-01-01T00:00:01.000Z", "event": "job.accepted", "text": "3 tasks" }] },
    }));
    insta::assert_snapshot!(job::story(&Node::new(&told, NOW_MS)), @"
    Job web goes on: 1 running, 1 waiting, 1 failed; 3 tasks wanted, each with cpu=4 mem=1Gi.
    1 task waits: of 1 agent, 1 does not meet the constraints (said 3m ago).
    `quipu agents` shows the attributes that the constraints are held against.
    Task web.1 failed after 3 restarts: it last ran on a1 (exit code 7 after 100ms).

      AGO  OFFSET  EVENT
    3m19s       5  job.accepted  3 tasks
    ");
}

#[test]
fn a_command_line_is_quoted_where_a_shell_needs_it() {
    let command = json!(["sh", "-c", "echo it's", "--a=b", ""]);
    assert_eq!(command_line(&Node::new(&command, 0)), r"sh -c 'echo it'\''s' --a=b ''");
}
