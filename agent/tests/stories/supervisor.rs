//! What a supervisor does with real processes: starts, output, ends of every sort.

use std::{fs, process::Command, time::Duration};

use agent::{
    cgroup::{Controller, Layout},
    output::{Kept, segments},
};
use command_log::remote::protocol::Stream;
use log_schema::{TaskState, task::EndReason};

use crate::supervised::{self, Supervised, layout_or_skip, until};

#[test]
fn a_task_that_exits_by_itself_reports_its_code() {
    let mut task = Supervised::new("exit.0").shell("exit 7").start();
    let ended = task.ended();
    assert_eq!(ended.state, TaskState::Failed);
    assert_eq!((ended.end.reason, ended.end.exit_code), (EndReason::Exited, Some(7)));
}

#[test]
fn a_task_that_exits_with_zero_is_finished() {
    let mut task = Supervised::new("ok.0").shell("true").start();
    assert_eq!(task.ended().state, TaskState::Finished);
}

#[test]
fn a_signal_that_nobody_asked_for_is_named() {
    let mut task = Supervised::new("signal.0").shell("kill -SEGV $$").start();
    let end = task.ended().end;
    assert_eq!((end.reason, end.signal), (EndReason::Signalled, Some(11)));
}

#[test]
fn a_program_that_is_not_in_path_cannot_start_and_says_so() {
    let mut task = Supervised::new("missing.0").argv(&["no-such-program"]).start();
    let ended = task.ended();
    assert_eq!((ended.state, ended.end.reason), (TaskState::Failed, EndReason::CannotStart));
    let message = ended.end.message.expect("a message for people");
    assert!(message.contains("no-such-program") && message.contains("No such file"), "{message}");
}

#[test]
fn a_spec_that_cannot_be_obeyed_fails_without_a_panic() {
    let long = "x".repeat(4 << 20);
    for (name, argv) in
        [("empty.0", vec![]), ("blank.0", vec![""]), ("zero.0", vec!["a\0b"]), ("long.0", vec!["true", long.as_str()])]
    {
        let mut task = Supervised::new(name).argv(&argv).start();
        let ended = task.ended();
        assert_eq!(ended.end.reason, EndReason::CannotStart, "{name}");
        assert!(ended.end.message.is_some(), "{name}");
    }
    let mut nowhere = Supervised::new("nowhere.0").shell("true").directory("/no/such/directory").start();
    assert!(nowhere.ended().end.message.expect("a message").contains("/no/such/directory"));
}

#[test]
fn environment_arguments_and_output_are_those_of_the_task() {
    let mut task = Supervised::new("env.0")
        .env("PORT0", "31007")
        .shell("echo $PORT0; pwd; echo wrong >&2; cat; ps -o pgid= -p $$")
        .start();
    task.ended();
    let out = task.output(Stream::Stdout);
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("31007"));
    assert_eq!(lines.next(), Some(task.sandbox.work().to_str().expect("a path in UTF-8")));
    assert_eq!(task.output(Stream::Stderr), "wrong\n");
}

#[test]
fn a_task_asked_to_end_may_do_so_in_its_own_way() {
    let mut task = Supervised::new("polite.0")
        .grace_ms(60_000)
        .shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done")
        .start();
    task.output_holds("up");
    task.kill();
    let ended = task.ended();
    assert_eq!(
        (ended.state, ended.end.reason, ended.end.exit_code),
        (TaskState::Killed, EndReason::Requested, Some(3))
    );
    assert!(task.output(Stream::Stdout).ends_with("bye\n"));
}

#[test]
fn after_the_grace_the_whole_family_is_killed_grandchildren_and_all() {
    let script = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo far $$; while :; do sleep 1; done') & (trap '' TERM; sleep 1000) & echo up; while :; do sleep 1; done";
    let mut task = Supervised::new("stubborn.0").grace_ms(50).shell(script).start();
    task.output_holds("up");
    task.output_holds("far");
    task.kill();
    let ended = task.ended();
    assert_eq!((ended.state, ended.end.signal), (TaskState::Killed, Some(9)));
    assert!(task.processes().is_empty(), "left over: {:?}", task.processes());
    let far: i32 =
        task.output(Stream::Stdout).lines().find_map(|line| line.strip_prefix("far ")?.parse().ok()).expect("a pid");
    assert!(!supervised::alive(far), "the grandchild in its own session lives on");
}

#[test]
fn what_a_task_leaves_behind_ends_with_it() {
    let mut task = Supervised::new("daemon.0").shell("(setsid sleep 1000) & echo $!; exit 0").start();
    assert_eq!(task.ended().state, TaskState::Finished);
    until("no process is left", || task.processes().is_empty());
}

#[test]
fn a_kill_that_comes_before_the_start_starts_nothing() {
    let mut task = Supervised::new("early.0").shell("echo started").kill_wanted().start();
    let ended = task.ended();
    assert_eq!((ended.state, ended.end.reason), (TaskState::Killed, EndReason::Requested));
    assert_eq!(task.output(Stream::Stdout), "");
}

#[test]
fn a_term_that_the_agent_did_not_send_is_a_failure() {
    let mut task = Supervised::new("foreign.0").shell("echo up; sleep 1000").start();
    task.output_holds("up");
    // This process is the agent; its child is not.
    let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", task.supervisor())]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let ended = task.ended();
    assert_eq!((ended.state, ended.end.reason), (TaskState::Failed, EndReason::Signalled));
}

#[test]
fn output_is_rotated_and_the_newest_is_kept() {
    let kept = Kept { segment_bytes: 1000, segments_max: 3 };
    let mut task = Supervised::new("chatty.0").keeps(kept).shell("seq 1 2000").start();
    task.ended();
    let files = segments(task.sandbox.dir(), Stream::Stdout);
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|(_, file)| fs::metadata(file).expect("a segment").len() <= 1000));
    assert!(task.output(Stream::Stdout).ends_with("1999\n2000\n"));
    assert_eq!(
        fs::read_link(task.sandbox.dir().join("stdout")).expect("a link"),
        files[2].1.file_name().expect("a name")
    );
}

#[test]
fn a_second_supervisor_of_the_same_incarnation_starts_nothing() {
    let mut task = Supervised::new("twice.0").shell("echo up; sleep 1000").start();
    task.output_holds("up");
    let second = task.another().wait().expect("a second supervisor");
    assert!(!second.success());
    task.kill();
    task.ended();
    assert!(!task.another().wait().expect("a third supervisor").success(), "an ended incarnation was started again");
    assert_eq!(task.output(Stream::Stdout), "up\n");
}

#[test]
fn the_task_dies_with_a_supervisor_that_is_killed() {
    let task = Supervised::new("orphan.0").shell("echo up; exec sleep 1000").start();
    task.output_holds("up");
    let leader = task.sandbox.started().expect("readable").expect("started").pid;
    task.signal(nix::sys::signal::Signal::SIGKILL);
    until("the leader is gone", || !supervised::alive(leader));
}

#[test]
fn passing_the_memory_limit_is_told_from_any_other_end() {
    let Some(layout) = layout_or_skip(Controller::Memory) else { return };
    let hungry = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived";
    let mut task = Supervised::new("hungry.0").limits(layout, 0, 32).shell(hungry).start();
    let ended = task.ended();
    assert_eq!((ended.state, ended.end.reason), (TaskState::Failed, EndReason::OutOfMemory), "{ended:?}");
    assert!(!task.output(Stream::Stdout).contains("survived"));
}

#[test]
fn a_main_process_that_somebody_kills_long_after_a_child_passed_the_limit_was_not_out_of_memory() {
    let Some(layout) = layout_or_skip(Controller::Memory) else { return };
    let script = "sh -c 'x=$(head -c 200000000 /dev/zero | tr \"\\0\" x)'; sleep 8; kill -9 $$";
    let mut task = Supervised::new("killed.0").limits(layout, 0, 32).shell(script).start();
    let ended = task.ended();
    assert_eq!((ended.state, ended.end.reason), (TaskState::Failed, EndReason::Signalled), "{ended:?}");
    let note = ended.end.message.as_deref().unwrap_or_default();
    assert!(note.contains("for passing the memory limit"), "{note}");
}

#[test]
fn a_limit_on_cpu_slows_a_busy_task_down() {
    let Some(layout) = layout_or_skip(Controller::Cpu) else { return };
    let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; times";
    let mut task = Supervised::new("busy.0").limits(layout, 100, 0).shell(busy).start();
    let ran = Duration::from_millis(task.ended().end.ran_ms.expect("a time"));
    let used = supervised::user_and_system_time(&task.output(Stream::Stdout));
    assert!(ran > used * 3, "ran {ran:?} and used {used:?} of CPU");
}

#[test]
fn a_fork_bomb_is_stopped_by_the_limit_on_processes() {
    let Some(layout) = layout_or_skip(Controller::Pids) else { return };
    let bomb = "i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i+1)); done; echo all";
    let mut task = Supervised::new("bomb.0").limits(layout, 0, 0).processes_max(20).shell(bomb).start();
    assert_ne!(task.ended().state, TaskState::Finished);
    assert!(task.processes().is_empty());
}

#[test]
fn the_groups_of_an_ended_task_are_removed() {
    let Some(layout) = layout_or_skip(Controller::Memory) else { return };
    let mut task = Supervised::new("tidy.0").limits(layout.clone(), 100, 64).shell("true").start();
    task.ended();
    let group = task.group(layout);
    assert!(group.doors().is_err(), "a group is still there");
}

#[test]
fn a_machine_says_in_words_what_it_does_not_enforce() {
    let none = Layout::none("the agent may not");
    assert_eq!(none.attribute(), "none");
    assert!(none.statement().starts_with("memory limits are NOT enforced: the agent may not"));
    eprintln!("here: {}", Layout::detect("quipu-test").statement());
}
