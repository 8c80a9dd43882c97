//! Processes of this machine: run to their end within a bound, or looked at from outside.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{LOOK_EVERY, PATIENCE};

/// The kernel's unit of CPU time, per second: the same on every Linux, whatever its own timer.
const TICKS_PER_S: u64 = 100;

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a program to its end; one that takes too long is killed. `meanwhile` is called now and then.
pub fn run(command: &mut Command, scratch: &Path, meanwhile: impl FnMut()) -> Ended {
    run_within(PATIENCE, command, scratch, meanwhile)
}

/// The same, for what may take longer.
pub fn run_within(patience: Duration, command: &mut Command, scratch: &Path, mut meanwhile: impl FnMut()) -> Ended {
    let output = || tempfile::NamedTempFile::new_in(scratch).expect("a writable directory");
    let (out, err) = (output(), output());
    let handle = |file: &tempfile::NamedTempFile| Stdio::from(file.reopen().expect("just made"));
    let spawned = command.stdin(Stdio::null()).stdout(handle(&out)).stderr(handle(&err)).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let begun = Instant::now();
    let code = loop {
        meanwhile();
        if let Some(status) = child.try_wait().expect("a child of this process") {
            break status.code();
        }
        if begun.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let read = |file: &tempfile::NamedTempFile| {
        String::from_utf8_lossy(&fs::read(file.path()).unwrap_or_default()).into_owned()
    };
    Ended { code, out: read(&out), err: read(&err) }
}

/// Whether a process runs: one that has ended and was not reaped yet does not.
pub fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| !matches!(fields[0].as_str(), "Z" | "X"))
}

/// The CPU time that a process has used, in milliseconds.
pub fn cpu_ms(pid: i32) -> Option<u64> {
    let fields = stat(pid)?;
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) * 1000 / TICKS_PER_S)
}

/// The fields of `/proc/PID/stat` from the state on: the name before may hold anything.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<String> = text.rsplit_once(')')?.1.split_whitespace().map(ToOwned::to_owned).collect();
    (!fields.is_empty()).then_some(fields)
}
