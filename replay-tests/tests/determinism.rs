//! The same commands give the same decisions: in another process, in other batches, and years later.
//!
//! The golden log is bytes that an allocator of logic version 1 wrote, with everything in it that a log
//! can hold. A change that decides it otherwise is a new logic version (see `LOGIC_VERSION`), never a
//! new golden log. `QUIPU_BLESS=1` writes one where none is: for a new version, beside the old one.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use allocator::{State, answer};
use bytes::Bytes;
use command_log::{Stored, memory::MemoryLog};
use log_schema::{AnswerV1, Chain, Kind, Offset, Record, TimeMs, codec};
use replay::{
    Changes, Report,
    moment::Moment,
    verify,
    whatif::{History, Pace, Until, compare, run},
};
use sha2::{Digest, Sha256};

#[path = "../../replay/tests/replay/cell.rs"]
mod cell;
#[path = "../../replay/tests/replay/wild.rs"]
mod wild;

use cell::{records, runtime};
use wild::wild_log;

/// Tells a child process how to batch; absent in the parent.
const BATCH: &str = "QUIPU_DETERMINISM_BATCH";
const SEED: u64 = 2026;

/// What must be equal wherever the commands are decided.
fn decide_in_batches(batch: usize) -> String {
    let log = records(&wild_log(SEED, 1200, true));
    let commands: Vec<Record> =
        log.into_iter().map(|stored| stored.record).filter(|record| record.kind != Kind::Decision.number()).collect();
    let mut state = State::default();
    let mut chain = Chain::default();
    let mut answers = Sha256::new();
    for (index, records) in commands.chunks(batch).enumerate() {
        let mut made: Vec<AnswerV1> = Vec::new();
        for (record, at) in records.iter().zip((index * batch) as u64..) {
            chain = chain.link(Offset(at), record);
            made.extend(answer(&mut state, Offset(at), record).expect("a known record"));
        }
        // A batch ends here: another process would go on from a snapshot.
        state = State::decode(&state.encode()).expect("a snapshot can be read");
        for answer in &made {
            answers.update(codec::encode(answer));
        }
    }
    let answers: [u8; 32] = answers.finalize().into();
    format!("chain {chain} state {} answers {}", state.digest(), Chain(answers))
}

/// Not a test by itself: what [`other_processes_and_other_batches_decide_the_same`] starts.
#[test]
fn a_child_decides_in_batches_of_its_own() {
    if let Some(batch) = env::var_os(BATCH).and_then(|batch| batch.to_str()?.parse().ok()) {
        println!("decided {}", decide_in_batches(batch));
    }
}

#[test]
fn other_processes_and_other_batches_decide_the_same() {
    let expected = format!("decided {}", decide_in_batches(1));
    for batch in [1, 7, 100, 100_000] {
        let mut child = Command::new(env::current_exe().expect("this program"));
        child.args(["--exact", "a_child_decides_in_batches_of_its_own", "--nocapture"]);
        let output = child.env(BATCH, batch.to_string()).output().expect("the child runs");
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(said.contains(&expected), "in batches of {batch}: {said}\ninstead of {expected}");
    }
}

/// The golden log, and what it comes to.
const GOLDEN: &str = "golden/cell-logic-1.log";
const GOLDEN_CHAIN: &str = "7dd9bfe1dab0f421733f2e1531534028ce605b70993332673663f992d9bcef61";
const GOLDEN_ANSWERS: u64 = 438;
/// Over the bytes of a snapshot: changes with the form of the state, too, which alone is no new logic version.
const GOLDEN_STATE: &str = "b56e5f52dc7a29803312610b0f8618e7270f837b065edb4247b029a3937da252";
/// Of a what-if on it: one agent less and another policy, from the middle on.
const GOLDEN_FORK_CHAIN: &str = "33bdac3d7d40140bcfe8c13d3d56e43e10dd7875b65213100ad6ddbe6d8af2a0";

fn golden_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN)
}

/// Each record: time (8 bytes), kind (2), version (2), length of the payload (4), payload; big-endian.
fn write_log(records: &[Stored]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Stored { time, record: Record { kind, version, payload }, .. } in records {
        bytes.extend(time.0.to_be_bytes());
        bytes.extend(kind.to_be_bytes());
        bytes.extend(version.to_be_bytes());
        bytes.extend(u32::try_from(payload.len()).expect("a short payload").to_be_bytes());
        bytes.extend(payload);
    }
    bytes
}

fn read_log(mut bytes: &[u8]) -> MemoryLog {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let time = TimeMs(u64::from_be_bytes(take(&mut bytes)));
        let kind = u16::from_be_bytes(take(&mut bytes));
        let version = u16::from_be_bytes(take(&mut bytes));
        let length = u32::from_be_bytes(take(&mut bytes)) as usize;
        let (payload, rest) = bytes.split_at(length);
        bytes = rest;
        let record = Record { kind, version, payload: Bytes::copy_from_slice(payload) };
        records.push(Stored { offset: Offset(records.len() as u64), time, record });
    }
    MemoryLog::from_records(records)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (taken, rest) = bytes.split_first_chunk::<N>().expect("a whole record");
    *bytes = rest;
    *taken
}

fn golden() -> MemoryLog {
    let path = golden_path();
    if env::var_os("QUIPU_BLESS").is_some() && !path.exists() {
        fs::write(&path, write_log(&records(&wild_log(SEED, 700, true)))).expect("a golden log is written");
    }
    read_log(&fs::read(&path).expect("the golden log is there"))
}

#[test]
fn the_golden_log_is_decided_as_when_it_was_written() {
    let report: Report = runtime().block_on(verify(&golden(), &mut |_| {})).expect("a log that can be read");
    assert!(report.holds(), "{:?}", report.finding);
    let found = (report.chain.to_string(), report.answers, report.state_digest.to_string());
    assert_eq!(found, (GOLDEN_CHAIN.to_owned(), GOLDEN_ANSWERS, GOLDEN_STATE.to_owned()));
}

#[test]
fn a_fork_of_the_golden_log_goes_as_it_went() {
    let log = golden();
    let middle = Moment::Offset(Offset(200));
    let history = runtime().block_on(History::read(&log, middle, &mut |_| {})).expect("a history");
    let mut changes = Changes::default();
    changes.add_set("policy=spread").expect("a parameter");
    changes.add_drop_agent("a1").expect("an id");
    let fork = run(&history, &changes, Pace::History, Until::WorkIsDone).expect("a run");
    assert_eq!(fork.chain.to_string(), GOLDEN_FORK_CHAIN);
    let found = compare(&history, &changes).expect("a comparison");
    assert_eq!(found.card.records_equal, 500);
    assert_eq!(found.variant.chain, fork.chain);
}

#[test]
fn the_golden_log_holds_what_its_name_says() {
    let mut kinds: Vec<u16> = records(&golden()).iter().map(|stored| stored.record.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let never = [Kind::ActivateLogic];
    let missing = Kind::ALL.iter().filter(|kind| !never.contains(kind) && !kinds.contains(&kind.number()));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&Kind>::new());
}
