//! The command line against a running cell: exit codes, output, and words for what went wrong.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::cell::{Cell, WITH_AGENT, WITHOUT_AGENT, shell_job, wait_for};

#[test]
fn a_command_that_is_run_in_the_cell_looks_as_if_it_ran_here() {
    let cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let run = cell.quipu(["run", "--mem", "32Mi", "--", "sh", "-c", "echo to out; echo to err >&2; exit 7"]);
    assert_eq!((run.code, run.out.as_str()), (Some(7), "to out\n"), "{}", run.err);
    assert!(run.err.contains("to err"), "{}", run.err);
    let run = cell.quipu(["run", "--mem", "32Mi", "-n", "3", "--", "sh", "-c", "echo $QUIPU_INDEX"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    for index in 0..3 {
        assert!(run.out.lines().any(|line| line.ends_with(&index.to_string())), "{}", run.out);
    }
    let run = cell.quipu(["run", "--mem", "32Mi", "--", "no-such-program-anywhere"]);
    assert_eq!(run.code, Some(127), "{}{}", run.out, run.err);
}

#[test]
fn a_run_that_is_sent_twice_under_one_key_runs_once_and_both_tell_the_same() {
    let cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let script = "echo $RANDOM$$ | tee -a \"$0\"; exit 7";
    let file = cell.results().join("runs").display().to_string();
    let run =
        |key: &str, script: &str| cell.quipu(["run", "--mem", "32Mi", "--key", key, "--", "sh", "-c", script, &file]);
    let first = run("nightly/17", script);
    assert_eq!(first.code, Some(7), "{}", first.err);
    let again = run("nightly/17", script);
    assert_eq!((again.code, &again.out), (Some(7), &first.out), "{}", again.err);
    assert!(again.err.contains("was accepted already, at offset "), "{}", again.err);
    let detached = cell.quipu(["run", "--detach", "--key", "k", "--", "true"]);
    let detached_again = cell.quipu(["run", "--detach", "--key", "k", "--", "true"]);
    assert_eq!((detached_again.code, &detached_again.out), (Some(0), &detached.out), "{}", detached_again.err);
    // Another command under the key is a mistake, and is refused as one.
    let other = run("nightly/17", "exit 0");
    assert_eq!(other.code, Some(3), "{}{}", other.out, other.err);
    // Another key is another run.
    assert_eq!(run("nightly/18", script).code, Some(7));
    assert_eq!(cell.lines("runs").len(), 2);
}

#[test]
fn a_late_repeat_tells_how_it_is_now_and_that_nothing_was_done() {
    let cell = Cell::start(WITHOUT_AGENT);
    assert_eq!(cell.quipu(["run", "--detach", "--name", "web", "--", "true"]).code, Some(0));
    let say = |words: &[&str]| {
        let said = cell.quipu(words);
        assert_eq!(said.code, Some(0), "{words:?}: {}", said.err);
        (said.out, said.err)
    };
    for (early, late, now) in [
        (
            &["role", "set", "r1", "--weight", "2", "--key", "W"][..],
            &["role", "set", "r1", "--weight", "5"][..],
            "weighs 5",
        ),
        (&["scale", "web", "2", "--key", "S"], &["scale", "web", "3"], "is to have 3 tasks"),
        (&["kill", "web.0", "--key", "K"], &["restart", "web.0"], "task web.0 is waiting"),
        (&["restart", "web.1", "--key", "R"], &["kill", "web.1"], "task web.1 is withdrawn"),
        (
            &["parameters", "set", "--policy", "spread", "--key", "P"],
            &["parameters", "set", "--policy", "binpack"],
            "binpack",
        ),
    ] {
        assert_eq!(say(early).1, "", "{early:?}");
        say(late);
        let (out, err) = say(early);
        assert!(out.contains(now), "{early:?}: {out}");
        assert!(
            err.contains("this was done already, at offset ") && err.contains("not done again"),
            "{early:?}: {err}"
        );
    }
}

#[test]
fn output_is_followed_while_the_task_writes_it() {
    let cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let script = "echo first; until [ -e \"$RESULTS/go\" ]; do sleep 0.05; done; echo second";
    cell.run_job(&shell_job(&cell, "talk", 1, script));
    wait_for("the task to run", || {
        let ps = cell.quipu(["ps", "--all", "-o", "json"]);
        (ps.code == Some(0) && ps.out.to_lowercase().contains("\"running\"")).then_some(())
    });
    let mut logs = cell.command(["logs", "-f", "talk.0"]).stdout(Stdio::piped()).spawn().expect("the binary is built");
    let mut lines = BufReader::new(logs.stdout.take().expect("piped")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert_eq!(next(), "first");
    cell.open_gate("go");
    assert_eq!(next(), "second");
    assert!(lines.next().is_none(), "the task has ended, and with it its output");
    assert_eq!(logs.wait().expect("a child of this process").code(), Some(0));
}

#[test]
fn a_refusal_is_a_sentence_and_an_exit_code_of_its_own() {
    let cell = Cell::start(WITHOUT_AGENT);
    let submit = ["run", "--detach", "--name", "twice", "--", "true"];
    assert_eq!(cell.quipu(submit).code, Some(0));
    let again = cell.quipu(submit);
    assert_eq!(again.code, Some(3), "{}{}", again.out, again.err);
    assert!(again.err.contains("refused by the cell") && again.err.contains("twice"), "{}", again.err);
    assert!(again.err.contains("hint: "), "{}", again.err);
    let unknown = cell.quipu(["stop", "nothing"]);
    assert_eq!(unknown.code, Some(3), "{}{}", unknown.out, unknown.err);
}

#[test]
fn a_task_that_waits_is_told_why() {
    let cell = Cell::start(WITHOUT_AGENT);
    cell.run_job(&shell_job(&cell, "lonely", 1, "true"));
    let why = cell.quipu(["why", "lonely.0"]);
    assert_eq!(why.code, Some(0), "{}{}", why.out, why.err);
    assert!(why.out.contains("agent"), "{}", why.out);
}

#[test]
fn a_gateway_that_is_not_there_and_a_wrong_line_have_exit_codes_of_their_own() {
    let mut cell = Cell::prepare(WITHOUT_AGENT);
    let never = cell.quipu(["ps"]);
    assert_eq!(never.code, Some(4), "{}{}", never.out, never.err);
    assert!(never.err.contains("no cell runs in"), "{}", never.err);
    cell.restart();
    assert_eq!(cell.quipu(["ps"]).code, Some(0));
    cell.kill9_control_plane();
    let gone = cell.quipu(["ps"]);
    assert_eq!(gone.code, Some(4), "{}{}", gone.out, gone.err);
    assert!(gone.err.contains("no gateway answers"), "{}", gone.err);
    assert_eq!(cell.quipu(["ps", "--no-such-option"]).code, Some(2));
    let negative = cell.quipu(["scale", "web", "-1"]);
    assert_eq!(negative.code, Some(2), "{}{}", negative.out, negative.err);
    assert!(negative.err.contains("a whole number, 0 or more"), "{}", negative.err);
}
