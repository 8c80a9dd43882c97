//! How long a task may take to end, and that the cell can cut it.

use log_schema::{Event, TaskState, event::TaskKillRequestedV1, job::RunSpecV1, task::EndReason};

use crate::{
    cell::Cell,
    supervised::until,
    words::{kill_requested, placed, shell},
};

/// The task holds out against SIGTERM, with a grace of an hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_grace_is_cut_when_the_cell_asks_again_with_less() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    let stubborn =
        RunSpecV1 { kill_grace_ms: 3_600_000, ..shell("trap '' TERM; touch deaf; while :; do sleep 1; done") };
    cell.decides(vec![placed("fw/t1", 1, Some(stubborn))]);
    until("the task is deaf", || cell.work("fw~t1.1").join("deaf").exists());
    cell.decides(vec![kill_requested("fw/t1")]);
    cell.decides(vec![kill_requested_within("fw/t1", 0)]);
    let end = cell.end("fw/t1", TaskState::Killed).await;
    assert_eq!((end.reason, end.signal), (EndReason::Requested, Some(9)));
    agent.leave().await;
}

fn kill_requested_within(task: &str, grace_ms: u64) -> Event {
    let Event::TaskKillRequested(asked) = kill_requested(task) else { unreachable!("it makes one event only") };
    Event::TaskKillRequested(TaskKillRequestedV1 { grace_ms: Some(grace_ms), ..asked })
}
