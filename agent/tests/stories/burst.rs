//! Many starts at once: what waits, what does not, and what becomes of starts that never began.

use std::ffi::OsString;

use agent::{
    journal::Journal,
    process_tree,
    sandbox::{ProcessName, Sandbox, TaskKey},
};
use log_schema::{Event, Incarnation, Offset, TaskState, task::EndReason};

use crate::{
    cell::Cell,
    supervised::{SUPERVISOR, until},
    words::{kill_requested, placed, shell, task},
};

/// Supervisors that begin only once there is a file `go` beside the sandboxes. They end with their sandbox, so that a
/// story that fails leaves none behind.
fn held_back() -> Vec<OsString> {
    let script =
        format!("until [ -e \"$0/../../go\" ]; do [ -e \"$0\" ] || exit 1; sleep 0.01; done; exec {SUPERVISOR} \"$0\"");
    ["sh", "-c", &script].map(Into::into).to_vec()
}

fn burst(tasks: usize, script: &str) -> Vec<Event> {
    (0..tasks).map(|index| placed(&format!("fw/b{index}"), 1, Some(shell(script)))).collect()
}

fn made(cell: &Cell) -> usize {
    std::fs::read_dir(cell.sandboxes()).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_end_a_task_does_not_wait_for_starts_that_were_ordered_before() {
    let cell = Cell::new().await;
    let agent = cell.agent_with(held_back());
    cell.report(1).await;
    cell.decides(burst(60, "true"));
    until("starts are under way", || made(&cell) > 0);
    cell.decides(vec![kill_requested("fw/b59")]);
    assert_eq!(cell.end("fw/b59", TaskState::Killed).await.reason, EndReason::Requested);
    assert!(!cell.sandboxes().join("fw~b59.1").exists(), "nothing was made of a start that is not wanted any more");
    assert!(made(&cell) < 60, "so many starts are under way at once: {}", made(&cell));
    std::fs::write(cell.directory.path().join("go"), "").expect("a file");
    for index in 0..59 {
        cell.end(&format!("fw/b{index}"), TaskState::Finished).await;
    }
    assert!(!cell.sandboxes().join("fw~b59.1").exists());
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_hangs_does_not_keep_others_from_theirs_for_good() {
    let cell = Cell::new().await;
    let hangs = format!("case $0 in *~b?.1|*~b1?.1) exec sleep 1000;; *) exec {SUPERVISOR} \"$0\";; esac");
    let agent = cell.agent_with(["sh", "-c", &hangs].map(Into::into).to_vec());
    cell.report(1).await;
    cell.decides(burst(21, "true"));
    cell.end("fw/b20", TaskState::Finished).await;
    cell.decides((0..20).map(|index| kill_requested(&format!("fw/b{index}"))).collect());
    for index in 0..20 {
        assert_eq!(cell.end(&format!("fw/b{index}"), TaskState::Killed).await.reason, EndReason::Requested);
    }
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_agent_amid_starts_costs_those_that_wait_nothing() {
    let cell = Cell::new().await;
    let agent = cell.agent_with(held_back());
    cell.report(1).await;
    cell.decides(burst(40, "true"));
    until("starts are under way", || made(&cell) > 0);
    agent.leave().await;
    let names: Vec<_> = (0..40).map(|index| format!("fw/b{index}")).collect();
    cell.expects(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let agent = cell.agent();
    // What was not made yet is at the end of the queue; what was made goes on under its supervisor.
    let end = cell.end("fw/b39", TaskState::Failed).await;
    assert_eq!((end.reason, end.exit_code), (EndReason::NeverBegan, None));
    assert_eq!(end.message.as_deref(), Some("the agent ended before it could begin the task"));
    agent.leave().await;
    std::fs::write(cell.directory.path().join("go"), "").expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_certainly_never_began_is_said_to_have_never_begun() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![]);
    agent.leave().await;
    let key = |name: &str| TaskKey { task: task(name), incarnation: Incarnation(1) };
    let mut journal = Journal::open(&cell.directory.path().join("journal")).expect("the journal");
    let names = ["fw/queued", "fw/made", "fw/signed", "fw/gone"];
    journal.begin(&names.map(|name| (key(name), Offset(1), Offset(0))));
    for name in &names[1..] {
        journal.attempted(&key(name));
        Sandbox::of(&cell.sandboxes(), &key(name)).create().expect("a sandbox");
    }
    drop(journal);
    let signed = Sandbox::of(&cell.sandboxes(), &key("fw/signed"));
    let dead = ProcessName { pid: i32::MAX, start_ticks: 1, boot: process_tree::boot_id() };
    signed.sign(&signed.lock().expect("the lock"), &dead).expect("a signature");
    Sandbox::of(&cell.sandboxes(), &key("fw/gone")).remove().expect("a removal");
    cell.expects(&names);
    let agent = cell.agent();
    let reasons = [EndReason::NeverBegan, EndReason::NeverBegan, EndReason::SupervisorDied, EndReason::SupervisorDied];
    for (name, reason) in names.iter().zip(reasons) {
        assert_eq!(cell.end(name, TaskState::Failed).await.reason, reason, "{name}");
    }
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_do_not_make_an_agent_say_things_twice() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.drops_appends(true);
    cell.decides(burst(20, "true"));
    let names: Vec<_> = (0..20).map(|index| format!("fw/b{index}")).collect();
    cell.expects(&names.iter().map(String::as_str).collect::<Vec<_>>());
    until("every task has ended", || {
        names.iter().all(|name| {
            let sandbox = cell.sandboxes().join(format!("{}.1", name.replace('/', "~")));
            matches!(Sandbox::at(sandbox).ended(), Ok(Some(_)))
        })
    });
    cell.query(cell.connections() + 3).await;
    cell.drops_appends(false);
    for name in &names {
        cell.end(name, TaskState::Finished).await;
    }
    // One more task: what was said before its end was said by then.
    cell.decides(vec![placed("fw/last", 1, Some(shell("true")))]);
    cell.end("fw/last", TaskState::Finished).await;
    let (said, mut once) = (cell.statuses(), cell.statuses());
    once.sort_unstable();
    once.dedup();
    assert_eq!(said.len(), once.len(), "{said:?}");
    agent.leave().await;
}
