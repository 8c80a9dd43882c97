//! Jobs come, scale, stop and end.

use insta::assert_snapshot;

use crate::story::{play, story};

#[test]
fn a_batch_job_ends_when_its_last_task_has() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job sum count=2 cpu=1 mem=1Gi
        status sum.0 starting
        status sum.0 running
        status sum.0 running
        status sum.0 finished
        status sum.1 finished
        status sum.1 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted sum; task.placed sum.0#1 on a1 cpu=1 mem=1Gi; task.placed sum.1#2 on a1 cpu=1 mem=1Gi
    3 task.status_changed sum.0#1 starting
    4 task.status_changed sum.0#1 running
    5 nothing changes
    6 task.status_changed sum.0#1 finished (exited 0)
    7 task.status_changed sum.1#2 finished (exited 0); job.ended sum succeeded
    8 nothing changes
    ");
}

#[test]
fn the_outcome_of_a_job_is_that_of_its_worst_task() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job failed count=2 cpu=1 mem=1Gi
        status failed.0 failed
        status failed.1 finished
        job killed count=2 cpu=1 mem=1Gi
        kill killed.0
        status killed.0 killed
        status killed.1 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted failed
        task.placed failed.0#1 on a1 cpu=1 mem=1Gi
        task.placed failed.1#2 on a1 cpu=1 mem=1Gi
    3 task.status_changed failed.0#1 failed (exited 1)
    4 task.status_changed failed.1#2 finished (exited 0); job.ended failed failed
    5 job.accepted killed
        task.placed killed.0#3 on a1 cpu=1 mem=1Gi
        task.placed killed.1#4 on a1 cpu=1 mem=1Gi
    6 task.kill_requested killed.0#3 on a1
    7 task.status_changed killed.0#3 killed (requested)
    8 task.status_changed killed.1#4 finished (exited 0); job.ended killed stopped
    ");
}

#[test]
fn a_stopped_job_withdraws_what_waits_and_kills_what_runs() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        job db kind=service count=3 cpu=1 mem=1Gi restart=any
        stop db
        stop db
        status db.0 killed
        status db.1 finished
        stop db
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 job.accepted db
        task.placed db.0#1 on a1 cpu=1 mem=1Gi
        task.placed db.1#2 on a1 cpu=1 mem=1Gi
        placement.deferred db (1 wait): CpuTaken x1
    3 job.stopping db; task.kill_requested db.1#2 on a1; task.kill_requested db.0#1 on a1
    4 nothing changes
    5 task.status_changed db.0#1 killed (requested)
    6 task.status_changed db.1#2 finished (exited 0); job.ended db stopped
    7 refused 42 JobEnded: job db has ended or is being stopped
    ");
}

#[test]
fn a_job_that_never_ran_ends_as_soon_as_it_is_stopped() {
    assert_snapshot!(story("
        job db count=3 cpu=1 mem=1Gi
        stop db
    "), @"
    1 job.accepted db; placement.deferred db (3 wait):
    2 job.stopping db; job.ended db stopped
    ");
}

#[test]
fn a_job_of_many_tasks_stops_in_slices() {
    assert_snapshot!(story("
        agent a1 cpu=2000 mem=2000Gi
        job many count=1300 cpu=1 mem=1Gi
        work
        stop many
        work
        1300x status many.# killed
    "), @"
    1 agent.admitted a1 cpu=2000 mem=2000Gi
    2 job.accepted x1; task.placed x640
    3 task.placed x512
    4 task.placed x148
    5 job.stopping x1; task.kill_requested x512
    6 task.kill_requested x512
    7 task.kill_requested x276
    8.. job.ended x1; task.status_changed x1300
    ");
}

#[test]
fn scaling_up_places_more_and_scaling_down_kills_the_highest() {
    assert_snapshot!(story("
        agent a1 cpu=8 mem=8Gi
        job db kind=service count=2 cpu=1 mem=1Gi restart=any
        scale db 4
        scale db 4
        scale db 1
        status db.1 killed
        status db.2 killed
        status db.3 killed
        scale db 0
        status db.0 killed
        scale db 1
    "), @"
    1 agent.admitted a1 cpu=8 mem=8Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi; task.placed db.1#2 on a1 cpu=1 mem=1Gi
    3 job.scaled db to 4; task.placed db.2#3 on a1 cpu=1 mem=1Gi; task.placed db.3#4 on a1 cpu=1 mem=1Gi
    4 nothing changes
    5 job.scaled db to 1
        task.kill_requested db.3#4 on a1
        task.kill_requested db.2#3 on a1
        task.kill_requested db.1#2 on a1
    6 task.status_changed db.1#2 killed (requested)
    7 task.status_changed db.2#3 killed (requested)
    8 task.status_changed db.3#4 killed (requested)
    9 job.scaled db to 0; task.kill_requested db.0#1 on a1
    10 task.status_changed db.0#1 killed (requested)
    11 job.scaled db to 1
        task.restart_scheduled db.0 in 0 ms, restarts=0
        task.placed db.0#5 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_task_killed_by_a_scale_down_that_was_taken_back_starts_again() {
    assert_snapshot!(story("
        agent a1 cpu=8 mem=8Gi
        job db kind=service count=3 cpu=1 mem=1Gi restart=failure limit=1
        status db.2 running
        scale db 1
        scale db 3
        status db.1 killed
        status db.2 finished
        status db.1 failed
        status db.1 failed
        scale db 4
    "), @"
    1 agent.admitted a1 cpu=8 mem=8Gi
    2 job.accepted db
        task.placed db.0#1 on a1 cpu=1 mem=1Gi
        task.placed db.1#2 on a1 cpu=1 mem=1Gi
        task.placed db.2#3 on a1 cpu=1 mem=1Gi
    3 task.status_changed db.2#3 running
    4 job.scaled db to 1; task.kill_requested db.1#2 on a1; task.kill_requested db.0#1 on a1
    5 job.scaled db to 3
    6 task.status_changed db.1#2 killed (requested)
        task.restart_scheduled db.1 in 0 ms, restarts=0
        task.placed db.1#4 on a1 cpu=1 mem=1Gi
    7 task.status_changed db.2#3 finished (exited 0)
    8 task.status_changed db.1#4 failed (exited 1)
        task.restart_scheduled db.1 in 0 ms, restarts=1
        task.placed db.1#5 on a1 cpu=1 mem=1Gi
    9 task.status_changed db.1#5 failed (exited 1)
    10 job.scaled db to 4
        task.placed db.3#6 on a1 cpu=1 mem=1Gi
        task.restart_scheduled db.1 in 0 ms, restarts=0
        task.placed db.1#7 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_scale_down_withdraws_tasks_that_wait() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=1Gi
        agent a2 cpu=2 mem=2Gi
        job db kind=service count=3 cpu=1 mem=1Gi restart=any
        remove a2
        scale db 2
        scale db 1
        scale db 3
        agent a2 cpu=2 mem=2Gi
    "), @"
    1 agent.admitted a1 cpu=1 mem=1Gi
    2 agent.admitted a2 cpu=2 mem=2Gi
    3 job.accepted db
        task.placed db.0#1 on a1 cpu=1 mem=1Gi
        task.placed db.1#2 on a2 cpu=1 mem=1Gi
        task.placed db.2#3 on a2 cpu=1 mem=1Gi
    4 agent.leaving a2
        task.status_changed db.1#2 lost (agent_lost)
        task.restart_scheduled db.1 in 0 ms, restarts=0
        task.status_changed db.2#3 lost (agent_lost)
        task.restart_scheduled db.2 in 0 ms, restarts=0
        agent.removed a2
        placement.deferred db (2 wait): CpuTaken x1
    5 job.scaled db to 2; task.withdrawn db.2; placement.deferred db (1 wait): CpuTaken x1
    6 job.scaled db to 1; task.withdrawn db.1
    7 job.scaled db to 3
        task.restart_scheduled db.1 in 0 ms, restarts=0
        task.restart_scheduled db.2 in 0 ms, restarts=0
        placement.deferred db (2 wait): CpuTaken x1
    8 agent.admitted a2 cpu=2 mem=2Gi
        task.placed db.1#4 on a2 cpu=1 mem=1Gi
        task.placed db.2#5 on a2 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_killed_task_is_not_started_again_even_by_scaling() {
    assert_snapshot!(story("
        agent a1 cpu=8 mem=8Gi
        job db kind=service count=3 cpu=1 mem=1Gi restart=any
        kill db.1
        kill db.1
        status db.1 killed
        kill db.1
        scale db 1
        scale db 3
    "), @"
    1 agent.admitted a1 cpu=8 mem=8Gi
    2 job.accepted db
        task.placed db.0#1 on a1 cpu=1 mem=1Gi
        task.placed db.1#2 on a1 cpu=1 mem=1Gi
        task.placed db.2#3 on a1 cpu=1 mem=1Gi
    3 task.kill_requested db.1#2 on a1
    4 nothing changes
    5 task.status_changed db.1#2 killed (requested)
    6 refused 61 TaskEnded: task db.1 has ended: killed
    7 job.scaled db to 1; task.kill_requested db.2#3 on a1
    8 job.scaled db to 3
        task.restart_scheduled db.1 in 0 ms, restarts=0
        task.placed db.1#4 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn tasks_that_wait_are_killed_without_an_agent() {
    assert_snapshot!(story("
        job db count=4 cpu=1 mem=1Gi
        kill db.2
        kill db.0
        kill db.0
        agent a1 cpu=8 mem=8Gi
        status db.1 finished
        status db.3 finished
    "), @"
    1 job.accepted db; placement.deferred db (4 wait):
    2 task.withdrawn db.2
    3 task.withdrawn db.0
    4 refused 61 TaskEnded: task db.0 has ended: killed
    5 agent.admitted a1 cpu=8 mem=8Gi
        task.placed db.1#1 on a1 cpu=1 mem=1Gi
        task.placed db.3#2 on a1 cpu=1 mem=1Gi
    6 task.status_changed db.1#1 finished (exited 0)
    7 task.status_changed db.3#2 finished (exited 0); job.ended db stopped
    ");
}

#[test]
fn an_ended_job_is_forgotten_in_time_or_when_its_name_is_used_again() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        set ended_kept=5000
        job sum cpu=1 mem=1Gi
        job sum cpu=1 mem=1Gi
        status sum.0 finished
        job sum cpu=2 mem=1Gi
        status sum.0 running inc=1 on=a1
        status sum.0 finished
        tick +1
        tick +4999
        tick +1
        status sum.0 finished inc=2 on=a1
        job sum cpu=1 mem=1Gi
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 parameters.set policy=binpack offer_ttl=30000 agent_lost_after=60000 key_kept=600000 ended_kept=5000
    3 job.accepted sum; task.placed sum.0#1 on a1 cpu=1 mem=1Gi
    4 refused 40 JobExists: there is a job sum already
    5 task.status_changed sum.0#1 finished (exited 0); job.ended sum succeeded
    6 job.forgotten sum; job.accepted sum; task.placed sum.0#2 on a1 cpu=2 mem=1Gi
    7 refused 62 IncarnationSuperseded: task sum.0 is at incarnation 2, the status is about 1
    8 task.status_changed sum.0#2 finished (exited 0); job.ended sum succeeded
    9 time.advanced 1
    10 time.advanced 5000
    11 time.advanced 5001; job.forgotten sum
    12 refused 60 TaskUnknown: there is no task sum.0
    13 job.accepted sum; task.placed sum.0#3 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_huge_job_is_accepted_at_once_and_delays_no_small_one() {
    assert_snapshot!(story("
        100x agent m# cpu=1100 mem=1100Gi
        job huge count=100000 cpu=1 mem=1Gi
        job small cpu=1 mem=512Mi
        tick 1
        job alike count=2 cpu=1 mem=1Gi
        work
        status huge.99999 finished
    "), @"
    1.. agent.admitted x100
    101 job.accepted x1; task.placed x640
    102 job.accepted x1; task.placed x513
    103 task.placed x512; time.advanced x1
    104 job.accepted x1; task.placed x514
    105 task.placed x512
    .. 192 ticks in all ..
    296 task.placed x32
    297 task.status_changed huge.99999#100003 finished (exited 0)
    ");
}

#[test]
fn jobs_of_the_same_shape_take_turns() {
    let (cell, told) = play(
        "
        agent small cpu=1 mem=1Gi
        job first count=300 cpu=2 mem=1Gi
        job second count=300 cpu=2 mem=1Gi
        agent big cpu=800 mem=800Gi
    ",
    );
    let active: Vec<_> = cell.state.jobs.iter().map(|job| job.active).collect();
    assert_eq!(active, [200, 200]);
    assert_snapshot!(told, @"
    1 agent.admitted small cpu=1 mem=1Gi
    2 job.accepted first; placement.deferred first (300 wait): CpuTooSmall x1
    3 job.accepted second; placement.deferred second (300 wait): CpuTooSmall x1
    4 agent.admitted x1; task.placed x400
    ");
}

#[test]
fn a_long_grace_is_cut_by_a_second_stop_or_kill() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job web count=2 cpu=1 mem=1Gi grace=3600000
        kill web.0
        kill web.0
        kill web.0 grace=1000
        kill web.0 grace=3600001
        stop web
        stop web
        stop web grace=5000
        stop web grace=6000
        stop web grace=0
        status web.0 killed
        status web.1 killed
        stop web grace=0
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted web; task.placed web.0#1 on a1 cpu=1 mem=1Gi; task.placed web.1#2 on a1 cpu=1 mem=1Gi
    3 task.kill_requested web.0#1 on a1
    4 nothing changes
    5 task.kill_requested web.0#1 on a1 grace=1000
    6 refused 4 ParameterOutOfRange: grace_ms is 3600001, and may be 0 to 3600000
    7 job.stopping web; task.kill_requested web.1#2 on a1; task.kill_requested web.0#1 on a1
    8 nothing changes
    9 job.stopping web
        task.kill_requested web.1#2 on a1 grace=5000
        task.kill_requested web.0#1 on a1 grace=5000
    10 nothing changes
    11 job.stopping web; task.kill_requested web.1#2 on a1 grace=0; task.kill_requested web.0#1 on a1 grace=0
    12 task.status_changed web.0#1 killed (requested)
    13 task.status_changed web.1#2 killed (requested); job.ended web stopped
    14 refused 42 JobEnded: job web has ended or is being stopped
    ");
}
