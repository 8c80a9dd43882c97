//! A cell whose log is archived and trimmed goes on, and its history is told as before.

use std::fs;

use serde_json::json;

use crate::cell::{Cell, WITH_AGENT, WITHOUT_AGENT, process::Ended, shell_job, wait_for};

fn quipu(cell: &Cell, words: &[&str], archive: bool) -> Ended {
    let (log, dir) = (cell.dir().display().to_string(), cell.results().join("archive").display().to_string());
    let place = ["--log", &log, "--archive", &dir];
    cell.quipu(words.iter().chain(&place[..if archive { 4 } else { 2 }]))
}

fn succeeds(cell: &Cell, words: &[&str]) -> String {
    let ended = quipu(cell, words, true);
    assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
    ended.out
}

#[test]
fn what_is_archived_may_be_trimmed_and_cell_auditor_and_analyst_miss_nothing() {
    let mut cell = Cell::start(WITHOUT_AGENT);
    for name in ["one", "two", "three"] {
        assert_eq!(cell.quipu(["run", "--detach", "--name", name, "--", "true"]).code, Some(0));
    }
    let told = cell.events(&json!({}));
    assert!(quipu(&cell, &["log", "trim"], true).code != Some(0), "there is no archive yet");
    succeeds(&cell, &["log", "archive", "--all"]);
    let in_use = quipu(&cell, &["log", "trim", "--keep", "0"], true);
    assert_eq!(in_use.code, Some(1), "{in_use:?}");
    assert!(in_use.err.contains("runs without an archive") && in_use.err.contains("hint: "), "{}", in_use.err);
    cell.stop();
    succeeds(&cell, &["log", "archive", "--all"]);
    assert!(succeeds(&cell, &["log", "trim"]).starts_with("forgot 0 records"), "a young log keeps all it has");
    assert!(succeeds(&cell, &["log", "trim", "--keep", "3"]).starts_with("forgot "));

    // Whoever needs what is gone says so, and what to do.
    for words in [&["audit", "verify"][..], &["whatif"]] {
        let without = quipu(&cell, words, false);
        assert_eq!(without.code, Some(1), "{without:?}");
        assert!(
            without.err.contains("below the low watermark") && without.err.contains("--archive"),
            "{}",
            without.err
        );
        succeeds(&cell, words);
    }
    assert!(succeeds(&cell, &["log", "check"]).contains("every one is there"));
    let part = quipu(&cell, &["log", "check"], false);
    assert!(part.out.contains("was trimmed: name its archive"), "{part:?}");

    // What the cell has kept is enough for it to go on; with the archive it can build anything again.
    cell.restart();
    assert_eq!(cell.quipu(["run", "--detach", "--name", "four", "--", "true"]).code, Some(0));
    cell.stop();
    fs::remove_dir_all(cell.dir().join("projections")).expect("removed");
    fs::remove_dir_all(cell.dir().join("snapshots")).expect("removed");
    cell.add_options(&["--archive", &cell.results().join("archive").display().to_string()]);
    cell.restart();
    let again = cell.events(&json!({}));
    assert_eq!(again[..told.len()], told[..], "history is what it was");
}

/// The first record that the log of a cell still has, as its directory says.
fn first_record(cell: &Cell) -> u64 {
    let checked = cell.quipu(["--output", "json", "log", "check", "--log", &cell.dir().display().to_string()]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let told: serde_json::Value = serde_json::from_str(&checked.out).expect("JSON");
    told["first"].as_u64().unwrap_or_else(|| panic!("{told}"))
}

#[test]
fn a_cell_that_runs_has_its_log_trimmed_by_command_and_misses_nothing() {
    let mut cell = Cell::start(WITHOUT_AGENT);
    for name in ["one", "two", "three"] {
        assert_eq!(cell.quipu(["run", "--detach", "--name", name, "--", "true"]).code, Some(0));
    }
    let told = cell.events(&json!({}));
    succeeds(&cell, &["log", "archive", "--all"]);
    let without = quipu(&cell, &["log", "trim", "--keep", "0"], true);
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(without.err.contains("the cell runs without an archive"), "{}", without.err);
    assert!(without.err.contains("hint: start the cell with `quipu up --archive DIR`"), "{}", without.err);
    cell.stop();

    let archive = cell.results().join("archive").display().to_string();
    cell.add_options(&["--archive", &archive]);
    cell.restart();
    // An archive of the same records elsewhere is not the one that the cell reads.
    let (log, other) = (cell.dir().display().to_string(), cell.results().join("other").display().to_string());
    assert_eq!(cell.quipu(["log", "archive", "--all", "--log", &log, "--archive", &other]).code, Some(0));
    let refused = cell.quipu(["log", "trim", "--keep", "0", "--log", &log, "--archive", &other]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("the cell runs with the archive in"), "{}", refused.err);

    succeeds(&cell, &["log", "archive", "--all"]);
    assert!(succeeds(&cell, &["log", "trim"]).starts_with("forgot 0 records"), "a young log keeps all it has");
    assert_eq!(first_record(&cell), 0);
    assert!(succeeds(&cell, &["log", "trim", "--keep", "3"]).starts_with("forgot "));
    assert!(first_record(&cell) > 5, "it is the log in the directory that has forgotten");
    let beyond = quipu(&cell, &["log", "trim", "--keep", "0", "--below", "1000000"], true);
    assert!(beyond.err.contains("and not all below 1000000"), "{}", beyond.err);

    // The cell goes on, tells all of its history, and builds its rows again from the archive.
    assert_eq!(cell.quipu(["run", "--detach", "--name", "four", "--", "true"]).code, Some(0));
    assert_eq!(cell.events(&json!({}))[..told.len()], told[..]);
    assert!(succeeds(&cell, &["audit", "verify"]).contains("the log holds"));
    cell.kill9_control_plane();
    fs::remove_dir_all(cell.dir().join("projections")).expect("removed");
    fs::remove_dir_all(cell.dir().join("snapshots")).expect("removed");
    cell.restart();
    assert_eq!(cell.events(&json!({}))[..told.len()], told[..], "history is what it was");
    assert!(succeeds(&cell, &["log", "check"]).contains("every one is there"));
}

#[test]
fn the_past_is_dropped_after_the_stated_time_and_who_asks_for_it_is_told() {
    let mut cell = Cell::start(WITH_AGENT);
    for name in ["one", "two", "three"] {
        assert_eq!(cell.quipu(["run", "--detach", "--name", name, "--", "true"]).code, Some(0));
    }
    cell.stop();
    cell.add_options(&["--history", "1ms"]);
    cell.restart();
    // A cell at rest decides nothing, and drops nothing. Log time passes by ticks, which come when something waits for
    // a time, as a restart does.
    let horizon = || cell.data("{ cell { log { horizon } } }", json!({}))["cell"]["log"]["horizon"].clone();
    let mut number = 3;
    wait_for("the past to be dropped", || {
        number += 1;
        let name = format!("job-{number}");
        cell.run_job(&shell_job(&cell, &name, 1, "exit 1"));
        (horizon() != "0").then_some(())
    });
    let past = cell.ask("{ jobs(at: { offset: \"3\" }) { nodes { name } } }", json!({})).expect_err("it is dropped");
    assert!(past.contains("is below the horizon") && past.contains("--history"), "{past}");
    let now = cell.data("{ jobs(first: 500) { nodes { name } } }", json!({}));
    assert_eq!(now["jobs"]["nodes"].as_array().map(Vec::len), Some(number), "what is now is kept: {now}");
    for wrong in ["0s", "soon"] {
        let ended = cell.quipu(["up", "--no-agent", "--history", wrong]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains("--history"), "{}", ended.err);
    }
}

#[test]
fn a_young_log_sets_little_room_aside() {
    use std::os::unix::fs::MetadataExt;
    let cell = Cell::start(WITHOUT_AGENT);
    assert_eq!(cell.quipu(["run", "--detach", "--name", "one", "--", "true"]).code, Some(0));
    let store = fs::read_dir(cell.dir().join("log/store")).expect("a store").flatten();
    let taken: u64 = store.map(|file| file.metadata().map_or(0, |file| file.blocks() * 512)).sum();
    assert!(taken < 4 * 1024 * 1024, "{taken} bytes");
}
