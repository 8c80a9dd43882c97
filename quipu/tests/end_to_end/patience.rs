//! What commands say while they wait, and what is left of their jobs when they are ended or refused.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::cell::{
    Cell, WITHOUT_AGENT,
    process::{Ended, is_alive},
    shell_job, wait_for,
};

/// Within which time a command that waits has said why: a second, and what a busy machine adds to it.
const SAID_WITHIN: Duration = Duration::from_secs(15);
/// Within which time a command has ended after a signal.
const ENDED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a program says on its standard error.
struct Said {
    child: Child,
    lines: BufReader<std::process::ChildStderr>,
}

impl Said {
    fn by(command: &mut Command) -> Self {
        let mut child =
            heeding_signals(command).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the binary is built");
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, lines }
    }

    /// The first line that holds these words.
    fn line(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.lines.read_line(&mut line).expect("text") > 0, "{words:?} was never said");
        }
        line.trim_end().to_owned()
    }

    /// Sends a signal and waits: the exit code, and what was said to the end.
    fn end_by(mut self, signal: Signal) -> (Option<i32>, String) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")), signal).expect("it runs");
        // A process that does not heed it must not hold the tests up for ever.
        let status = wait_for_child(&mut self.child);
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("text");
        (status.code(), rest)
    }
}

/// Waits for the end of a program within a bound; then kills it, and fails.
fn wait_for_child(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    while begun.elapsed() < ENDED_WITHIN {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            return status;
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    child.kill().expect("it runs");
    panic!("the program did not end within {ENDED_WITHIN:?} of the signal");
}

/// The same program with the default action for these signals. Tests that run in the background may inherit that they are
/// ignored, and the program honours that.
fn heeding_signals(command: &Command) -> Command {
    let mut heeding = Command::new("env");
    heeding.arg("--default-signal=INT,TERM,HUP").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => heeding.env(name, value),
            None => heeding.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        heeding.current_dir(directory);
    }
    heeding
}

fn state(cell: &Cell, job: &str) -> Value {
    cell.data("query($name: String!) { job(name: $name) { state } }", json!({ "name": job }))["job"]["state"].clone()
}

#[test]
fn a_command_that_waits_for_a_place_says_why_and_stops_its_job_when_it_is_ended() {
    let cell = Cell::start(WITHOUT_AGENT);
    let endings = [("a", Signal::SIGINT, 130), ("b", Signal::SIGTERM, 143), ("c", Signal::SIGHUP, 129)];
    for (name, signal, code) in endings {
        let begun = Instant::now();
        let mut run = Said::by(&mut cell.command(["run", "--name", name, "--", "true"]));
        let line = run.line(&format!("{name}: 1 task waits: "));
        assert!(begun.elapsed() < SAID_WITHIN, "said after {:?}", begun.elapsed());
        let (_, reason) = line.split_once("waits: ").expect("checked");
        let why = cell.quipu(["why", &format!("{name}.0")]);
        assert!(why.out.contains(reason), "{reason:?} is not in {}", why.out);
        let (ended, rest) = run.end_by(signal);
        assert_eq!(ended, Some(code), "{rest}");
        assert!(rest.contains(&format!("stopping job {name}")), "{rest}");
        wait_for("the job to be stopped", || (state(&cell, name) == "STOPPED").then_some(()));
    }
}

#[test]
fn a_submission_that_is_waited_for_says_why_and_its_job_outlives_the_wait() {
    let cell = Cell::start(WITHOUT_AGENT);
    let file = cell.dir().join("job.toml");
    fs::write(&file, ONE.replace("NAME", "web")).expect("a writable directory");
    let mut wait = Said::by(&mut cell.command(["submit", &file.display().to_string(), "--wait"]));
    assert!(wait.line("web: 1 task waits: ").ends_with("there is no agent in the cell"));
    let (code, _) = wait.end_by(Signal::SIGTERM);
    assert_eq!(code, None, "a wait alone is ended by the signal");
    assert_eq!(state(&cell, "web"), "RUNNING");
}

const ONE: &str = r#"
[[job]]
name = "NAME"
kind = "batch"
resources = "cpu=0.1 mem=16Mi"
command = ["true"]
"#;

/// Submits a file of the jobs one, two and three, in which some words are replaced.
fn submit(cell: &Cell, (words, others): (&str, &str), more: &[&str]) -> Ended {
    let jobs = ["one", "two", "three"].map(|name| ONE.replace("NAME", name)).concat();
    assert!(jobs.contains(words), "{words}");
    let file = cell.dir().join("jobs.toml");
    fs::write(&file, jobs.replace(words, others)).expect("a writable directory");
    let path = file.display().to_string();
    cell.quipu(["submit", &path].iter().chain(more).copied())
}

#[test]
fn a_file_with_a_job_that_cannot_be_submits_nothing() {
    let cell = Cell::start(WITHOUT_AGENT);
    let two = |line: &str| format!("name = \"two\"\n{line}");
    for (line, words) in [
        ("counted = 3", "counted"),
        ("count = -1", "-1"),
        ("role = \"a b\"", "role"),
        ("constraints = [\"\"]", "constraint"),
    ] {
        let bad = submit(&cell, ("name = \"two\"\n", &two(&format!("{line}\n"))), &[]);
        assert_eq!(bad.code, Some(2), "{line}: {}", bad.err);
        assert!(bad.err.contains(words), "{line}: {}", bad.err);
    }
    let twice = submit(&cell, ("\"three\"", "\"one\""), &[]);
    assert_eq!(twice.code, Some(2), "{}", twice.err);
    assert!(twice.err.contains("two jobs of the file are called one"), "{}", twice.err);
    assert_eq!(cell.quipu(["run", "--detach", "--name", "two", "--", "true"]).code, Some(0));
    let taken = submit(&cell, ("\"three\"", "\"three\""), &[]);
    assert_eq!(taken.code, Some(3), "{}", taken.err);
    assert!(taken.err.contains("two is the name of a job already"), "{}", taken.err);
    assert!(taken.err.contains("no job of the file was submitted"), "{}", taken.err);
    assert_eq!((state(&cell, "one"), state(&cell, "three")), (Value::Null, Value::Null));
}

#[test]
fn a_file_with_a_job_that_only_the_cell_refuses_says_what_was_done() {
    let cell = Cell::start(WITHOUT_AGENT);
    let illegal = submit(&cell, ("name = \"two\"\n", "name = \"two\"\nenv = { \"A=B\" = \"x\" }\n"), &[]);
    assert_eq!(illegal.code, Some(3), "{}", illegal.err);
    let words = "could not submit job two; submitted before it, and not stopped: one; not submitted: three";
    assert!(illegal.err.contains(words) && illegal.err.contains("is illegal"), "{}", illegal.err);
    assert_eq!(
        (state(&cell, "one").is_null(), state(&cell, "two"), state(&cell, "three")),
        (false, Value::Null, Value::Null)
    );
}

#[test]
fn a_file_with_a_key_is_submitted_up_to_the_job_that_is_refused_and_this_is_said() {
    let cell = Cell::start(WITHOUT_AGENT);
    assert_eq!(cell.quipu(["run", "--detach", "--name", "two", "--", "true"]).code, Some(0));
    // With a key it may be a repeat, which only the cell can tell: names are not checked before.
    let refused = submit(&cell, ("\"three\"", "\"three\""), &["--key", "k"]);
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    let words = "could not submit job two; submitted before it, and not stopped: one; not submitted: three";
    assert!(refused.err.contains(words) && refused.err.contains("there is a job two already"), "{}", refused.err);
    assert_eq!((state(&cell, "one").is_null(), state(&cell, "three")), (false, Value::Null));
}

const DEAF: &str = "trap '' TERM; echo deaf >> \"$RESULTS/deaf\"; while :; do sleep 1; done";

/// A cell with one task that holds out against SIGTERM, with a grace of an hour.
fn deaf_cell() -> Cell {
    let cell = Cell::start(&[]);
    let mut job = shell_job(&cell, "deaf", 1, DEAF);
    job["killGraceMs"] = "3600000".into();
    cell.run_job(&job);
    wait_for("the task to run", || (cell.lines("deaf").len() == 1).then_some(()));
    cell
}

#[test]
fn down_ends_tasks_whatever_their_grace_and_says_what_it_waits_for() {
    for (options, says) in [(&["--force"][..], "SIGKILL at once"), (&[], "SIGKILL after 10000 ms")] {
        let mut cell = deaf_cell();
        let pid = cell.sandbox("deaf.0", 1).started().expect("readable").expect("it runs").pid;
        let down = cell.down_with_tasks(options);
        assert_eq!(down.code, Some(0), "{down:?}");
        assert!(down.err.contains("waiting for deaf.0") && down.err.contains(says), "{down:?}");
        assert!(down.out.contains("ended 1 task"), "{down:?}");
        assert!(!is_alive(pid), "the task is gone with the command");
    }
}

#[test]
fn down_ends_a_task_whose_supervisor_died_while_no_agent_was_there() {
    let mut cell = deaf_cell();
    cell.stop();
    let pid = cell.kill9_supervisor("deaf.0", 1);
    assert!(is_alive(pid), "nobody has ended the task yet");
    let down = cell.down_with_tasks(&[]);
    assert!(down.code == Some(0) && down.out.contains("ended 1 task"), "{down:?}");
    assert!(!is_alive(pid), "the task is gone with the command");
}
