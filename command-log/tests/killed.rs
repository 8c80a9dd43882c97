//! A real process is killed while it appends, again and again, on one log.
//!
//! A program of its own: between fork and exec a child holds its parent's locks, and would keep them
//! from the stories of recovery, which open and close one log after the other.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use command_log::{
    Log,
    conformance::read_all,
    embedded::{EmbeddedLog, Options},
};
use log_schema::{Kind, Record};
use tokio::runtime::{Builder, Runtime};

const PLACE: &str = "QUIPU_TEST_KILLED_LOG";
const KILLS: u64 = 4;

#[test]
fn a_killed_process_has_lost_nothing_that_it_was_told() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut told = 0;
    for kill in 1..=KILLS {
        told = told.max(run_until_killed(dir.path(), 37 * kill));
        let log = EmbeddedLog::open(dir.path(), options()).expect("the log opens again");
        let read = runtime().block_on(read_all(&log));
        assert!(read.len() as u64 >= told, "{told} records were acked, {} are there", read.len());
        assert!((0..).zip(&read).all(|(n, stored)| stored.record == command(n)));
    }
    assert!(told >= 37 * KILLS);
}

/// Starts this test's own program to append, kills it after so many more acks, and returns how many
/// records it was told are durable.
fn run_until_killed(place: &Path, acks: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["the_process_that_is_killed", "--exact", "--nocapture"])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let (mut told, mut seen) = (0, 0);
    for high in lines.filter_map(|line| line.strip_prefix("acked ")?.parse().ok()) {
        told = high;
        seen += 1;
        if seen == acks {
            child.kill().expect("killed");
        }
    }
    child.wait().expect("ended");
    assert!(seen >= acks, "the process ended by itself after {seen} acks");
    told
}

/// Appends for ever, where the story above asks for it; otherwise there is nothing to do.
#[test]
fn the_process_that_is_killed() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let log = EmbeddedLog::open(place, options()).expect("the log opens");
    runtime().block_on(async {
        let mut next = log.watermarks().await.expect("known").high.0;
        loop {
            let batch: Vec<_> = (next..next + 1 + next % 4).map(command).collect();
            next = log.append(batch).await.expect("appended").last().expect("not empty").0 + 1;
            // One line in one write, so that a kill cannot leave half of it.
            let line = format!("\nacked {next}\n");
            std::io::stdout().write_all(line.as_bytes()).expect("the parent reads");
        }
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Small buffers, so that some kills meet a flush.
fn options() -> Options {
    Options { tail_bytes_max: 0, write_buffer_bytes: 64 * 1024, ..Options::default() }
}

/// The n-th command: its size and its bytes follow from `n`.
fn command(n: u64) -> Record {
    let bytes = 40 + n.wrapping_mul(2_654_435_761) % 500;
    let payload: Vec<u8> = (0..bytes).map(|at| (n ^ at).to_le_bytes()[0]).collect();
    Record::v1(Kind::SubmitJob, payload)
}
