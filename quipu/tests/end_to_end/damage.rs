//! A killed cell's files are damaged: every command that reads its log says so, and says it in time.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use crate::cell::{Cell, WITHOUT_AGENT, process::Ended, wait_for};

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
    let commands: [(&'static str, &[&str]); 5] = [
        ("check", &["log", "check", "--log", &log]),
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

/// Runs `quipu up` where it must refuse, and returns what it said.
fn up_refuses(cell: &Cell) -> Ended {
    let up = cell.quipu(["up", "--no-agent", "--listen", "127.0.0.1:0"]);
    assert_eq!(up.code, Some(1), "{up:?}");
    assert!(!up.out.contains("quipu is up"), "{up:?}");
    assert!(up.err.contains("hint: "), "{}", up.err);
    up
}

/// A cell that was stopped well, so that it has a snapshot and a signed checkpoint.
fn stopped() -> Cell {
    let mut cell = Cell::start(WITHOUT_AGENT);
    assert_eq!(cell.quipu(["run", "--detach", "--name", "one", "--", "true"]).code, Some(0));
    cell.stop();
    cell
}

#[test]
fn up_is_not_said_before_the_log_the_snapshots_and_the_key_were_found_to_be_good() {
    let cell = stopped();
    let (key, log) = (cell.dir().join("signing-key"), cell.dir().join("log"));
    let whole = fs::read_to_string(&key).expect("text");
    let last = whole.trim_end().chars().last().expect("a digit");
    let other = if last == '0' { '1' } else { '0' };
    fs::write(&key, format!("{}{other}\n", &whole.trim_end()[..whole.trim_end().len() - 1])).expect("written");
    assert!(up_refuses(&cell).err.contains("is not a whole signing key"));
    fs::remove_file(&key).expect("removed");
    assert!(up_refuses(&cell).err.contains("there is no signing key"));
    assert!(!key.exists(), "no new identity is made");
    fs::write(&key, whole).expect("written");

    // A log that has lost everything, and the step that an operator would take then.
    fs::rename(&log, cell.results().join("log")).expect("moved");
    let foreign = up_refuses(&cell);
    assert!(foreign.err.contains("the log has lost its end"), "{}", foreign.err);
    fs::remove_dir_all(cell.dir().join("projections")).expect("removed");
    let ahead = up_refuses(&cell);
    assert!(ahead.err.contains("the log has lost its end") && ahead.err.contains("gives up for good"), "{}", ahead.err);
}

#[test]
fn damage_that_no_start_meets_is_found_by_the_check_in_the_background_and_by_command() {
    let mut cell = Cell::start(WITHOUT_AGENT);
    // Several blocks of what hardly compresses, so that the end of the file says nothing of its beginning.
    for name in 0..12_u64 {
        let words = (0..500_u64).map(|n| format!("{:016x}", (name * 500 + n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let (name, text) = (format!("job-{name}"), words.collect::<String>());
        assert_eq!(cell.quipu(["run", "--detach", "--name", &name, "--", "true", &text]).code, Some(0));
    }
    cell.stop();
    // What a start finds in the write-ahead log goes to a sorted file.
    cell.restart();
    cell.stop();
    let log = cell.dir().display().to_string();
    let good = cell.quipu(["log", "check", "--log", &log]);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.out.contains("every one is there, as it was written"), "{}", good.out);

    let store = fs::read_dir(cell.dir().join("log/store")).expect("a store").flatten().map(|entry| entry.path());
    let oldest = store.filter(|path| path.extension().is_some_and(|end| end == "sst")).min().expect("a sorted file");
    let mut bytes = fs::read(&oldest).expect("read");
    assert!(bytes.len() > 64 * 1024, "the file has {} bytes", bytes.len());
    bytes[60] ^= 1;
    fs::write(&oldest, bytes).expect("written");
    let bad = cell.quipu(["log", "check", "--log", &log]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.err.contains("the log is good up to offset 0, and not from there on"), "{}", bad.err);
    let up = cell.quipu(["up", "--no-agent", "--listen", "127.0.0.1:0"]);
    assert_eq!(up.code, Some(1), "{up:?}");
    assert!(up.err.contains("the check of the whole log found damage"), "{}", up.err);
}

#[test]
fn the_address_of_the_gateway_is_replaced_and_never_half_written() {
    use std::os::unix::fs::MetadataExt;
    let mut cell = Cell::start(WITHOUT_AGENT);
    let path = cell.dir().join("gateway-url");
    let inode = |path: &std::path::Path| fs::metadata(path).expect("there").ino();
    // A second name for the file, so that its number is not given to the next one.
    let second = cell.dir().join("gateway-url.second");
    fs::hard_link(&path, &second).expect("linked");
    cell.stop();
    cell.restart();
    // The cell answers at the old address before it has written it again.
    wait_for("another file", || (inode(&path) != inode(&second)).then_some(()));
}

#[test]
fn too_little_memory_is_said_in_words() {
    let cell = stopped();
    let limited = |kib: u32, arguments: &[&str]| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -v $0; exec \"$@\"", &kib.to_string()]);
        command.arg(crate::cell::binary()).args(arguments);
        crate::cell::process::run(&mut command, &cell.results(), || {})
    };
    let dir = cell.dir().display().to_string();
    for kib in [200_000, 500_000, 1_000_000, 1_500_000] {
        // Each of these opens the store of a log.
        let commands: [&[&str]; 4] = [
            &["up", "--no-agent", "--dir", &dir, "--listen", "127.0.0.1:0"],
            &["log", "check", "--log", &dir],
            &["audit", "verify", "--log", &dir],
            &["whatif", "--log", &dir],
        ];
        for command in commands {
            let ended = limited(kib, command);
            assert_eq!(ended.code, Some(1), "{kib} {command:?}: {ended:?}");
            assert!(
                ended.err.contains("the address space of this process is limited"),
                "{kib} {command:?}: {}",
                ended.err
            );
        }
    }
}

#[test]
fn a_mark_of_what_was_acked_that_is_half_damaged_is_said() {
    use std::os::unix::fs::FileExt;
    let mut cell = Cell::start(WITHOUT_AGENT);
    assert_eq!(cell.quipu(["run", "--detach", "--name", "one", "--", "true"]).code, Some(0));
    cell.kill9_control_plane();
    let directory = cell.dir().display().to_string();
    let check = || cell.quipu(["log", "check", "--log", &directory]);
    let doubt = "one of the two slots of the mark of what was acked cannot be read";
    let whole = check();
    assert_eq!((whole.code, whole.out.contains(doubt)), (Some(0), false), "{whole:?}");
    let mark = fs::OpenOptions::new().write(true).open(cell.dir().join("log/acked")).expect("a mark");
    mark.write_all_at(&[0xa5; 16], 65536).expect("written");
    let half = check();
    assert_eq!((half.code, half.out.contains(doubt)), (Some(0), true), "{half:?}");
    cell.restart();
    wait_for("the doubt to be said", || cell.messages().contains(doubt).then_some(()));
}
