//! An agent that comes back when another agent has its name.

use std::fs;

use command_log::remote::{self, protocol::CLOSE_IDENTITY_TAKEN};
use log_schema::TaskState;

use crate::{
    cell::Cell,
    supervised::{alive, until},
    words::{placed, shell},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_name_another_one_took_ends_its_tasks_and_then_itself() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    // One ends by SIGTERM, one ignores it.
    let scripts = ["exec sleep 1000", "trap '' TERM; while :; do sleep 1000; done"];
    for (task, script) in ["fw/t1", "fw/t2"].into_iter().zip(scripts) {
        let run = shell(&format!("echo $$ > pid; {script}"));
        let incarnation = if task == "fw/t1" { 1 } else { 2 };
        cell.decides(vec![placed(task, incarnation, Some(run))]);
        cell.status(task, TaskState::Running).await;
    }
    let pid = |start: &str| {
        let file = cell.work(start).join("pid");
        until("the task said its number", || fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')));
        fs::read_to_string(&file).expect("written").trim().parse::<i32>().expect("a number")
    };
    let pids = [pid("fw~t1.1"), pid("fw~t2.2")];
    agent.leave().await;
    assert!(pids.into_iter().all(alive), "tasks outlive their agent");
    // The cell gave it up meanwhile, and admitted another directory under the name.
    cell.closes(CLOSE_IDENTITY_TAKEN);
    let end = cell.agent().end().await;
    assert!(matches!(end, agent::Error::Link(remote::Error::IdentityTaken { .. })), "{end}");
    assert!(!pids.into_iter().any(alive), "nothing runs on beside what was placed again");
}
