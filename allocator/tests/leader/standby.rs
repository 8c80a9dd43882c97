//! Any number of allocators fold one log; one leads, and another takes over when it is missed.

use std::{sync::Arc, time::Duration};

use allocator::leader::{Config, Error, lead};
use command_log::{
    Log,
    reader::{Reader, Verdict},
};
use log_schema::{DecisionV1, EpochNumber, Principal, event::JobOutcome};
use tokio::{sync::watch, task::JoinHandle};

use crate::cell::{Cell, PATIENCE, agent, answered, failed, job, outcome, placed, service};

const TOLERATED: Duration = Duration::from_millis(60);

type Leading = (JoinHandle<Result<(), Error>>, watch::Sender<bool>);

/// An allocator that stands by.
fn stand_by(cell: &Cell, node: &str) -> Leading {
    let node = Principal::new(node).expect("legal");
    let config = Config { node, take_over_after: Some(TOLERATED), ..cell.config.clone() };
    let (stop, stopped) = watch::channel(false);
    let log: Arc<dyn Log> = cell.log.clone();
    (tokio::spawn(lead(log, config, stopped)), stop)
}

/// Who has led, in order.
async fn leaders(cell: &Cell) -> Vec<String> {
    let mut reader = Reader::new();
    let records = cell.records().await;
    let verdicts = records.iter().map(|stored| reader.judge(stored).expect("a log that any reader follows"));
    verdicts
        .filter_map(|verdict| match verdict {
            Verdict::Epoch(epoch) => Some(epoch.node.to_string()),
            _ => None,
        })
        .collect()
}

fn last_epoch(decisions: &[DecisionV1]) -> EpochNumber {
    decisions.last().expect("something was decided").epoch
}

#[tokio::test]
async fn a_stand_by_takes_over_from_a_leader_that_is_gone_and_nothing_is_decided_twice() {
    let mut cell = Cell::new();
    let (first, _first) = stand_by(&cell, "first");
    cell.ask(agent("a1")).await;
    cell.ask(job("before", 10)).await;
    cell.decisions_until(|seen| placed(seen) == 10).await;
    let (_second, _running) = stand_by(&cell, "second");
    first.abort();
    let _ = first.await;
    cell.ask(job("after", 10)).await;
    let decisions = cell.decisions_until(|seen| placed(seen) == 20).await;
    assert_eq!((answered(&decisions), last_epoch(&decisions)), (2, EpochNumber(2)));
    assert_eq!(leaders(&cell).await, ["first", "second"]);
}

#[tokio::test]
async fn a_leader_that_has_nothing_to_say_is_not_missed() {
    let mut cell = Cell::new();
    let (_first, _running) = stand_by(&cell, "first");
    cell.ask(agent("a1")).await;
    cell.decisions_until(|seen| !seen.is_empty()).await;
    let (_second, _waiting) = stand_by(&cell, "second");
    tokio::time::sleep(TOLERATED * 5).await;
    cell.ask(job("late", 1)).await;
    let decisions = cell.decisions_until(|seen| placed(seen) == 1).await;
    assert_eq!(last_epoch(&decisions), EpochNumber(1));
    assert_eq!(leaders(&cell).await, ["first"]);
}

#[tokio::test]
async fn of_many_stand_bys_one_leads_and_the_others_go_on_standing_by() {
    let mut cell = Cell::new();
    let (first, _first) = stand_by(&cell, "first");
    cell.ask(agent("a1")).await;
    cell.decisions_until(|seen| !seen.is_empty()).await;
    let others: Vec<Leading> = ["b", "c", "d"].into_iter().map(|node| stand_by(&cell, node)).collect();
    first.abort();
    let _ = first.await;
    for round in 0..20 {
        cell.ask(job(&format!("j{round}"), 1)).await;
    }
    let decisions = cell.decisions_until(|seen| placed(seen) == 20).await;
    assert_eq!(answered(&decisions), 20);
    tokio::time::sleep(TOLERATED * 3).await;
    assert!(others.iter().all(|(running, _)| !running.is_finished()), "whoever lost the race stands by");
    for (running, stop) in others {
        stop.send_replace(true);
        tokio::time::timeout(PATIENCE, running).await.expect("it ends").expect("no panic").expect("a clean stop");
    }
}

#[tokio::test]
async fn a_leader_that_was_taken_over_stands_by_and_can_lead_again() {
    let mut cell = Cell::new();
    let (_first, _running) = stand_by(&cell, "first");
    cell.ask(agent("a1")).await;
    cell.decisions_until(|seen| !seen.is_empty()).await;
    let claim = log_schema::EpochV1 {
        epoch: EpochNumber(2),
        node: Principal::new("usurper").expect("legal"),
        logic_version: allocator::LOGIC_VERSION,
    };
    cell.log.append(vec![claim.to_record()]).await.expect("appended");
    cell.ask(job("orphan", 1)).await;
    let decisions = cell.decisions_until(|seen| placed(seen) == 1).await;
    assert_eq!(last_epoch(&decisions), EpochNumber(3));
    assert_eq!(leaders(&cell).await, ["first", "usurper", "first"]);
}

#[tokio::test]
async fn restarts_count_on_under_the_leader_that_takes_over() {
    let mut cell = Cell::new();
    let (first, _first) = stand_by(&cell, "first");
    cell.ask(agent("a1")).await;
    cell.ask(service("web", 1)).await;
    cell.decisions_until(|seen| placed(seen) == 1).await;
    cell.ask(failed("web.0", 1, "a1")).await;
    cell.decisions_until(|seen| placed(seen) == 2).await;
    let (_second, _running) = stand_by(&cell, "second");
    first.abort();
    let _ = first.await;
    cell.ask(failed("web.0", 2, "a1")).await;
    let decisions = cell.decisions_until(|seen| outcome(seen).is_some()).await;
    assert_eq!((outcome(&decisions), placed(&decisions)), (Some(JobOutcome::Failed), 2));
    assert_eq!(last_epoch(&decisions), EpochNumber(2));
}
