//! What belongs to a task, how it ends, and what it starts from.

use std::fs;

use agent::cgroup::Controller;
use command_log::remote::protocol::Stream;
use log_schema::{TaskState, task::EndReason};

use crate::{
    small_disk::SmallDisk,
    supervised::{Supervised, alive, layout_or_skip, until},
};

#[test]
fn a_task_that_ends_by_a_real_time_signal_has_ended_by_it() {
    for number in [34, 64] {
        let script = format!("kill -{number} $$; sleep 1000");
        let mut task = Supervised::new("realtime.0").argv(&["bash", "-c", &script]).start();
        let end = task.ended().end;
        assert_eq!((end.reason, end.signal, end.exit_code), (EndReason::Signalled, Some(number), None));
    }
}

#[test]
fn a_child_that_ends_by_a_real_time_signal_does_not_end_its_task() {
    let script = "(sh -c 'sleep 0.1; exec bash -c \"kill -40 \\$\\$\"' &); sleep 0.5; echo on; exit 4";
    let mut task = Supervised::new("orphan.0").shell(script).start();
    assert_eq!(task.ended().end.exit_code, Some(4));
    assert_eq!(task.output(Stream::Stdout), "on\n");
}

#[test]
fn grace_is_for_all_that_a_task_started() {
    // The shell dies of SIGTERM at once; the server behind it needs longer.
    let server = "trap \"sleep 0.3; echo clean; exit 0\" TERM; echo up; while :; do sleep 0.01; done";
    for (name, script) in [
        ("behind.0", format!("sh -c '{server}'; true")),
        ("session.0", format!("setsid sh -c '{server}'; true")),
        ("daemon.0", format!("(setsid sh -c '{server}' &); sleep 1000")),
    ] {
        let mut task = Supervised::new(name).grace_ms(60_000).shell(&script).start();
        task.output_holds("up");
        task.kill();
        let ended = task.ended();
        assert_eq!((ended.state, ended.end.reason), (TaskState::Killed, EndReason::Requested), "{name}");
        assert_eq!(task.output(Stream::Stdout), "up\nclean\n", "{name}");
        assert!(task.processes().is_empty(), "{name}");
    }
}

#[test]
fn what_is_left_behind_by_an_exit_gets_its_grace_too() {
    let server = "trap \"sleep 0.3; echo clean; exit 0\" TERM; echo up; while :; do sleep 0.01; done";
    let script = format!("(setsid sh -c '{server}' &); while ! [ -e go ]; do sleep 0.01; done; exit 6");
    let mut task = Supervised::new("left.0").grace_ms(60_000).shell(&script).start();
    task.output_holds("up");
    fs::write(task.sandbox.work().join("go"), "").expect("a file");
    let ended = task.ended();
    assert_eq!((ended.state, ended.end.exit_code), (TaskState::Failed, Some(6)));
    assert_eq!(task.output(Stream::Stdout), "up\nclean\n");
}

#[test]
fn grace_is_over_when_its_time_is() {
    let stubborn = "(setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' &); sleep 1000";
    let mut task = Supervised::new("late.0").grace_ms(100).shell(stubborn).start();
    task.output_holds("\n");
    let pid: i32 = task.output(Stream::Stdout).trim().parse().expect("a pid");
    task.kill();
    assert_eq!(task.ended().state, TaskState::Killed);
    assert!(!alive(pid), "it lives on");
}

#[test]
fn a_stopped_task_can_still_end_in_its_own_way() {
    let script = "trap 'echo bye; exit 3' TERM; echo up; kill -STOP $$; while :; do sleep 0.01; done";
    let mut task = Supervised::new("stopped.0").grace_ms(60_000).shell(script).start();
    task.output_holds("up");
    task.kill();
    assert_eq!(task.ended().end.exit_code, Some(3));
}

#[test]
fn a_task_cannot_ask_for_its_own_end_in_the_name_of_the_cell() {
    let script = "touch ../kill ../../.control/forge.0.1/kill; kill -TERM $PPID; sleep 1000";
    let mut task = Supervised::new("forge.0").shell(script).start();
    let ended = task.ended();
    assert!(task.sandbox.kill_wanted(), "it wrote the note");
    assert_eq!((ended.state, ended.end.reason), (TaskState::Failed, EndReason::Signalled));
}

#[test]
fn nothing_that_agent_and_supervisor_tell_each_other_is_beside_the_working_directory() {
    let mut task =
        Supervised::new("beside.0").shell("ls ..; stat -c %a ../../.control ../../.control/beside.0.1").start();
    task.ended();
    assert_eq!(task.output(Stream::Stdout), "work\n700\n700\n");
}

#[test]
fn memory_that_a_child_ran_out_of_is_a_note_where_the_main_process_exits() {
    let Some(layout) = layout_or_skip(Controller::Memory) else { return };
    let hungry = "sh -c 'x=$(head -c 200000000 /dev/zero | tr \"\\0\" x)'; exit 7";
    let mut task = Supervised::new("survivor.0").limits(layout, 0, 32).shell(hungry).start();
    let end = task.ended().end;
    assert_eq!((end.reason, end.exit_code), (EndReason::Exited, Some(7)), "{end:?}");
    assert!(end.message.as_ref().is_some_and(|note| note.contains("passing the memory limit")), "{end:?}");
}

#[test]
fn a_task_starts_from_the_same_state_whatever_its_starter_was_in() {
    let state = "grep -E '^Sig(Blk|Ign)' /proc/self/status; umask; nice; ulimit -Sn; ulimit -Hn; ulimit -c; \
        ulimit -f; ulimit -s; cat /proc/self/oom_score_adj /proc/self/personality; ls /proc/self/fd; env | cut -d= -f1 | sort";
    let strange = "umask 077; ulimit -Sn 200; ulimit -Sc unlimited; ulimit -Ss 4096; exec 7</dev/null 9>/dev/null; \
        echo 500 >/proc/self/oom_score_adj; [ $(id -u) = 0 ] && renice -n 7 $$ >/dev/null; \
        exec env --ignore-signal=HUP,QUIT,CHLD,USR1,RTMIN+3 --block-signal=USR2,RTMIN+4 LOST=1 setarch -R \"$0\" \"$@\"";
    let mut plain = Supervised::new("plain.0").argv(&["bash", "-c", state]).start();
    let mut odd = Supervised::new("odd.0").through(&["bash", "-c", strange]).argv(&["bash", "-c", state]).start();
    assert_eq!((plain.ended().end.exit_code, odd.ended().end.exit_code), (Some(0), Some(0)));
    let (plain, odd) = (plain.output(Stream::Stdout), odd.output(Stream::Stdout));
    assert_eq!(plain, odd);
    let zeros = "0000000000000000";
    assert!(odd.starts_with(&format!("SigBlk:\t{zeros}\nSigIgn:\t{zeros}\n")), "{odd}");
    let lines: Vec<_> = odd.lines().skip(2).collect();
    let (highest, rest) = (lines[3], [&lines[..3], &lines[4..13]].concat());
    assert_eq!(rest, ["0022", "0", "1024", "0", "unlimited", "8192", "0", "00000000", "0", "1", "2", "3"]);
    assert!(highest.parse::<u64>().is_ok_and(|highest| (1024..=524_288).contains(&highest)), "{highest}");
}

#[test]
fn a_full_disk_loses_no_exit_code() {
    let Some(disk) = SmallDisk::mount("256k") else { return };
    let script = "head -c 10000000 /dev/zero >full; while ! head -c 1 /dev/zero >>full; do exit 5; done; exit 6";
    let mut task = Supervised::below(disk.path(), "full.0").shell(script).start();
    let ended = task.ended();
    assert_eq!((ended.end.reason, ended.end.exit_code), (EndReason::Exited, Some(5)));
}

#[test]
fn an_end_that_cannot_be_written_is_kept_until_it_can() {
    let mut task = Supervised::new("kept.0").shell("while ! [ -e go ]; do sleep 0.01; done; exit 5").start();
    until("it runs", || matches!(task.sandbox.started(), Ok(Some(_))));
    // A directory in the way: nothing can be written under the name.
    let control = task.sandbox.complaints().with_file_name("");
    fs::remove_file(control.join("end.draft")).expect("the space set aside");
    fs::create_dir(control.join("end.draft")).expect("a directory");
    fs::write(task.sandbox.work().join("go"), "").expect("a file");
    until("the task is gone", || task.processes().is_empty());
    fs::remove_dir(control.join("end.draft")).expect("an empty directory");
    assert_eq!(task.ended().end.exit_code, Some(5));
}

#[test]
fn a_limit_on_files_of_the_starter_ends_no_task() {
    let mut task = Supervised::new("files.0").through(&["bash", "-c", "ulimit -Sf 0; exec \"$0\" \"$@\""]);
    task = task.shell("seq 1 2000; exit 5").start();
    assert_eq!(task.ended().end.exit_code, Some(5));
    assert!(task.output(Stream::Stdout).ends_with("2000\n"));
}
