//! The audit holds for whatever an allocator wrote, and finds whatever was changed since.

use allocator::leader::checkpoint::{Checkpoint, PublicKey, Signed, Signer};
use bytes::Bytes;
use command_log::{Error::BelowLow, Stored, memory::MemoryLog, reader::Verdict};
use log_schema::{Command, DecisionV1, Event, Kind, Offset, Record, codec, job::JobKind};
use replay::{Report, redecide::Redecider, verify, verify::Error, verify_against};

use super::{
    cell::{Cell, records, runtime},
    wild::{wild_cell, wild_log},
};

fn audit(log: &MemoryLog) -> Report {
    runtime().block_on(verify(log, &mut |_| {})).expect("a log that can be read")
}

fn audit_changed(mut records: Vec<Stored>, change: impl FnOnce(&mut Vec<Stored>)) -> Report {
    change(&mut records);
    for (index, stored) in records.iter_mut().enumerate() {
        stored.offset = Offset(index as u64);
    }
    audit(&MemoryLog::from_records(records))
}

/// Two agents, one job, all done.
fn small() -> Cell {
    let mut cell = Cell::new(1);
    cell.agent("a1", 4000);
    cell.agent("a2", 4000);
    cell.live(100);
    cell.job("web", JobKind::Batch, 3, 1000);
    cell.live(2000);
    cell
}

fn position(records: &[Stored], kind: Kind) -> usize {
    records.iter().position(|stored| stored.record.kind == kind.number()).expect("one is there")
}

/// The first decision that places a task.
fn first_placement(records: &[Stored]) -> (usize, DecisionV1) {
    let decisions = records.iter().enumerate().filter(|(_, stored)| stored.record.kind == Kind::Decision.number());
    let mut decoded = decisions.map(|(index, stored)| {
        (index, codec::decode::<DecisionV1>("decision", &stored.record.payload).expect("a decision"))
    });
    decoded.find(|(_, decision)| decision.events().any(|event| event.name() == "task.placed")).expect("one is placed")
}

#[test]
fn every_decision_of_a_wild_log_follows_from_it() {
    for seed in 1..40 {
        let cell = wild_cell(seed, 600, seed % 2 == 0);
        let report = audit(&cell.log);
        assert!(report.holds(), "seed {seed}: {:?}", report.finding);
        assert_eq!((report.chain, report.high), (cell.reader.chain(), cell.reader.next()));
        assert_eq!(report.state_digest, cell.state.digest(), "seed {seed}");
        let counted = report.commands + report.epochs + report.epochs_void + report.decisions;
        assert_eq!(counted + report.decisions_void + report.decisions_duplicate, report.records);
        assert_eq!(report.undecided, cell.undecided.len() as u64);
    }
}

#[test]
fn progress_is_told_and_ends_at_the_end() {
    let log = wild_log(3, 200, false);
    let mut told = Vec::new();
    runtime().block_on(verify(&log, &mut |progress| told.push(progress))).expect("a log that can be read");
    let last = told.last().expect("told at least once");
    assert_eq!(last.next, last.end);
}

#[test]
fn a_changed_command_is_found_and_the_answer_that_no_longer_fits_is_named() {
    let records = small().records();
    let at = position(&records, Kind::SubmitJob);
    let report = audit_changed(records, |records| {
        let (envelope, command) = Command::from_record(&records[at].record).expect("a command");
        let Command::SubmitJob(mut submit) = command else { panic!("a job is submitted") };
        submit.job.count = 2;
        records[at].record = Command::SubmitJob(submit).to_record(&envelope);
    });
    let finding = report.finding.expect("something is found");
    assert_eq!(finding.code, "chain_mismatch");
    let difference = finding.difference.expect("an answer differs");
    assert_eq!((difference.command_at, difference.command), (Some(Offset(at as u64)), Some("submit_job")));
    assert_ne!(difference.expected, difference.recorded);
}

#[test]
fn a_flipped_byte_in_any_record_that_was_answered_is_found() {
    let records = small().records();
    let answered = records.iter().rposition(|stored| stored.record.kind == Kind::Decision.number()).expect("one");
    for at in 0..answered {
        let middle = records[at].record.payload.len() / 2;
        let report = audit_changed(records.clone(), |records| {
            let mut payload = records[at].record.payload.to_vec();
            payload[middle] ^= 1;
            records[at].record.payload = Bytes::from(payload);
        });
        let decision_of_it = records.iter().find(|stored| answers(stored, at)).expect("it was answered");
        let found = report.finding.unwrap_or_else(|| panic!("nothing was found at {at}"));
        assert!(found.at <= decision_of_it.offset, "{at} was found only at {}", found.at);
    }
}

fn answers(stored: &Stored, at: usize) -> bool {
    stored.record.kind == Kind::Decision.number()
        && codec::decode::<DecisionV1>("decision", &stored.record.payload)
            .is_ok_and(|decision| decision.to.0 >= at as u64)
}

#[test]
fn a_changed_answer_is_found_with_both_sides() {
    let records = small().records();
    let (at, mut decision) = first_placement(&records);
    for event in decision.answers.iter_mut().flat_map(|answer| &mut answer.events) {
        if let Event::TaskPlaced(placed) = event {
            placed.agent = "a2".parse().expect("an agent id");
        }
    }
    let report = audit_changed(records, |records| records[at].record = decision.to_record());
    let finding = report.finding.expect("something is found");
    assert_eq!((finding.code, finding.at), ("decision_differs", Offset(at as u64)));
    let difference = finding.difference.expect("an answer differs");
    assert_eq!(difference.command, Some("submit_job"));
    assert!(difference.first_byte.is_some());
    assert!(difference.expected.to_string().contains("a1"), "{}", difference.expected);
    assert!(difference.recorded.to_string().contains("a2"), "{}", difference.recorded);
}

#[test]
fn an_answer_that_is_left_out_is_found() {
    let records = small().records();
    let (at, mut decision) = first_placement(&records);
    decision.answers.pop();
    let report = audit_changed(records, |records| records[at].record = decision.to_record());
    let difference = report.finding.and_then(|finding| finding.difference).expect("an answer differs");
    assert!(difference.recorded.is_null() && !difference.expected.is_null());
}

#[test]
fn a_record_that_is_taken_out_is_found() {
    let records = small().records();
    let answered = records.iter().rposition(|stored| stored.record.kind == Kind::Decision.number()).expect("one");
    for at in 0..answered {
        let report = audit_changed(records.clone(), |records| drop(records.remove(at)));
        assert!(!report.holds(), "record {at} is not missed");
    }
}

#[test]
fn a_record_that_is_put_in_is_found() {
    let records = small().records();
    let extra = Stored { record: Record::v1(Kind::Tick, Bytes::from_static(b"\x80")), ..records[0].clone() };
    let report = audit_changed(records, |records| records.insert(3, extra));
    assert_eq!(report.finding.map(|finding| finding.code), Some("chain_mismatch"));
}

#[test]
fn a_log_whose_beginning_is_gone_needs_a_snapshot() {
    let rest = records(&wild_log(4, 100, false)).split_off(10);
    let refused = runtime().block_on(verify(&MemoryLog::from_records(rest), &mut |_| {}));
    assert!(matches!(refused, Err(Error::Log(BelowLow { from: Offset(0), low: Offset(10) }))));
}

/// What a leader signs after each decision of a log.
fn signed(log: &MemoryLog) -> (tempfile::TempDir, Vec<Signed>) {
    let dir = tempfile::tempdir().expect("a directory");
    let signer = Signer::open(&dir.path().join("key"), dir.path()).expect("made");
    let mut again = Redecider::default();
    let mut all = Vec::new();
    for stored in records(log) {
        if let Verdict::Decision(decision) = again.step(&stored).expect("a log that holds") {
            let state = again.state().digest();
            all.push(signer.sign(Checkpoint { at: decision.to, chain: decision.chain, state }));
        }
    }
    (dir, all)
}

fn audit_against(log: &MemoryLog, signed: &[Signed]) -> Report {
    runtime().block_on(verify_against(log, signed, &[], &mut |_| {})).expect("a log that can be read")
}

#[test]
fn a_log_holds_against_what_was_signed_of_it() {
    let log = wild_log(7, 300, true);
    let (_key, signed) = signed(&log);
    let report = audit_against(&log, &signed);
    assert!(report.holds(), "{:?}", report.finding);
    assert_eq!(report.checkpoints, signed.len() as u64);
    assert_eq!(report.checkpoint_keys, [signed[0].key]);
    assert!(report.checkpoints > 10);
}

#[test]
fn another_log_that_holds_by_itself_is_found_by_a_signed_checkpoint() {
    let (_key, signed) = signed(&wild_log(7, 300, true));
    let other = wild_log(8, 300, true);
    assert!(audit(&other).holds());
    let found = audit_against(&other, &signed).finding.expect("another log");
    assert_eq!(found.code, "checkpoint_differs");
}

#[test]
fn a_log_that_lost_its_end_is_found_by_a_signed_checkpoint() {
    let log = wild_log(7, 300, true);
    let (_key, signed) = signed(&log);
    let shorter = MemoryLog::from_records(records(&log)[..150].to_vec());
    assert!(audit(&shorter).holds());
    let report = audit_against(&shorter, &signed);
    assert_eq!(report.finding.expect("shorter").code, "checkpoint_beyond");
    assert!(report.checkpoints > 0);
}

#[test]
fn a_checkpoint_that_nobody_signed_is_found() {
    let log = wild_log(7, 300, true);
    let (_key, signed) = signed(&log);
    let text = signed[0].to_string();
    let (before, digits) = text.split_at(text.rfind("signature ").expect("a line") + "signature ".len());
    let forged = format!("{before}{}{}", if digits.starts_with('0') { '1' } else { '0' }, &digits[1..]);
    let found = audit_against(&log, &[forged.parse().expect("a checkpoint")]).finding.expect("forged");
    assert_eq!(found.code, "checkpoint_forged");
}

#[test]
fn a_checkpoint_by_a_key_that_was_not_asked_for_is_found() {
    let log = wild_log(7, 300, true);
    let ((_key, signed), (_other, by_another)) = (signed(&log), signed(&log));
    let audit = |signed: &[Signed], trusted: &[PublicKey]| {
        runtime().block_on(verify_against(&log, signed, trusted, &mut |_| {})).expect("a log that can be read")
    };
    let (own, another) = (signed[0].key, by_another[0].key);
    assert!(audit(&signed, &[own]).holds() && audit(&signed, &[another, own]).holds());
    let report = audit(&signed, &[another]);
    let found = report.finding.expect("another key");
    assert_eq!((found.code, report.checkpoints), ("checkpoint_of_another_key", 0));
    assert!(found.message.contains(&own.to_string()), "{}", found.message);
    // The allocators of a cell have a key each.
    let both = [signed[0].clone(), by_another[1].clone()];
    let mut keys = [own, another];
    keys.sort();
    assert_eq!(audit(&both, &keys).checkpoint_keys, keys);
}
