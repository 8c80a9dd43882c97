//! An agent whose disk has no room left.

use std::fs;

use log_schema::{TaskState, task::EndReason};

use crate::{
    cell::Cell,
    small_disk::SmallDisk,
    words::{kill_requested, placed, shell},
};

/// So many starts that the space set aside for the journal does not hold what became of them.
const MORE_THAN_FITS: usize = 3000;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_lives_through_a_full_disk_and_starts_tasks_again_when_there_is_room() {
    let cell = Cell::new().await;
    let Some(disk) = SmallDisk::mount_at(cell.directory.path(), "1m") else { return };
    let agent = cell.agent();
    cell.report(1).await;
    for task in ["fw/t1", "fw/t2"] {
        cell.decides(vec![placed(task, 1, Some(shell("sleep 1000")))]);
        cell.status(task, TaskState::Running).await;
    }
    let filler = disk.fill();

    // Kills are taken and reported.
    cell.decides(vec![kill_requested("fw/t1")]);
    assert_eq!(cell.end("fw/t1", TaskState::Killed).await.reason, EndReason::Requested);
    // Nothing is started, and it is said whose fault that is.
    cell.decides(vec![placed("fw/t3", 1, Some(shell("true")))]);
    let end = cell.end("fw/t3", TaskState::Failed).await;
    assert_eq!(end.reason, EndReason::MachineFault);
    assert!(end.message.expect("a message").contains("No space left"));

    // Also without the space that was set aside.
    let starts = (0..MORE_THAN_FITS).map(|index| placed(&format!("fw/x{index}"), 1, Some(shell("true"))));
    cell.decides(starts.collect());
    let last = cell.end(&format!("fw/x{}", MORE_THAN_FITS - 1), TaskState::Failed).await;
    assert_eq!(last.reason, EndReason::MachineFault);

    // Also after a restart, which takes over what runs.
    agent.leave().await;
    cell.expects(&["fw/t2"]);
    let agent = cell.agent();
    cell.report(2).await;
    cell.decides(vec![kill_requested("fw/t2")]);
    assert_eq!(cell.end("fw/t2", TaskState::Killed).await.reason, EndReason::Requested);

    fs::remove_file(filler).expect("removed");
    cell.decides(vec![placed("fw/t4", 1, Some(shell("true")))]);
    assert_eq!(cell.end("fw/t4", TaskState::Finished).await.exit_code, Some(0));
    agent.leave().await;
}
