//! The leader loop on a memory log: it answers what it finds, survives its own end at any moment,
//! and steps down when another leads.

#![expect(clippy::disallowed_methods, reason = "the test looks at the snapshots in their files")]

mod cell;
mod clock;
mod standby;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use allocator::leader::{Error, checkpoint, lead};
use cell::{Cell, PATIENCE, agent, answered, failed, job, outcome, placed, service};
use command_log::{BoxFuture, Log, Stored, Watermarks, memory::MemoryLog};
use log_schema::{
    Class, Command, DecisionV1, Envelope, EpochNumber, EpochV1, Event, Key, Kind, Offset, Principal, Record,
    command::StopJobV1, event::JobOutcome,
};
use tokio::sync::watch;

#[tokio::test]
async fn a_backlog_is_worked_off_by_ticks_alone() {
    let mut cell = Cell::new();
    let (_leading, _stop) = cell.lead();
    cell.ask(agent("a1")).await;
    cell.ask(job("big", 3000)).await;
    let decisions = cell.decisions_until(|seen| placed(seen) == 3000).await;
    let ticked = decisions.iter().flat_map(|decision| &decision.answers).filter(|answer| answer.asked.is_none());
    assert!(ticked.count() > 1, "one command places a slice, and ticks the rest");
}

#[tokio::test]
async fn nothing_is_appended_when_nothing_is_due() {
    let mut cell = Cell::new();
    let (_leading, _stop) = cell.lead();
    cell.ask(agent("a1")).await;
    cell.decisions_until(|seen| seen.len() == 1).await;
    let before = cell.records().await.len();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cell.records().await.len(), before);
}

#[tokio::test]
async fn a_leader_that_ends_anywhere_is_followed_by_one_that_goes_on() {
    let mut cell = Cell::new();
    cell.ask(agent("a1")).await;
    for round in 0..40_u32 {
        let (leading, _stop) = cell.lead();
        cell.ask(job(&format!("j{round}"), 50)).await;
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        leading.abort();
        let _ = leading.await;
    }
    let (_leading, _stop) = cell.lead();
    let decisions = cell.decisions_until(|seen| placed(seen) == 40 * 50).await;
    assert_eq!(answered(&decisions), 40, "every job was answered once");
    let starts = decisions.iter().flat_map(DecisionV1::events).filter_map(|event| match event {
        Event::TaskPlaced(placed) => Some(placed.incarnation),
        _ => None,
    });
    assert!(starts.is_sorted(), "no start was decided twice");
}

#[tokio::test]
async fn a_leader_steps_down_when_another_has_claimed() {
    let mut cell = Cell::new();
    let (leading, _stop) = cell.lead();
    cell.ask(agent("a1")).await;
    cell.decisions_until(|seen| !seen.is_empty()).await;
    let claim = EpochV1 { epoch: EpochNumber(2), node: Principal::new("other").expect("legal"), logic_version: 1 };
    cell.log.append(vec![claim.to_record()]).await.expect("appended");
    let ended = tokio::time::timeout(PATIENCE, leading).await.expect("it steps down").expect("without a panic");
    assert!(matches!(ended, Err(Error::Superseded { epoch: EpochNumber(2) })), "{ended:?}");
}

#[tokio::test]
async fn a_silent_agent_is_marked_and_given_up() {
    let mut cell = Cell::new();
    cell.config.agent_silent_after = Some(Duration::from_millis(40));
    let (_leading, _stop) = cell.lead();
    cell.ask(agent("a1")).await;
    let is_away = |event: &Event| matches!(event, Event::AgentUnreachable(_));
    cell.decisions_until(|seen| seen.iter().flat_map(DecisionV1::events).any(is_away)).await;
}

/// A log that does not say how long it is while the brokers are away.
#[derive(Debug)]
struct CutOff {
    log: Arc<MemoryLog>,
    away: AtomicBool,
    asked: watch::Sender<u64>,
}

impl Log for CutOff {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, command_log::Error>> {
        self.log.append(batch)
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, command_log::Error>> {
        self.log.read(from, bytes_max)
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, command_log::Error>> {
        self.asked.send_modify(|asked| *asked += 1);
        if self.away.load(Ordering::Relaxed) {
            let gone = command_log::Error::Unreachable { place: "here".into(), source: "away".into() };
            return Box::pin(async { Err(gone) });
        }
        self.log.watermarks()
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), command_log::Error>> {
        self.log.wait_past(offset)
    }
}

#[tokio::test]
async fn a_leader_that_is_cut_off_accuses_nobody() {
    let mut cell = Cell::new();
    cell.config.agent_silent_after = Some(Duration::from_millis(40));
    let (away, asked) = (AtomicBool::new(false), watch::Sender::new(0));
    let log = Arc::new(CutOff { log: cell.log.clone(), away, asked });
    cell.ask(agent("a1")).await;
    let (_stop, stopped) = watch::channel(false);
    let shared: Arc<dyn Log> = log.clone();
    let _leading = tokio::spawn(lead(shared, cell.config.clone(), stopped));
    cell.decisions_until(|seen| seen.len() == 1).await;
    log.away.store(true, Ordering::Relaxed);
    let (before, mut asked) = (*log.asked.borrow(), log.asked.subscribe());
    let thrice = tokio::time::timeout(PATIENCE, asked.wait_for(|asked| *asked >= before + 3)).await;
    thrice.expect("it looks whether it is cut off").expect("the log is there");
    let accused = Kind::MarkAgentUnreachable.number();
    assert!(cell.records().await.iter().all(|stored| stored.record.kind != accused));
    // When it is back, whoever is silent still is marked.
    log.away.store(false, Ordering::Relaxed);
    let is_away = |event: &Event| matches!(event, Event::AgentUnreachable(_));
    cell.decisions_until(|seen| seen.iter().flat_map(DecisionV1::events).any(is_away)).await;
}

async fn run_with_snapshots(cell: &mut Cell, jobs: std::ops::Range<u32>) {
    let (leading, stop) = cell.lead();
    let wanted = jobs.end as usize;
    for number in jobs {
        cell.ask(job(&format!("j{number}"), 3)).await;
    }
    cell.decisions_until(|seen| placed(seen) == wanted * 3).await;
    stop.send_replace(true);
    leading.await.expect("no panic").expect("a clean stop");
}

fn snapshots(directory: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_leader_goes_on_from_a_snapshot_and_passes_over_a_damaged_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut cell = Cell::new();
    cell.config.snapshots = Some(directory.path().to_owned());
    cell.ask(agent("a1")).await;
    run_with_snapshots(&mut cell, 0..5).await;
    run_with_snapshots(&mut cell, 5..10).await;
    let newest = snapshots(directory.path()).pop().expect("a snapshot was saved");
    let mut bytes = std::fs::read(&newest).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).expect("written");
    run_with_snapshots(&mut cell, 10..15).await;
}

/// A log that never rests: each append is followed by somebody's command.
#[derive(Debug, Default)]
struct Restless(MemoryLog);

impl Log for Restless {
    fn append(&self, mut batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, command_log::Error>> {
        batch.push(Record::v1(Kind::KillTask, vec![0xc0]));
        self.0.append(batch)
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, command_log::Error>> {
        self.0.read(from, bytes_max)
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, command_log::Error>> {
        self.0.watermarks()
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), command_log::Error>> {
        self.0.wait_past(offset)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_never_rests_takes_snapshots_all_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut cell = Cell::new();
    cell.config.snapshots = Some(directory.path().to_owned());
    let log = Arc::new(Restless::default());
    // More than are decided between two snapshots.
    for _ in 0..21 {
        log.0.append(vec![Record::v1(Kind::KillTask, vec![0xc0]); 10_000]).await.expect("appended");
    }
    let (_stop, stopped) = watch::channel(false);
    let leading = tokio::spawn(lead(log, cell.config.clone(), stopped));
    let saved = async {
        while snapshots(directory.path()).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, saved).await.expect("a snapshot is taken");
    leading.abort();
}

#[tokio::test]
async fn a_snapshot_of_another_log_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut cell = Cell::new();
    cell.config.snapshots = Some(directory.path().to_owned());
    cell.ask(agent("a1")).await;
    run_with_snapshots(&mut cell, 0..5).await;
    cell.log = Arc::new(MemoryLog::default());
    let (leading, _stop) = cell.lead();
    let ended = tokio::time::timeout(PATIENCE, leading).await.expect("it refuses").expect("without a panic");
    assert!(matches!(ended, Err(Error::SnapshotAhead { .. })), "{ended:?}");
}

/// The new log has grown longer than the old one was; another leader has decided there, or nobody has.
#[tokio::test]
async fn a_snapshot_of_a_log_that_was_made_anew_is_refused_before_anything_is_decided() {
    for is_decided in [false, true] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut cell = Cell::new();
        cell.config.snapshots = Some(directory.path().to_owned());
        cell.ask(agent("a1")).await;
        run_with_snapshots(&mut cell, 0..5).await;
        cell.log = Arc::new(MemoryLog::default());
        cell.ask(agent("a2")).await;
        if is_decided {
            cell.config.snapshots = None;
            run_with_snapshots(&mut cell, 0..40).await;
            cell.config.snapshots = Some(directory.path().to_owned());
        }
        for number in 100..140 {
            cell.ask(job(&format!("j{number}"), 1)).await;
        }
        let before = cell.records().await;
        let (leading, _stop) = cell.lead();
        let ended = tokio::time::timeout(PATIENCE, leading).await.expect("it refuses").expect("without a panic");
        assert!(matches!(ended, Err(Error::SnapshotForeign { .. } | Error::Halt(_))), "{ended:?}");
        assert_eq!(cell.records().await, before, "no epoch was claimed");
    }
}

#[tokio::test]
async fn a_torn_signing_key_is_refused_before_anything_is_decided() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut cell = Cell::new();
    let key = directory.path().join("signing-key");
    std::fs::write(&key, [7; 20]).expect("written");
    cell.config.snapshots = Some(directory.path().join("snapshots"));
    cell.config.signing_key = Some(key.clone());
    let (leading, _stop) = cell.lead();
    let ended = tokio::time::timeout(PATIENCE, leading).await.expect("it refuses").expect("without a panic");
    assert!(matches!(&ended, Err(Error::Checkpoint(checkpoint::Error::Key { path, .. })) if *path == key), "{ended:?}");
    assert_eq!(cell.records().await, [], "no epoch was claimed");
    assert_eq!(std::fs::read(&key).expect("read").len(), 20, "what may be half of a key is left to a person");
}

/// A steady load of commands, for as long as a story may take.
fn load(cell: &Cell) -> tokio::task::JoinHandle<()> {
    let log = Arc::clone(&cell.log);
    tokio::spawn(async move {
        for n in 0.. {
            let envelope = Envelope {
                principal: Principal::new("load").expect("legal"),
                key: Key::new(format!("l{n}")).expect("legal"),
                caused_by: None,
                class: Class::Exogenous,
            };
            let command = Command::StopJob(StopJobV1 { job: "nothing".parse().expect("legal"), grace_ms: None });
            log.append(vec![command.to_record(&envelope)]).await.expect("a memory log takes it");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
}

#[tokio::test]
async fn time_goes_on_while_commands_come_faster_than_it_is_waited_for() {
    let mut cell = Cell::new();
    cell.config.agent_silent_after = Some(Duration::from_millis(40));
    let (_leading, _stop) = cell.lead();
    let load = load(&cell);
    cell.ask(agent("a1")).await;
    let is_away = |event: &Event| matches!(event, Event::AgentUnreachable(_));
    cell.decisions_until(|seen| seen.iter().flat_map(DecisionV1::events).any(is_away)).await;
    // The agent is given up after some time, which needs a tick to run from.
    let ticked = async {
        while !cell.records().await.iter().any(|stored| stored.record.kind == Kind::Tick.number()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ticked).await.expect("a tick, though the log never rests");
    assert!(!load.is_finished());
    load.abort();
}

#[tokio::test]
async fn restarts_count_on_in_a_leader_that_begins_with_a_snapshot() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut cell = Cell::new();
    cell.config.snapshots = Some(directory.path().to_owned());
    let (leading, stop) = cell.lead();
    cell.ask(agent("a1")).await;
    cell.ask(service("web", 1)).await;
    cell.decisions_until(|seen| placed(seen) == 1).await;
    cell.ask(failed("web.0", 1, "a1")).await;
    cell.decisions_until(|seen| placed(seen) == 2).await;
    stop.send_replace(true);
    leading.await.expect("no panic").expect("a clean stop");
    assert!(!snapshots(directory.path()).is_empty(), "a snapshot was saved");
    let (_leading, _stop) = cell.lead();
    cell.ask(failed("web.0", 2, "a1")).await;
    let decisions = cell.decisions_until(|seen| outcome(seen).is_some()).await;
    assert_eq!((outcome(&decisions), placed(&decisions)), (Some(JobOutcome::Failed), 2));
}
