//! What an agent does for a cell: real processes, a real socket, a cell that the test plays.

use std::{
    fs,
    time::{Duration, Instant},
};

use agent::sandbox::Sandbox;
use command_log::remote::protocol::{FailureCode, FromAgent, ReadFrom};
use log_schema::{Class, Event, Offset, PortRanges, TaskState, event::AgentRemovedV1, job::RunSpecV1, task::EndReason};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    cell::Cell,
    supervised::{alive, until},
    words::{accepted, kill_requested, me, placed, placed_with, read_log, shell},
};

/// Runs until a file `go` appears in the sandbox; says how often it was started in a file beside.
const WAITS: &str = "echo x >> ../../../started; echo up; while [ ! -e go ]; do sleep 0.01; done; exit 5";

fn supervisor_of(cell: &Cell, start: &str) -> i32 {
    let sandbox = Sandbox::at(cell.sandboxes().join(start));
    sandbox.supervisor().expect("readable").expect("signed").pid
}

fn times_started(cell: &Cell) -> usize {
    fs::read_to_string(cell.directory.path().join("started")).unwrap_or_default().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_joins_with_what_its_machine_has() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    let report = cell.report(1).await;
    assert!(report.capacity.cpu.0 >= 1000 && report.capacity.mem.0 > 0);
    for attribute in ["hostname", "os", "arch", "kernel", "limits", "rack"] {
        assert!(report.attributes.contains_key(attribute), "{attribute}");
    }
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_run_and_reported_with_the_decision_that_placed_it() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    let at = cell.decides(vec![accepted("web", shell("exit 3")), placed("web.0", 1, None)]);
    let (envelope, body) = cell.status("web.0", TaskState::Failed).await;
    assert_eq!(envelope.principal.as_str(), "agent:a1");
    assert_eq!((envelope.key.as_str(), envelope.caused_by), ("web.0:1:failed", Some(at)));
    assert_eq!((envelope.class, body.agent), (Class::Intrinsic, me()));
    assert_eq!(body.end.expect("an end").exit_code, Some(3));
    assert_eq!(cell.statuses(), ["web.0 running", "web.0 failed"]);
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_agent_adopts_what_runs() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell(WAITS)))]);
    cell.status("fw/t1", TaskState::Running).await;
    agent.leave().await;
    cell.expects(&["fw/t1"]);
    let agent = cell.agent();
    cell.report(2).await;
    fs::write(cell.work("fw~t1.1").join("go"), "").expect("a file");
    assert_eq!(cell.end("fw/t1", TaskState::Failed).await.exit_code, Some(5));
    assert_eq!(times_started(&cell), 1);
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_that_happened_while_no_agent_ran_is_reported_by_the_next() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell(WAITS)))]);
    cell.status("fw/t1", TaskState::Running).await;
    agent.leave().await;
    let supervisor = supervisor_of(&cell, "fw~t1.1");
    fs::write(cell.work("fw~t1.1").join("go"), "").expect("a file");
    until("the supervisor leaves", || !alive(supervisor));
    cell.expects(&["fw/t1"]);
    let agent = cell.agent();
    let end = cell.end("fw/t1", TaskState::Failed).await;
    assert_eq!((end.reason, end.exit_code), (EndReason::Exited, Some(5)));
    assert_eq!(times_started(&cell), 1);
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_is_killed_takes_its_task_along_and_is_reported() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    let script = "(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done') & echo $!; sleep 1000";
    cell.decides(vec![placed("fw/t1", 1, Some(shell(script)))]);
    cell.status("fw/t1", TaskState::Running).await;
    let supervisor = supervisor_of(&cell, "fw~t1.1");
    let family = || agent::process_tree::Snapshot::take().alive(supervisor);
    until("the family is complete", || family().len() >= 3);
    let members = family();
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).expect("a supervisor");
    let end = cell.end("fw/t1", TaskState::Failed).await;
    assert_eq!((end.reason, end.exit_code), (EndReason::SupervisorDied, None));
    let limited = cell.report(1).await.attributes["limits"] != "none";
    let left: Vec<_> = members.into_iter().filter(|pid| alive(*pid)).collect();
    // Without control groups only the session and the leader can be found again.
    assert!(left.is_empty() || !limited, "left: {left:?}");
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_died_while_no_agent_ran_is_reported_too() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell("sleep 1000 & sleep 1000")))]);
    cell.status("fw/t1", TaskState::Running).await;
    agent.leave().await;
    let supervisor = supervisor_of(&cell, "fw~t1.1");
    let members = agent::process_tree::Snapshot::take().alive(supervisor);
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).expect("a supervisor");
    cell.expects(&["fw/t1"]);
    let agent = cell.agent();
    assert_eq!(cell.end("fw/t1", TaskState::Failed).await.reason, EndReason::SupervisorDied);
    assert!(members.into_iter().all(|pid| !alive(pid)));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_killed_when_the_cell_asks() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell("sleep 1000")))]);
    cell.status("fw/t1", TaskState::Running).await;
    cell.decides(vec![kill_requested("fw/t1")]);
    let end = cell.end("fw/t1", TaskState::Killed).await;
    assert_eq!((end.reason, end.signal), (EndReason::Requested, Some(15)));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_placed_and_killed_in_one_breath_ends_as_killed() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell("sleep 1000"))), kill_requested("fw/t1")]);
    assert_eq!(cell.end("fw/t1", TaskState::Killed).await.reason, EndReason::Requested);
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_is_reported_with_a_message() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    let missing = RunSpecV1 { argv: vec!["no-such-program".into()], ..shell("") };
    cell.decides(vec![placed("fw/t1", 1, Some(missing)), placed("job.0", 1, None)]);
    let end = cell.end("fw/t1", TaskState::Failed).await;
    assert_eq!(end.reason, EndReason::CannotStart);
    assert!(end.message.expect("a message").contains("no-such-program"));
    let end = cell.end("job.0", TaskState::Failed).await;
    assert_eq!(end.reason, EndReason::CannotStart);
    assert!(end.message.expect("a message").contains("did not say what the task runs"));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_program_holds_is_said_before_anything_starts() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    let holder = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = holder.local_addr().expect("bound").port();
    let ports = PortRanges::new(vec![(port, port)]).expect("legal");
    cell.decides(vec![placed_with("fw/t1", 1, ports.clone(), shell("touch ran"))]);
    let end = cell.end("fw/t1", TaskState::Failed).await;
    assert_eq!((end.reason, &end.ports), (EndReason::PortsHeld, &ports));
    assert!(end.message.expect("a message").contains(&port.to_string()));
    assert!(!cell.work("fw~t1.1").join("ran").exists());
    drop(holder);
    cell.decides(vec![placed_with("fw/t2", 2, ports, shell("true"))]);
    assert_eq!(cell.end("fw/t2", TaskState::Finished).await.exit_code, Some(0));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_cannot_make_a_sandbox_says_that_it_is_at_fault() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    // A file where the directory of the sandboxes was: no sandbox can be made, even by root.
    std::fs::remove_dir(cell.sandboxes()).expect("an empty directory");
    std::fs::write(cell.sandboxes(), "").expect("a file");
    cell.decides(vec![placed("fw/t1", 1, Some(shell("true")))]);
    let end = cell.end("fw/t1", TaskState::Failed).await;
    assert_eq!(end.reason, EndReason::MachineFault);
    assert!(end.message.expect("a message").contains("sandbox"));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_nobody_answered_is_sent_again() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.drops_appends(true);
    cell.decides(vec![placed("fw/t1", 1, Some(shell("exit 4")))]);
    // The first report ends the connection; the next connection is turned down the same way.
    cell.query(3).await;
    cell.expects(&["fw/t1"]);
    cell.drops_appends(false);
    assert_eq!(cell.end("fw/t1", TaskState::Failed).await.exit_code, Some(4));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_was_not_taken_survives_a_restart_of_the_agent() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.drops_appends(true);
    cell.decides(vec![placed("fw/t1", 1, Some(shell("exit 4")))]);
    let sandbox = Sandbox::at(cell.sandboxes().join("fw~t1.1"));
    until("the task has ended", || matches!(sandbox.ended(), Ok(Some(_))));
    agent.leave().await;
    cell.expects(&["fw/t1"]);
    cell.drops_appends(false);
    let agent = cell.agent();
    assert_eq!(cell.end("fw/t1", TaskState::Failed).await.exit_code, Some(4));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_resumes_where_it_was_and_starts_nothing_twice() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    let identity = cell.report(1).await.identity.expect("an identity");
    let asked = cell.query(1).await;
    let secret = asked.split("&secret=").nth(1).and_then(|rest| rest.split('&').next()).expect("a secret");
    let known = log_schema::DirectorySecret::new(secret).expect("legal").identity();
    assert_eq!(identity, known, "the cell is told what follows from the secret, and not the secret");
    let who = |run: u32| format!("version=2&agent=a1&secret={secret}&run={run}&connection=1");
    assert_eq!(asked, who(1));
    let at = cell.decides(vec![placed("fw/t1", 1, Some(shell(WAITS)))]);
    cell.status("fw/t1", TaskState::Running).await;
    agent.leave().await;
    cell.expects(&["fw/t1"]);
    let agent = cell.agent();
    let place = format!("{}&from={}&epoch=1&to={}&chain=", who(2), at.0 + 1, at.0 - 1);
    let asked = cell.query(2).await;
    assert!(asked.starts_with(&place), "{asked} does not begin with {place}");
    cell.report(2).await;
    agent.leave().await;
    // The journal is lost, and the placement is told once more: the sandbox remembers.
    fs::remove_file(cell.directory.path().join("journal")).expect("the journal");
    let agent = cell.agent();
    cell.report(3).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell(WAITS))), placed("fw/t2", 1, Some(shell("true")))]);
    cell.status("fw/t2", TaskState::Finished).await;
    assert_eq!(times_started(&cell), 1);
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_a_memory_does_not_obey_history() {
    let cell = Cell::new().await;
    cell.decides(vec![placed("old/t1", 1, Some(shell(WAITS)))]);
    cell.expects(&["old/t1"]);
    let agent = cell.agent();
    let end = cell.end("old/t1", TaskState::Failed).await;
    assert_eq!(end.reason, EndReason::AgentLost);
    cell.decides(vec![placed("new/t1", 1, Some(shell("true")))]);
    cell.status("new/t1", TaskState::Finished).await;
    assert_eq!(times_started(&cell), 0);
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_lost_its_link_before_the_first_decision_begins_afresh() {
    let cell = Cell::new().await;
    cell.drops_appends(true);
    let agent = cell.agent();
    cell.query(2).await;
    cell.decides(vec![placed("old/t1", 1, Some(shell(WAITS)))]);
    let seen = cell.connections();
    cell.query(seen + 2).await;
    cell.drops_appends(false);
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell("true")))]);
    cell.status("fw/t1", TaskState::Finished).await;
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placement_that_was_over_before_the_agent_came_back_is_not_started() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t0", 1, Some(shell("true")))]);
    cell.status("fw/t0", TaskState::Finished).await;
    agent.leave().await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell(WAITS)))]);
    cell.decides(vec![placed("fw/t2", 1, Some(shell("true")))]);
    cell.expects(&["fw/t2"]);
    let agent = cell.agent();
    cell.status("fw/t2", TaskState::Finished).await;
    assert_eq!(times_started(&cell), 0);
    assert!(!cell.statuses().iter().any(|status| status.starts_with("fw/t1")));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_the_cell_does_not_know_is_ended() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell("sleep 1000")))]);
    cell.status("fw/t1", TaskState::Running).await;
    agent.leave().await;
    cell.expects(&[]);
    let agent = cell.agent();
    cell.end("fw/t1", TaskState::Killed).await;
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_agent_ends_its_tasks_and_joins_again() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell("sleep 1000"))), placed("fw/t2", 1, Some(shell("sleep 1000")))]);
    cell.status("fw/t2", TaskState::Running).await;
    cell.decides(vec![Event::AgentRemoved(AgentRemovedV1 { agent: me() })]);
    cell.status("fw/t1", TaskState::Killed).await;
    cell.status("fw/t2", TaskState::Killed).await;
    cell.report(2).await;
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_show_what_each_task_uses() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell("sleep 1000 & sleep 1000")))]);
    let sample = cell.sample(|sample| sample.tasks.iter().any(|task| task.processes >= 3)).await;
    assert!(sample.mem_total_mib > 0 && sample.disk_total_mib > 0 && sample.cpu_total_millis >= 1000);
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_read_over_the_link_and_followed_to_its_end() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell("echo one; while [ ! -e go ]; do sleep 0.01; done; echo two")))]);
    cell.asks(read_log(1, "nobody/0", ReadFrom::Byte(0), 0));
    assert!(matches!(cell.log_answer(1).await, FromAgent::LogFailed { code: FailureCode::NotFound, .. }));
    cell.status("fw/t1", TaskState::Running).await;
    cell.asks(read_log(2, "fw/t1", ReadFrom::Byte(0), 10_000));
    let FromAgent::LogChunk { bytes, next_offset, end, .. } = cell.log_answer(2).await else { panic!("no chunk") };
    assert_eq!((bytes.as_ref(), end), (b"one\n".as_slice(), false));
    fs::write(cell.work("fw~t1.1").join("go"), "").expect("a file");
    cell.status("fw/t1", TaskState::Finished).await;
    cell.asks(read_log(3, "fw/t1", ReadFrom::Byte(next_offset), 10_000));
    let FromAgent::LogChunk { bytes, end, .. } = cell.log_answer(3).await else { panic!("no chunk") };
    assert_eq!((bytes.as_ref(), end), (b"two\n".as_slice(), true));
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_do_not_share_a_directory() {
    let cell = Cell::new().await;
    let first = cell.agent();
    cell.report(1).await;
    assert!(matches!(cell.agent().end().await, agent::Error::InUse { .. }));
    first.leave().await;
}

/// `TASKS=500 cargo test -p agent -- fifty_tasks --nocapture` measures for ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_tasks_a_second_all_run_and_end() {
    let tasks: usize = std::env::var("TASKS").ok().and_then(|count| count.parse().ok()).unwrap_or(25);
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut ordered = Vec::new();
    for index in 0..tasks {
        pace.tick().await;
        ordered.push(Instant::now());
        cell.decides(vec![placed(&format!("fw/t{index}"), 1, Some(shell("exec true")))]);
    }
    let mut waits = Vec::new();
    for (index, ordered) in ordered.into_iter().enumerate() {
        let name = format!("fw/t{index}");
        cell.status(&name, TaskState::Finished).await;
        waits.push(cell.running_since(&name).expect("it ran") - ordered);
    }
    waits.sort_unstable();
    let (median, p99) = (waits[tasks / 2], waits[tasks * 99 / 100]);
    eprintln!("{tasks} tasks, order to running: median {median:?}, p99 {p99:?}, most {:?}", waits[tasks - 1]);
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_another_agent_is_refused_and_what_runs_there_goes_on() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(vec![placed("fw/t1", 1, Some(shell(WAITS)))]);
    cell.status("fw/t1", TaskState::Running).await;
    agent.leave().await;
    let refused = cell.agent_named("a2", None).end().await;
    assert!(matches!(refused, agent::Error::Identity(agent::identity::Error::OtherAgent { .. })), "{refused}");
    assert!(alive(supervisor_of(&cell, "fw~t1.1")));
    let first = cell.report(1).await.identity.expect("an identity");
    cell.expects(&["fw/t1"]);
    let agent = cell.agent();
    assert_eq!(cell.report(2).await.identity, Some(first), "made once");
    assert!(cell.query(1).await.contains("&run=1&connection=1"));
    assert!(cell.query(2).await.contains("&run=2&connection=1"));
    fs::write(cell.work("fw~t1.1").join("go"), "").expect("told");
    cell.status("fw/t1", TaskState::Failed).await;
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_ends_when_its_agents_directory_was_deleted_whether_or_not_an_agent_runs() {
    for agent_runs in [false, true] {
        let cell = Cell::new().await;
        let agent = cell.agent();
        cell.report(1).await;
        cell.decides(vec![placed("fw/t1", 1, Some(shell("exec sleep 1000")))]);
        cell.status("fw/t1", TaskState::Running).await;
        let supervisor = supervisor_of(&cell, "fw~t1.1");
        let agent = if agent_runs {
            Some(agent)
        } else {
            agent.leave().await;
            None
        };
        fs::remove_dir_all(cell.directory.path()).expect("deleted");
        until("the task ended", || !alive(supervisor));
        if let Some(agent) = agent {
            let end = agent.end().await;
            assert!(matches!(end, agent::Error::DirectoryGone { .. }), "{end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_finds_a_gateway_that_moved_by_the_file_that_says_where_it_is() {
    let (mut cell, says) = (Cell::new().await, tempfile::tempdir().expect("a directory"));
    let file = says.path().join("gateway-url");
    fs::write(&file, cell.url()).expect("written");
    let agent = cell.agent_named("a1", Some(file.clone()));
    cell.report(1).await;
    // The port that the agent was started with is another program's from now on, which takes connections.
    let _other = cell.moves().await;
    fs::write(&file, format!("{}\n", cell.url())).expect("written");
    cell.report(2).await;
    agent.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_ahead_of_the_cells_log_says_so_and_gives_up_what_the_log_lost() {
    let cell = Cell::new().await;
    let agent = cell.agent();
    cell.report(1).await;
    cell.decides(Vec::new());
    cell.decides(vec![placed("fw/t1", 1, Some(shell("exec sleep 1000")))]);
    let (_, running) = cell.status("fw/t1", TaskState::Running).await;
    let before = supervisor_of(&cell, "fw~t1.1");
    agent.leave().await;
    cell.loses_its_log();
    let agent = cell.agent();
    assert!(cell.report_that_strayed().await > Offset(0), "the last offset that was obeyed");
    // The cell gives the same number to another start, at another place of the log.
    cell.decides(Vec::new());
    cell.decides(Vec::new());
    cell.decides(vec![placed("fw/t1", 1, Some(shell("exit 7")))]);
    assert_eq!(cell.end("fw/t1", TaskState::Failed).await.exit_code, Some(7));
    assert!(!alive(before), "the lost start has ended, and was not taken for the new one");
    assert_eq!(running.incarnation.0, 1);
    // The new start may have ended before it was seen to run; of the lost one's end the cell hears nothing.
    let statuses = cell.statuses();
    assert_eq!(statuses.iter().filter(|status| *status != "fw/t1 running").collect::<Vec<_>>(), ["fw/t1 failed"]);
    agent.leave().await;
}
