//! A gateway of which a part breaks ends with words: it never looks alive and lacks something.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use command_log::{BoxFuture, Error, Log, Stored, Watermarks, memory::MemoryLog};
use gateway::Config;
use log_schema::{Offset, Record};
use serde_json::{Value, json};

use super::cell::Cell;

/// Longer than any story needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A log whose reader, or whose watermarks, panic from a moment on.
#[derive(Debug, Default)]
struct Broken {
    log: Arc<MemoryLog>,
    reads: AtomicBool,
    marks: AtomicBool,
}

impl Log for Broken {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        self.log.append(batch)
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        assert!(!self.reads.load(Ordering::Acquire), "no record is as it was");
        self.log.read(from, bytes_max)
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        assert!(!self.marks.load(Ordering::Acquire), "no mark is as it was");
        self.log.watermarks()
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        self.log.wait_past(offset)
    }
}

#[tokio::test]
async fn a_part_that_panics_halts_the_gateway_which_says_so() {
    for reads in [true, false] {
        let mut cell = Cell::led().await;
        let log = Arc::new(Broken { log: cell.log.clone(), ..Broken::default() });
        let dir = tempfile::tempdir().unwrap();
        let second = gateway::serve(Config::new(log.clone(), cell.telemetry.clone(), dir.path())).await.unwrap();
        cell.gateway.replace(second).expect("the first one runs").stop().await.unwrap();
        cell.read().await;

        let breaks = if reads { &log.reads } else { &log.marks };
        breaks.store(true, Ordering::Release);
        cell.append("someone", log_schema::Command::Tick(log_schema::command::TickV1 { now: log_schema::TimeMs(1) }))
            .await;
        let gateway = cell.gateway.take().expect("it runs");
        let halted = tokio::time::timeout(PATIENCE, gateway.halted()).await.expect("it halts");
        let (what, panic) =
            if reads { ("the reader of the log", "no record") } else { ("how far the log reaches", "no mark") };
        assert!(halted.what.contains(what) && halted.what.contains(panic), "{halted}");
        assert!(halted.to_string().contains("start the gateway again"), "{halted}");
        assert_eq!(gateway.stop().await.expect_err("its end is no good one").what, halted.what);
    }
}

/// The files that hold what never changes of the newest database of a projection.
fn files_of_facts(dir: &Path) -> Vec<PathBuf> {
    let of_facts = |path: &PathBuf| {
        let name = b"facts";
        fs::read(path).is_ok_and(|bytes| bytes.windows(name.len()).any(|part| part == name))
    };
    let files = fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "sst")).filter(of_facts).collect()
}

#[tokio::test]
async fn a_running_gateway_that_finds_its_rows_damaged_builds_them_again_and_never_answers_wrongly() {
    let everything = "jobs(first: 20) { nodes { name timeline { lines { offset event text } } } }";
    let mut cell = Cell::led().await;
    for job in 0..10 {
        cell.submit(&format!("j{job}"), 1).await;
    }
    let at = cell.query("cell { asOf }").await["cell"]["asOf"].as_str().unwrap().to_owned();
    let everything = everything.replace("(first", &format!("(at: {{offset: \"{at}\"}}, first"));
    let before = cell.query(&everything).await;
    // What the last run wrote goes to sorted files when the next one begins.
    cell.restart().await;
    cell.restart().await;
    let files = files_of_facts(cell.projections());
    assert!(!files.is_empty());
    for file in files {
        let mut bytes = fs::read(&file).unwrap();
        let end = bytes.len() / 3;
        bytes[..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        // In place: the gateway has the file open.
        fs::write(&file, bytes).unwrap();
    }
    let rebuilt = || cell.projections().join("db-2").is_dir() && !cell.projections().join("db").exists();
    let begun = std::time::Instant::now();
    while !rebuilt() {
        assert!(begun.elapsed() < PATIENCE, "it is found and mended by itself");
        let (status, body) = cell.post(&json!({ "query": format!("{{ {everything} }}") }).to_string(), &[]).await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        let is_right = status == 200 && answer["data"] == before;
        let says_so = status == 503 || answer["errors"].is_array();
        assert!(is_right || says_so, "a wrong answer: {answer}");
    }
    cell.read().await;
    assert_eq!(cell.query(&everything).await, before);
    assert!(cell.gateway.take().unwrap().stop().await.is_ok(), "it has not halted");
}
