//! A killed cell's files are damaged: every command that reads its log says so, and says it in time.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use crate::cell::{Cell, WITHOUT_AGENT, process::Ended};

/// A cell that has acked some jobs and was killed.
fn killed() -> Cell {
    let mut cell = Cell::start(WITHOUT_AGENT);
    for name in ["one", "two", "three", "four"] {
        assert_eq!(cell.quipu(["run", "--detach", "--name", name, "--", "true"]).code, Some(0));
    }
    cell.kill9_control_plane();
    cell
}

/// The newest write-ahead log of a cell.
fn wal(cell: &Cell) -> PathBuf {
    let entries = fs::read_dir(cell.dir().join("log/store")).expect("a store").flatten().map(|entry| entry.path());
    let logs = entries.filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.max().expect("a write-ahead log")
}

/// Runs each command that reads a whole log.
fn every_reader(cell: &Cell) -> Vec<(&'static str, Ended)> {
    let log = cell.dir().display().to_string();
    let result = |name: &str| cell.results().join(name).display().to_string();
    let (file, archive) = (result("cell.qlog"), result("archive"));
    let commands: [(&'static str, &[&str]); 4] = [
        ("audit", &["audit", "verify", "--log", &log]),
        ("whatif", &["whatif", "--log", &log]),
        ("archive", &["log", "archive", "--all", "--log", &log, "--archive", &archive]),
        ("export", &["log", "export", "--log", &log, &file]),
    ];
    commands.map(|(name, arguments)| (name, cell.quipu(arguments))).into()
}

fn is_refused(cell: &Cell, because: &[&str]) {
    for (name, ended) in every_reader(cell) {
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        assert!(because.iter().all(|words| ended.err.contains(words)), "{name}: {}", ended.err);
        assert!(ended.err.contains("hint: "), "{name}: {}", ended.err);
    }
    assert!(!Path::new(&cell.results().join("cell.qlog")).exists(), "nothing is exported from such a log");
}

#[test]
fn a_log_that_has_lost_acked_records_is_refused_by_every_reader_as_it_is_by_up() {
    let cell = killed();
    let (wal, place) = (wal(&cell), cell.dir().join("log"));
    let whole = fs::read(&wal).expect("read");
    fs::write(&wal, &whole[..whole.len() / 2]).expect("written");
    is_refused(&cell, &["were acked"]);
    fs::write(&wal, &whole).expect("written");
    fs::rename(place.join("acked"), place.join("elsewhere")).expect("renamed");
    is_refused(&cell, &["acked-to watermark"]);
    fs::rename(place.join("elsewhere"), place.join("acked")).expect("renamed");
    for (name, ended) in every_reader(&cell) {
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
    }
}

#[test]
fn bytes_after_the_end_of_the_write_ahead_log_keep_no_reader_for_ever() {
    let cell = killed();
    let mut wal = fs::File::options().append(true).open(wal(&cell)).expect("there");
    wal.write_all(b"\0\0\0\0\x05\0\x06hello").expect("appended");
    is_refused(&cell, &["is damaged at byte"]);
}

#[test]
fn an_audit_says_what_it_could_not_see() {
    let mut cell = killed();
    let log = cell.dir().display().to_string();
    let audit = cell.quipu(["audit", "verify", "--log", &log]);
    assert_eq!(audit.code, Some(0), "{audit:?}");
    assert!(audit.out.contains("not seen: there is no signed checkpoint to compare with yet"), "{}", audit.out);
    assert!(audit.out.contains("not seen: all records that were acked are there"), "{}", audit.out);
    cell.restart();
    cell.stop();
    let signed = cell.quipu(["audit", "verify", "--log", &log]);
    assert_eq!(signed.code, Some(0), "{signed:?}");
    assert!(!signed.out.contains("no signed checkpoint to compare"), "{}", signed.out);
}
