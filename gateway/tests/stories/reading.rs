//! A gateway that has not read the log says so, and never answers from a past that is empty or over.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use command_log::{BoxFuture, Error, Log, Stored, Watermarks, memory::MemoryLog};
use gateway::{Config, RunningGateway};
use log_schema::{Offset, Record};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::cell::Cell;

/// A log that says how long it is, and gives what is before an offset only.
#[derive(Debug)]
struct Held {
    log: Arc<MemoryLog>,
    end: AtomicU64,
    moved: Notify,
}

impl Held {
    fn let_go(&self) {
        self.end.store(u64::MAX, Ordering::Release);
        self.moved.notify_waiters();
    }

    async fn until_open(&self, from: Offset) {
        loop {
            let moved = self.moved.notified();
            if from.0 < self.end.load(Ordering::Acquire) {
                return;
            }
            moved.await;
        }
    }
}

impl Log for Held {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        self.log.append(batch)
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        Box::pin(async move {
            self.until_open(from).await;
            let mut found = self.log.read(from, bytes_max).await?;
            found.retain(|stored| stored.offset.0 < self.end.load(Ordering::Acquire));
            Ok(found)
        })
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        self.log.watermarks()
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        self.log.wait_past(offset)
    }
}

/// A second gateway of a cell, without projections, that can read a half of the log.
async fn half_read(cell: &mut Cell) -> (Arc<Held>, TempDir) {
    let high = cell.log.watermarks().await.unwrap().high;
    let log = Arc::new(Held { log: cell.log.clone(), end: AtomicU64::new(high.0 / 2), moved: Notify::new() });
    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(log.clone(), cell.telemetry.clone(), dir.path());
    let second: RunningGateway = gateway::serve(config).await.unwrap();
    cell.gateway.replace(second).expect("the first one runs").stop().await.unwrap();
    (log, dir)
}

/// Asks until the rows reflect the half of the log that can be read.
async fn first_refusal(cell: &Cell, query: &str) -> Value {
    loop {
        let (status, body) = cell.post(&json!({ "query": query }).to_string(), &[]).await;
        assert_eq!(status, 503, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        if answer["errors"][0]["extensions"]["percent"].as_u64().is_some_and(|percent| percent > 0) {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_gateway_that_has_not_read_the_log_says_so_instead_of_answering_from_an_empty_past() {
    let mut cell = Cell::led().await;
    for job in 0..10 {
        cell.submit(&format!("j{job}"), 1).await;
    }
    let (log, _dir) = half_read(&mut cell).await;

    let refused = first_refusal(&cell, "{ jobs { nodes { name } } }").await;
    let error = &refused["errors"][0];
    assert_eq!(error["extensions"]["code"], "READING_LOG", "{refused}");
    assert_eq!(error["extensions"]["retryable"], true, "{refused}");
    assert!(error["message"].as_str().unwrap().contains("reading the log"), "{refused}");
    assert!(refused.get("data").is_none_or(Value::is_null), "{refused}");
    let head = cell.head("GET", "/readyz").await;
    assert!(head.starts_with("HTTP/1.1 503") && head.to_lowercase().contains("\r\nretry-after: 1"), "{head}");
    assert_eq!(cell.http("GET", "/healthz", &[], "").await, (200, "alive\n".into()));
    let appended = cell.log.watermarks().await.unwrap().high;
    first_refusal(&cell, "mutation { setRole(input: {role: \"r\", weight: 1}) { offset } }").await;
    assert_eq!(cell.log.watermarks().await.unwrap().high, appended, "a refused mutation is not in the log");
    let mut socket = cell.open_socket().await;
    for (id, operation) in [
        ("w", "subscription { watchJob(name: \"j9\") { name } }"),
        ("e", "subscription { events { name } }"),
        ("q", "{ jobs { nodes { name } } }"),
    ] {
        socket.subscribe(id, operation).await;
        let said = socket.next().await;
        assert_eq!((&said["id"], &said["type"]), (&json!(id), &json!("error")), "{said}");
        assert_eq!(said["payload"][0]["extensions"]["code"], "READING_LOG", "{said}");
    }

    log.let_go();
    while cell.http("GET", "/readyz", &[], "").await.0 != 200 {}
    let jobs = cell.query("jobs { nodes { name } }").await;
    assert_eq!(jobs["jobs"]["nodes"].as_array().map(Vec::len), Some(10), "{jobs}");
}

#[tokio::test]
async fn a_new_cell_is_no_unread_one() {
    let cell = Cell::without_leader(std::time::Duration::from_secs(10)).await;
    assert_eq!(cell.query("jobs { nodes { name } }").await["jobs"]["nodes"], json!([]));
}

#[tokio::test]
async fn a_log_of_one_record_is_read_too() {
    let mut cell = Cell::without_leader(std::time::Duration::from_secs(10)).await;
    let tick = log_schema::command::TickV1 { now: log_schema::TimeMs(1) };
    cell.append("someone", log_schema::Command::Tick(tick)).await;
    // It would never return otherwise.
    cell.restart().await;
    assert_eq!(cell.query("jobs { nodes { name } }").await["jobs"]["nodes"], json!([]));
}
