//! Reads of what cannot be, and readers that leave: each ends with words and a code, and none by a panic.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::cell::{Cell, WITHOUT_AGENT, wait_for};

#[test]
fn a_read_of_what_cannot_be_says_what_is_wrong_and_what_to_do() {
    let cell = Cell::start(WITHOUT_AGENT);
    assert_eq!(cell.quipu(["run", "--detach", "--name", "web", "--", "true"]).code, Some(0));
    let usage = 2;
    let cases: &[(&str, i32, &[&str])] = &[
        // Moments: in the future, before the log, and none at all.
        ("ps --at 99999999", usage, &["not reached yet", "quipu cell"]),
        ("why web --at 99999999", usage, &["not reached yet", "quipu cell"]),
        ("jobs --at 2999-01-01T00:00:00Z", usage, &["is in the future"]),
        ("agents --at 2999-01-01T00:00:00+01:00", usage, &["is in the future"]),
        ("cell --at 18446744073709551615", usage, &["not reached yet"]),
        ("cell --at 18446744073709551616", usage, &["expected an offset"]),
        ("roles --at -5m", usage, &["expected an offset"]),
        ("roles --at -5", usage, &["expected an offset"]),
        ("offers --at tomorrow", usage, &["expected an offset"]),
        ("frameworks --at 1969-12-31T23:59:59Z", usage, &["expected an offset"]),
        ("parameters show --at", usage, &["a value is required"]),
        ("why web --at 99999999d", usage, &["before 1970"]),
        // Names.
        ("ps nope", 1, &["there is no job nope", "quipu jobs --all"]),
        ("ps --agent nope", 1, &["there is no agent nope", "quipu agents"]),
        ("ps --framework nope", 1, &["there is no framework nope"]),
        ("ps web.0", usage, &["'[JOB]'"]),
        ("ps --state running,gone", usage, &["possible values"]),
        ("ps --state=", usage, &["possible values"]),
        ("jobs --role nope", 1, &["there is no role nope"]),
        ("job nope", 1, &["there is no job nope"]),
        ("why nope", 1, &["there is no job nope"]),
        ("why web.7", 1, &["there is no task web.7"]),
        ("why nope.0", 1, &["there is no task nope.0"]),
        ("logs nope", 1, &["there is no job nope"]),
        ("logs nope.0", 1, &["there is no task nope.0"]),
        ("logs web.7", 1, &["there is no task web.7"]),
        ("logs web", 1, &["was never placed", "why"]),
        ("logs web.0 --incarnation 7", 1, &["was never placed"]),
        ("logs web -n -1", usage, &["0 or more"]),
        ("kill web.7", 3, &["there is no task web.7"]),
        ("refusals --code Nope", usage, &["JobExists"]),
        ("refusals --who=", usage, &["--who"]),
        // Places in the log.
        ("events --since 99999999", usage, &["not reached yet"]),
        ("events --since 99999999:0", usage, &["not reached yet"]),
        ("events -f --since 99999999", usage, &["not reached yet"]),
        ("events --since 0:7", usage, &["after: ", "offset 0"]),
        ("events -f --since 0:7", usage, &["since: ", "offset 0"]),
        ("events --since yesterday", usage, &["expected start, now"]),
        ("events --since=", usage, &["expected start, now"]),
        ("events --kind task.moved", usage, &["task.placed"]),
        ("events --kind=", usage, &["task.placed"]),
        ("events --job a.b", usage, &["--job"]),
        ("events -n 10001", usage, &["at most 10000", "--since start"]),
        ("events -n 0", usage, &["1 or more"]),
        ("ps --limit 0", usage, &["1 or more"]),
        ("ps --limit 99999999999999999999", usage, &["at most"]),
    ];
    for (line, code, words) in cases {
        let ended = cell.quipu(line.split(' '));
        assert_eq!((ended.code, ended.out.as_str()), (Some(*code), ""), "{line}: {}", ended.err);
        words.iter().for_each(|words| assert!(ended.err.contains(words), "{line}: {}", ended.err));
    }
    let nothing = cell.quipu(["events", "--job", "nope"]);
    assert!(nothing.err.contains("no events") && nothing.err.contains("there is no job nope"), "{}", nothing.err);
}

#[test]
fn a_task_that_was_never_placed_is_listed_explained_and_killed() {
    let cell = Cell::start(WITHOUT_AGENT);
    assert_eq!(cell.quipu(["run", "--detach", "-n", "3", "--name", "web", "--", "true"]).code, Some(0));
    for line in ["ps", "ps web", "ps --all", "ps --state waiting"] {
        let ps = cell.quipu(line.split(' '));
        let tasks: Vec<Vec<_>> = ps.out.lines().skip(1).map(|line| line.split_whitespace().take(2).collect()).collect();
        assert_eq!(tasks, [["web.0", "waiting"], ["web.1", "waiting"], ["web.2", "waiting"]].map(Vec::from), "{line}");
    }
    let ps = cell.quipu(["ps", "web"]);
    assert!(ps.err.contains("web: 3 tasks wait: there is no agent in the cell"), "{}", ps.err);
    let one = cell.quipu(["ps", "--limit", "1", "-o", "json"]);
    assert!(one.out.contains("web.0") && !one.out.contains("web.1") && one.err.contains("there are more"), "{one:?}");
    assert!(cell.quipu(["why", "web.2"]).out.contains("waits for its first place; it needs"));
    let logs = cell.quipu(["logs", "web.2"]);
    assert!(logs.code == Some(1) && logs.err.contains("was never placed"), "{logs:?}");
    assert_eq!(cell.quipu(["kill", "web.2"]).code, Some(0));
    assert!(cell.quipu(["ps", "--state", "withdrawn"]).out.contains("web.2"));
    assert_eq!(cell.quipu(["stop", "web"]).code, Some(0));
    assert_eq!(cell.quipu(["ps"]).out, "");
    assert_eq!(cell.quipu(["ps", "--all"]).out.matches("withdrawn").count(), 3);
    assert!(cell.quipu(["why", "web.0"]).out.contains("was withdrawn"));
}

/// Starts a program whose output is a pipe, reads one line of it, and leaves.
fn leave_after_one_line(command: &mut Command) -> Child {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
    assert!(!line.is_empty());
    child
}

#[test]
fn a_reader_that_leaves_ends_no_program_by_a_panic() {
    let mut cell = Cell::prepare(WITHOUT_AGENT);
    // Both ends of what a control plane says are gone after its first line, and it serves.
    let mut up = leave_after_one_line(cell.command(["up", "--listen", "127.0.0.1:0"]).args(WITHOUT_AGENT));
    drop(up.stderr.take());
    wait_for("the gateway to be ready", || cell.client().is_ready().then_some(()));
    for number in 0..300 {
        cell.run_job(&crate::cell::shell_job(&cell, &format!("job-{number}"), 10, "true"));
    }
    for line in ["ps", "ps -o json", "jobs -o yaml", "events --since start", "refusals", "cell"] {
        let mut words = cell.command(line.split(' '));
        if line == "refusals" {
            assert_eq!(cell.quipu(["run", "--detach", "--name", "job-0", "--", "true"]).code, Some(3));
        }
        let left = leave_after_one_line(&mut words).wait_with_output().expect("a child of this process");
        let said = String::from_utf8_lossy(&left.stderr);
        assert_eq!((left.status.code(), said.contains("panicked")), (Some(0), false), "{line}: {said}");
    }
    assert!(cell.data("{ cell { name } }", json!({}))["cell"]["name"].is_string());
    let down = leave_after_one_line(&mut cell.command(["down"]));
    // The control plane is a child of this test, which has to reap it.
    let code = up.wait().expect("a child of this process").code();
    let down = down.wait_with_output().expect("a child of this process");
    assert_eq!((code, down.status.code()), (Some(0), Some(0)), "{}", String::from_utf8_lossy(&down.stderr));
    cell.restart();
}
