//! The read models are folds: without their directory they come back the same.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::cell::{Cell, WITH_AGENT, WITHOUT_AGENT, shell_job, wait_for};

const EVERYTHING: &str = "query($at: At) {
  cell(at: $at) { asOf logTime decision { epoch from to events } }
  agents(at: $at, first: 10) { nodes { name state number since { offset time } capacity { text } used { text } attributes { name value } taskCount
    timeline { lines { offset time event text } } } }
  jobs(at: $at, first: 10) { nodes { name kind state count restarts submittedBy submitted { offset time } ended { offset time }
    taskCounts { total finished failed running } timeline { lines { offset time event text } }
    tasks(first: 10) { nodes { name state restarts since { offset time } timeline { lines { offset time event text } }
      run { incarnation agent state endReason exitCode ranMs message placed { offset time } ended { offset time } }
      runsBefore { incarnation exitCode } } } } }
}";

#[test]
fn projections_that_were_dropped_are_built_again_from_the_log_and_answer_the_same() {
    let mut cell = Cell::start(WITH_AGENT);
    cell.await_agent();
    cell.run_job(&shell_job(&cell, "good", 3, "echo done"));
    let mut bad = shell_job(&cell, "bad", 1, "exit 3");
    bad["restart"] = json!({ "on": "FAILURE", "limit": 1, "backoffMs": "10" });
    cell.run_job(&bad);
    let mut service = shell_job(&cell, "service", 1, "exec sleep 600");
    service["kind"] = json!("SERVICE");
    cell.run_job(&service);
    assert_eq!((cell.await_end("good").as_str(), cell.await_end("bad").as_str()), ("SUCCEEDED", "FAILED"));
    wait_for("the service to run", || {
        let data = cell.data("{ task(name: \"service.0\") { state } }", json!({}));
        (data["task"]["state"] == "RUNNING").then_some(())
    });
    let newest: u64 = as_of(&cell.data("{ cell { asOf } }", json!({})));
    let before = answers(&cell, newest);
    assert!(before[2]["jobs"]["nodes"].as_array().is_some_and(|jobs| jobs.len() == 3), "{}", before[2]);

    cell.stop();
    fs::remove_dir_all(cell.dir().join("projections")).expect("the projections were there");
    cell.restart();
    assert_eq!(answers(&cell, newest), before);
}

/// What the gateway answers about everything, as of a third, two thirds and all of the history.
fn answers(cell: &Cell, newest: u64) -> [Value; 3] {
    [newest / 3, newest * 2 / 3, newest].map(|at| cell.data(EVERYTHING, json!({ "at": { "offset": at.to_string() } })))
}

fn as_of(data: &Value) -> u64 {
    data["cell"]["asOf"].as_str().and_then(|offset| offset.parse().ok()).expect("an offset")
}

/// A file system of its own at a path, which is full soon.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Says loudly that the test is skipped where none can be mounted.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("a directory");
        let mounting = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "small"]).arg(at).status();
        if mounting.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("SKIPPED: this user may not mount a small file system");
        None
    }

    /// Leaves no room.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut filler = fs::File::create(&path).expect("a file");
        let full = std::io::copy(&mut std::io::repeat(7), &mut filler).expect_err("it is full some time");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_control_plane_whose_projections_have_no_room_ends_with_an_error_and_goes_on_when_there_is_some() {
    let mut cell = Cell::prepare(WITHOUT_AGENT);
    let Some(disk) = SmallDisk::mount(&cell.dir().join("projections")) else { return };
    cell.restart();
    assert_eq!(cell.quipu(["run", "--detach", "--name", "first", "--", "true"]).code, Some(0));
    let filler = disk.fill();
    for number in 0..200 {
        // The last ones get no answer.
        let long = "x".repeat(10_000);
        let job = cell.quipu(["run", "--detach", "--name", &format!("job-{number}"), "--", "true", &long]);
        if job.code != Some(0) {
            break;
        }
    }
    assert_eq!(cell.await_exit(), Some(1), "{}", cell.messages());
    let said = cell.messages();
    assert!(said.contains("the gateway halted") && said.contains("make room on the disk of the projections"), "{said}");
    fs::remove_file(filler).expect("removed");
    cell.restart();
    assert_eq!(cell.quipu(["run", "--detach", "--name", "last", "--", "true"]).code, Some(0));
    let jobs = cell.data("{ jobs(first: 300) { nodes { name } } }", json!({}));
    let has =
        |name: &str| jobs["jobs"]["nodes"].as_array().is_some_and(|jobs| jobs.iter().any(|job| job["name"] == name));
    assert!(has("first") && has("job-0") && has("last"), "{jobs}");
    cell.stop();
}

#[test]
fn a_running_cell_finds_damage_of_its_projections_and_builds_them_again_by_itself() {
    let mut cell = Cell::start(WITHOUT_AGENT);
    for name in ["one", "two", "three"] {
        assert_eq!(cell.quipu(["run", "--detach", "--name", name, "--", "true"]).code, Some(0));
    }
    let told = cell.events(&json!({}));
    let newest = as_of(&cell.data("{ cell { asOf } }", json!({})));
    let before = answers(&cell, newest);
    cell.stop();
    // What the last run wrote goes to sorted files when the next one begins.
    cell.restart();
    cell.stop();
    let files =
        fs::read_dir(cell.dir().join("projections/db")).expect("a database").map(|file| file.expect("a file").path());
    let of_facts = |path: &PathBuf| {
        let bytes = fs::read(path).expect("read");
        path.extension().is_some_and(|end| end == "sst") && bytes.windows(5).any(|part| part == b"facts")
    };
    let files: Vec<PathBuf> = files.filter(of_facts).collect();
    assert!(!files.is_empty());
    for file in files {
        let mut bytes = fs::read(&file).expect("read");
        bytes[20] ^= 1;
        fs::write(&file, bytes).expect("written");
    }
    cell.restart();
    wait_for("the rows to be built again", || {
        cell.messages().contains("the projections are damaged, and are built again from the log").then_some(())
    });
    wait_for("the log to be read again", || cell.ask("{ cell { asOf } }", json!({})).ok());
    assert_eq!(answers(&cell, newest), before);
    assert_eq!(cell.events(&json!({}))[..told.len()], told[..]);
    assert!(cell.dir().join("projections/db-2").is_dir(), "the control plane has not ended");
    cell.stop();
}
