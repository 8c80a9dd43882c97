//! Output of tasks as a person gets it: every byte once, as it was written, or words about what is missing.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use crate::cell::{Cell, WITH_AGENT, shell_job};

fn piped(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary is built")
}

/// Runs a command: its exit code, its output byte by byte, and what it said beside.
fn output(cell: &Cell, words: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let ended = piped(&mut cell.command(words)).wait_with_output().expect("a child of this process");
    (ended.status.code(), ended.stdout, String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// Bytes of every value, in an order that repeats after more than can be written.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn bytes_that_are_no_text_come_back_as_they_were_written() {
    let cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let noise = noise(1_000_000);
    let file = cell.results().join("noise");
    fs::write(&file, &noise).expect("a writable directory");
    let path = file.display().to_string();
    let (code, out, said) = output(&cell, &["run", "--name", "noise", "--mem", "32Mi", "--", "cat", &path]);
    assert_eq!((code, out.len()), (Some(0), noise.len()), "{said}");
    assert!(out == noise, "the bytes differ");
    let (code, out, said) = output(&cell, &["logs", "noise"]);
    assert_eq!((code, out.len(), said.as_str()), (Some(0), noise.len(), ""));
    assert!(out == noise, "the bytes differ");
    let (code, out, said) = output(&cell, &["logs", "noise.0", "-n", "1000000"]);
    assert_eq!((code, out.len()), (Some(0), noise.len()), "{said}");
}

/// How many lines are written: more bytes than are kept of an output.
const LINES: u64 = 6_000_000;

/// Whole numbers, a line for each, which ascend; returns them as ranges without a gap.
fn runs(text: &[u8]) -> Vec<(u64, u64)> {
    assert!(text.ends_with(b"\n"), "the last line is torn");
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let text = std::str::from_utf8(line).expect("digits");
        let number: u64 = text.parse().unwrap_or_else(|_| panic!("a torn line: {text:?}"));
        match runs.last_mut() {
            Some((_, last)) if number == *last + 1 => *last = number,
            Some((_, last)) => {
                assert!(number > *last, "{number} after {last}");
                runs.push((number, number));
            }
            None => runs.push((number, number)),
        }
    }
    runs
}

#[test]
fn output_that_a_slow_reader_misses_is_said_and_no_line_is_torn() {
    let cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let count = LINES.to_string();
    let mut run = piped(&mut cell.command(["run", "--name", "many", "--mem", "64Mi", "--", "seq", "1", &count]));
    // Nothing is read before all of it is written.
    assert_eq!(cell.await_end("many"), "SUCCEEDED");
    let mut out = Vec::new();
    run.stdout.take().expect("piped").read_to_end(&mut out).expect("read");
    let ended = run.wait_with_output().expect("a child of this process");
    let said = String::from_utf8_lossy(&ended.stderr);
    let runs = runs(&out);
    assert_eq!(runs.first().map(|(first, _)| *first), Some(1));
    assert_eq!(runs.last().map(|(_, last)| *last), Some(LINES), "{said}");
    assert_eq!(said.matches("are lost: bytes ").count(), runs.len() - 1, "each gap is said: {runs:?} {said}");
    assert_eq!(ended.status.code(), Some(if runs.len() > 1 { 74 } else { 0 }), "{said}");
    assert!(runs.len() > 1, "this shows nothing unless rotation overtakes the reader");

    let (code, kept, said) = output(&cell, &["logs", "many"]);
    let kept = self::runs(&kept);
    assert_eq!((code, kept.len(), kept[0].1), (Some(0), 1, LINES), "{said}");
    assert!(said.contains("the output of many.0 begins at byte "), "{said}");
    let (_, tail, _) = output(&cell, &["logs", "many", "-n", "200000"]);
    assert_eq!(self::runs(&tail), [(LINES - 199_999, LINES)], "as many lines as were asked for");
}

#[test]
fn nothing_is_printed_twice_or_lost_when_the_control_plane_is_killed_in_the_middle() {
    let mut cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    let script = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; sleep 0.01; done; until [ -e \"$RESULTS/go\" ]; do sleep 0.05; done; echo 401";
    let results = format!("RESULTS={}", cell.results().display());
    let words = ["run", "--name", "talk", "--mem", "32Mi", "--env", &results, "--", "sh", "-c", script];
    let mut run = piped(&mut cell.command(words));
    let mut lines = BufReader::new(run.stdout.take().expect("piped")).lines();
    let mut seen = vec![lines.next().expect("a line").expect("text")];
    let logs = piped(&mut cell.command(["logs", "-f", "talk"]));
    while seen.len() < 20 {
        seen.push(lines.next().expect("a line").expect("text"));
    }
    cell.kill9_control_plane();
    cell.restart();
    cell.open_gate("go");
    seen.extend(lines.map(|line| line.expect("text")));
    let expected: Vec<String> = (1..=401).map(|number: u32| number.to_string()).collect();
    assert_eq!(seen, expected);
    assert_eq!(run.wait().expect("a child of this process").code(), Some(0));
    let logs = logs.wait_with_output().expect("a child of this process");
    let followed: Vec<_> = String::from_utf8_lossy(&logs.stdout).lines().map(String::from).collect();
    assert_eq!((logs.status.code(), followed), (Some(0), expected), "{}", String::from_utf8_lossy(&logs.stderr));
    cell.run_job(&shell_job(&cell, "next", 1, "true"));
    assert_eq!(cell.await_end("next"), "SUCCEEDED", "the cell takes work as before");
}
