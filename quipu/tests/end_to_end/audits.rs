//! The audit and its checkpoints: whose signatures they are, and what it says where there are none.

use std::fs;

use crate::cell::{Cell, WITHOUT_AGENT, process::Ended};

fn verify(cell: &Cell, arguments: &[&str]) -> Ended {
    let log = cell.dir().display().to_string();
    cell.quipu(["audit", "verify", "--log", &log].into_iter().chain(arguments.iter().copied()))
}

/// A cell that has decided something and was stopped well, so that its leader has signed it.
fn stopped() -> Cell {
    let mut cell = Cell::start(WITHOUT_AGENT);
    assert_eq!(cell.quipu(["run", "--detach", "--name", "web", "--", "true"]).code, Some(0));
    cell.stop();
    cell
}

fn signer(audit: &Ended) -> &str {
    let line = audit.out.lines().find_map(|line| line.trim().strip_prefix("signed by "));
    line.unwrap_or_else(|| panic!("nobody signed: {audit:?}"))
}

#[test]
fn an_audit_says_who_signed_and_takes_no_signature_but_the_one_that_is_asked_for() {
    let cell = stopped();
    let audit = verify(&cell, &[]);
    assert_eq!(audit.code, Some(0), "{audit:?}");
    let key = signer(&audit);
    assert_eq!(verify(&cell, &["--key", key]).code, Some(0));
    let (another, as_json) = ("ab".repeat(32), verify(&cell, &["-o", "json"]));
    assert!(as_json.out.contains(&format!("\"{key}\"")), "{}", as_json.out);
    let refused = verify(&cell, &["--key", &another]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.out.contains("THE LOG DOES NOT HOLD") && refused.out.contains(key), "{}", refused.out);
    assert!(refused.out.contains("no key that was asked for"), "{}", refused.out);
}

#[test]
fn an_audit_that_is_to_compare_with_checkpoints_needs_some() {
    let cell = stopped();
    let (nowhere, empty) = (["--checkpoints", "/nonexistent"], cell.results().display().to_string());
    let audit = verify(&cell, &nowhere);
    assert_eq!(audit.code, Some(2), "{audit:?}");
    assert!(audit.err.contains("there is no checkpoint in /nonexistent"), "{}", audit.err);
    assert!(audit.err.contains("hint: "), "{}", audit.err);
    let none_yet = verify(&cell, &["--checkpoints", &empty]);
    assert_eq!(none_yet.code, Some(0), "{none_yet:?}");
    assert!(none_yet.out.contains("no signed checkpoint to compare with yet"), "{}", none_yet.out);
    assert_eq!(verify(&cell, &["--checkpoints", &empty, "--key", &"ab".repeat(32)]).code, Some(2));
    for snapshot in fs::read_dir(cell.dir().join("snapshots")).expect("a directory").flatten() {
        fs::remove_file(snapshot.path()).expect("removed");
    }
    assert_eq!(verify(&cell, &[]).code, Some(0), "checkpoints are compared where there are any");
    assert_eq!(verify(&cell, &["--key", &"ab".repeat(32)]).code, Some(2), "a key says that there must be some");
}

#[test]
fn the_checkpoints_of_a_new_cell_can_be_named_before_there_are_any() {
    let mut cell = Cell::start(WITHOUT_AGENT);
    cell.kill9_control_plane();
    let snapshots = cell.dir().join("snapshots").display().to_string();
    let audit = verify(&cell, &["--checkpoints", &snapshots]);
    assert_eq!(audit.code, Some(0), "{audit:?}");
    assert!(audit.out.contains("no signed checkpoint to compare with yet"), "{}", audit.out);
}

#[test]
fn half_of_a_checkpoint_is_no_checkpoint() {
    let cell = stopped();
    let all = fs::read_dir(cell.dir().join("snapshots")).expect("a directory").flatten().map(|entry| entry.path());
    let path = all.into_iter().find(|path| path.extension().is_some_and(|end| end == "checkpoint")).expect("one");
    let whole = fs::read_to_string(&path).expect("text");
    fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    let audit = verify(&cell, &[]);
    assert_eq!(audit.code, Some(1), "{audit:?}");
    assert!(audit.err.contains("is not a checkpoint"), "{}", audit.err);
}

#[test]
fn what_is_wrong_with_a_question_is_said_before_any_log_is_opened() {
    let cell = Cell::prepare(WITHOUT_AGENT);
    let cases: [&[&str]; 8] = [
        &["audit", "verify", "--log", "kafka://nonsense"],
        &["whatif", "--log", "kafka://nonsense"],
        &["whatif", "--set", "policy=foo"],
        &["whatif", "--at", "2026-99-99T00:00:00Z"],
        &["audit", "verify", "--log", "kafka://127.0.0.1:1/cell", "--key", &"ab".repeat(32)],
        &["log", "archive", "--log", "."],
        &["log", "archive", "--log", ".", "--archive", "archive", "--follow"],
        &["log", "trim", "--log", "."],
    ];
    for arguments in cases {
        let wrong = cell.quipu(arguments);
        assert_eq!(wrong.code, Some(2), "{arguments:?}: {wrong:?}");
    }
}
