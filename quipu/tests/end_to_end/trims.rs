//! A cell whose log is archived and trimmed goes on, and its history is told as before.

use std::fs;

use serde_json::json;

use crate::cell::{Cell, WITHOUT_AGENT, process::Ended};

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
    assert!(in_use.err.contains("in use") && in_use.err.contains("hint: "), "{}", in_use.err);
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
