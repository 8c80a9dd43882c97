//! Tasks that end are started again: back-off, limits and losses.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn the_wait_doubles_up_to_its_longest_and_the_limit_ends_it() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=1Gi
        job flaky cpu=1 mem=1Gi restart=failure limit=4 backoff=100 backoff_max=300
        status flaky.0 failed
        tick 1000
        tick +99
        tick +1
        status flaky.0 failed
        tick +1
        tick +200
        status flaky.0 failed
        tick +1
        tick +300
        status flaky.0 failed
        tick +1
        tick +300
        status flaky.0 failed exit=7
    "), @"
    1 agent.admitted a1 cpu=1 mem=1Gi
    2 job.accepted flaky; task.placed flaky.0#1 on a1 cpu=1 mem=1Gi
    3 task.status_changed flaky.0#1 failed (exited 1); task.restart_scheduled flaky.0 in 100 ms, restarts=1
    4 time.advanced 1000
    5 time.advanced 1099
    6 time.advanced 1100; task.restart_due flaky.0; task.placed flaky.0#2 on a1 cpu=1 mem=1Gi
    7 task.status_changed flaky.0#2 failed (exited 1); task.restart_scheduled flaky.0 in 200 ms, restarts=2
    8 time.advanced 1101
    9 time.advanced 1301; task.restart_due flaky.0; task.placed flaky.0#3 on a1 cpu=1 mem=1Gi
    10 task.status_changed flaky.0#3 failed (exited 1); task.restart_scheduled flaky.0 in 300 ms, restarts=3
    11 time.advanced 1302
    12 time.advanced 1602; task.restart_due flaky.0; task.placed flaky.0#4 on a1 cpu=1 mem=1Gi
    13 task.status_changed flaky.0#4 failed (exited 1); task.restart_scheduled flaky.0 in 300 ms, restarts=4
    14 time.advanced 1603
    15 time.advanced 1903; task.restart_due flaky.0; task.placed flaky.0#5 on a1 cpu=1 mem=1Gi
    16 task.status_changed flaky.0#5 failed (exited 7); job.ended flaky failed
    ");
}

#[test]
fn a_wait_set_between_two_ticks_runs_from_the_next_one() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=1Gi
        tick 1000
        job flaky cpu=1 mem=1Gi restart=failure backoff=100
        status flaky.0 failed
        tick 1900
        tick 1999
        tick 2000
    "), @"
    1 agent.admitted a1 cpu=1 mem=1Gi
    2 time.advanced 1000
    3 job.accepted flaky; task.placed flaky.0#1 on a1 cpu=1 mem=1Gi
    4 task.status_changed flaky.0#1 failed (exited 1); task.restart_scheduled flaky.0 in 100 ms, restarts=1
    5 time.advanced 1900
    6 time.advanced 1999
    7 time.advanced 2000; task.restart_due flaky.0; task.placed flaky.0#2 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_service_restarts_after_success_where_its_policy_says_so() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=1Gi
        job any kind=service cpu=1 mem=1Gi restart=any
        status any.0 finished
        stop any
        status any.0 killed
        job failure kind=service cpu=1 mem=1Gi restart=failure
        status failure.0 finished
        job never kind=service cpu=1 mem=1Gi restart=never
        status never.0 failed
    "), @"
    1 agent.admitted a1 cpu=1 mem=1Gi
    2 job.accepted any; task.placed any.0#1 on a1 cpu=1 mem=1Gi
    3 task.status_changed any.0#1 finished (exited 0)
        task.restart_scheduled any.0 in 0 ms, restarts=1
        task.placed any.0#2 on a1 cpu=1 mem=1Gi
    4 job.stopping any; task.kill_requested any.0#2 on a1
    5 task.status_changed any.0#2 killed (requested); job.ended any stopped
    6 job.accepted failure; task.placed failure.0#3 on a1 cpu=1 mem=1Gi
    7 task.status_changed failure.0#3 finished (exited 0); job.ended failure succeeded
    8 job.accepted never; task.placed never.0#4 on a1 cpu=1 mem=1Gi
    9 task.status_changed never.0#4 failed (exited 1); job.ended never failed
    ");
}

#[test]
fn a_task_that_backs_off_can_be_killed_and_stopped() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        job db kind=service count=2 cpu=1 mem=1Gi restart=any backoff=1000
        status db.0 failed
        status db.1 failed
        kill db.0
        stop db
        tick +1
        tick +1000
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi; task.placed db.1#2 on a1 cpu=1 mem=1Gi
    3 task.status_changed db.0#1 failed (exited 1); task.restart_scheduled db.0 in 1000 ms, restarts=1
    4 task.status_changed db.1#2 failed (exited 1); task.restart_scheduled db.1 in 1000 ms, restarts=1
    5 task.withdrawn db.0
    6 job.stopping db; task.withdrawn db.1; job.ended db stopped
    7 time.advanced 1
    8 time.advanced 1001
    ");
}

#[test]
fn a_loss_counts_as_no_restart_but_never_means_never() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        job keep cpu=1 mem=1Gi restart=failure limit=0 backoff=1000
        job once cpu=1 mem=1Gi restart=never
        remove a1
        agent a2 cpu=2 mem=2Gi
        status keep.0 failed
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 job.accepted keep; task.placed keep.0#1 on a1 cpu=1 mem=1Gi
    3 job.accepted once; task.placed once.0#2 on a1 cpu=1 mem=1Gi
    4 agent.leaving a1
        task.status_changed keep.0#1 lost (agent_lost)
        task.restart_scheduled keep.0 in 0 ms, restarts=0
        task.status_changed once.0#2 lost (agent_lost)
        job.ended once failed
        agent.removed a1
        placement.deferred keep (1 wait):
    5 agent.admitted a2 cpu=2 mem=2Gi; task.placed keep.0#3 on a2 cpu=1 mem=1Gi
    6 task.status_changed keep.0#3 failed (exited 1); job.ended keep failed
    ");
}

#[test]
fn a_start_that_never_began_is_tried_again_and_costs_no_restart() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=1Gi
        tick 1000
        job once cpu=1 mem=1Gi restart=never
        status once.0 failed end=never_began
        tick +1
        tick +1000
        status once.0 failed
    "), @"
    1 agent.admitted a1 cpu=1 mem=1Gi
    2 time.advanced 1000
    3 job.accepted once; task.placed once.0#1 on a1 cpu=1 mem=1Gi
    4 task.status_changed once.0#1 failed (never_began)
        task.restart_scheduled once.0 in 1000 ms, restarts=0
    5 time.advanced 1001
    6 time.advanced 2001; task.restart_due once.0; task.placed once.0#2 on a1 cpu=1 mem=1Gi
    7 task.status_changed once.0#2 failed (exited 1); job.ended once failed
    ");
}

/// The wait starts from the beginning after ten minutes without an end; the limit is for so long as well.
#[test]
fn a_service_that_ran_well_for_a_while_starts_from_the_beginning() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job web kind=service cpu=1 mem=1Gi restart=any limit=2 backoff=1000
        status web.0 failed
        tick 1000
        tick 2000
        status web.0 failed
        tick 3000
        tick 5000
        status web.0 running
        tick 304000
        tick 304010
        tick 604010
        status web.0 failed
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted web; task.placed web.0#1 on a1 cpu=1 mem=1Gi
    3 task.status_changed web.0#1 failed (exited 1); task.restart_scheduled web.0 in 1000 ms, restarts=1
    4 time.advanced 1000
    5 time.advanced 2000; task.restart_due web.0; task.placed web.0#2 on a1 cpu=1 mem=1Gi
    6 task.status_changed web.0#2 failed (exited 1); task.restart_scheduled web.0 in 2000 ms, restarts=2
    7 time.advanced 3000
    8 time.advanced 5000; task.restart_due web.0; task.placed web.0#3 on a1 cpu=1 mem=1Gi
    9 task.status_changed web.0#3 running
    10 time.advanced 304000; task.restart_forgotten web.0, restarts=2
    11 time.advanced 304010
    12 time.advanced 604010; task.restart_forgotten web.0, restarts=0
    13 task.status_changed web.0#3 failed (exited 1); task.restart_scheduled web.0 in 1000 ms, restarts=1
    ");
}

#[test]
fn a_batch_job_fails_as_often_as_its_limit_says_however_long_that_takes() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job once cpu=1 mem=1Gi restart=failure limit=1 backoff=1000
        status once.0 failed
        tick 1000
        tick 2000
        status once.0 running
        tick 7200000
        status once.0 failed
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted once; task.placed once.0#1 on a1 cpu=1 mem=1Gi
    3 task.status_changed once.0#1 failed (exited 1); task.restart_scheduled once.0 in 1000 ms, restarts=1
    4 time.advanced 1000
    5 time.advanced 2000; task.restart_due once.0; task.placed once.0#2 on a1 cpu=1 mem=1Gi
    6 task.status_changed once.0#2 running
    7 time.advanced 7200000
    8 task.status_changed once.0#2 failed (exited 1); job.ended once failed
    ");
}

#[test]
fn a_task_that_was_killed_comes_back_when_it_is_restarted() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=4Gi
        job web kind=service count=3 cpu=1 mem=1Gi restart=any limit=1 backoff=1000
        kill web.2
        kill web.1
        status web.1 killed
        scale web 2
        scale web 3
        restart web.1
        restart web.2
        scale web 3
        restart web.3
        restart f/t
        restart web.1
        kill web.1
        restart web.1 grace=0
        status web.1 finished
        status web.0 failed
        restart web.0
        restart web.0
        stop web
        restart web.0
    "), @"
    1 agent.admitted a1 cpu=2 mem=4Gi
    2 job.accepted web
        task.placed web.0#1 on a1 cpu=1 mem=1Gi
        task.placed web.1#2 on a1 cpu=1 mem=1Gi
        placement.deferred web (1 wait): CpuTaken x1
    3 task.withdrawn web.2
    4 task.kill_requested web.1#2 on a1
    5 task.status_changed web.1#2 killed (requested)
    6 job.scaled web to 2
        task.restart_scheduled web.1 in 0 ms, restarts=0
        task.placed web.1#3 on a1 cpu=1 mem=1Gi
    7 job.scaled web to 3
        task.restart_scheduled web.2 in 0 ms, restarts=0
        placement.deferred web (1 wait): CpuTaken x1
    8 task.kill_requested web.1#3 on a1 restart
    9 nothing changes
    10 nothing changes
    11 refused 60 TaskUnknown: there is no task web.3
    12 refused 66 TaskOfFramework: task f/t is one of a framework, which starts its tasks itself; only tasks of jobs are restarted
    13 nothing changes
    14 task.kill_requested web.1#3 on a1
    15 task.kill_requested web.1#3 on a1 grace=0 restart
    16 task.status_changed web.1#3 finished (exited 0)
        task.restart_scheduled web.1 in 0 ms, restarts=0
        task.placed web.1#4 on a1 cpu=1 mem=1Gi
    17 task.status_changed web.0#1 failed (exited 1)
        task.restart_scheduled web.0 in 1000 ms, restarts=1
        task.placed web.2#5 on a1 cpu=1 mem=1Gi
    18 task.restart_due web.0; placement.deferred web (1 wait): CpuTaken x1
    19 nothing changes
    20 job.stopping web
        task.withdrawn web.0
        task.kill_requested web.2#5 on a1
        task.kill_requested web.1#4 on a1
    21 refused 42 JobEnded: job web has ended or is being stopped
    ");
}

#[test]
fn a_task_that_failed_for_good_comes_back_with_all_of_its_restarts() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=4Gi
        job web kind=service count=2 cpu=1 mem=1Gi restart=any limit=0 backoff=1000
        status web.1 failed
        restart web.1
        status web.1 failed
    "), @"
    1 agent.admitted a1 cpu=2 mem=4Gi
    2 job.accepted web; task.placed web.0#1 on a1 cpu=1 mem=1Gi; task.placed web.1#2 on a1 cpu=1 mem=1Gi
    3 task.status_changed web.1#2 failed (exited 1)
    4 task.restart_scheduled web.1 in 0 ms, restarts=0; task.placed web.1#3 on a1 cpu=1 mem=1Gi
    5 task.status_changed web.1#3 failed (exited 1)
    ");
}

/// What holds nothing goes first, then what is not known to run, then the one that started last.
#[test]
fn scaling_down_keeps_what_runs_well_for_as_long_as_possible() {
    assert_snapshot!(story("
        agent a1 cpu=5 mem=8Gi
        job web kind=service count=6 cpu=1 mem=1Gi restart=any limit=9 backoff=1000
        status web.0 running
        status web.1 running
        status web.2 running
        status web.3 running
        status web.0 failed
        tick 1000
        tick 2000
        status web.1 failed
        scale web 5
        scale web 4
        scale web 3
        scale web 2
        scale web 0
        status web.4 killed
        scale web 3
    "), @"
    1 agent.admitted a1 cpu=5 mem=8Gi
    2 job.accepted web; task.placed x5; placement.deferred web (1 wait): CpuTaken x1
    3 task.status_changed web.0#1 running
    4 task.status_changed web.1#2 running
    5 task.status_changed web.2#3 running
    6 task.status_changed web.3#4 running
    7 task.status_changed web.0#1 failed (exited 1)
        task.restart_scheduled web.0 in 1000 ms, restarts=1
        task.placed web.5#6 on a1 cpu=1 mem=1Gi
    8 time.advanced 1000
    9 time.advanced 2000; task.restart_due web.0; placement.deferred web (1 wait): CpuTaken x1
    10 task.status_changed web.1#2 failed (exited 1)
        task.restart_scheduled web.1 in 1000 ms, restarts=1
        task.placed web.0#7 on a1 cpu=1 mem=1Gi
    11 job.scaled web to 5; task.withdrawn web.1
    12 job.scaled web to 4; task.kill_requested web.0#7 on a1
    13 job.scaled web to 3; task.kill_requested web.5#6 on a1
    14 job.scaled web to 2; task.kill_requested web.4#5 on a1
    15 job.scaled web to 0; task.kill_requested web.3#4 on a1; task.kill_requested web.2#3 on a1
    16 task.status_changed web.4#5 killed (requested)
    17 job.scaled web to 3
    ");
}

#[test]
fn what_somebody_killed_does_not_count_when_a_job_is_scaled() {
    assert_snapshot!(story("
        agent a1 cpu=8 mem=8Gi
        job web kind=service count=3 cpu=1 mem=1Gi restart=any limit=9 backoff=1000
        kill web.1
        status web.1 killed
        scale web 2
        restart web.1
        scale web 3
        kill web.0
        scale web 3
        status web.0 killed
        kill web.2
        scale web 2
        scale web 3
        status web.2 killed
        restart web.7
    "), @"
    1 agent.admitted a1 cpu=8 mem=8Gi
    2 job.accepted web
        task.placed web.0#1 on a1 cpu=1 mem=1Gi
        task.placed web.1#2 on a1 cpu=1 mem=1Gi
        task.placed web.2#3 on a1 cpu=1 mem=1Gi
    3 task.kill_requested web.1#2 on a1
    4 task.status_changed web.1#2 killed (requested)
    5 job.scaled web to 2
    6 refused 67 TaskScaledAway: task web.1 was scaled away: its job wants 2 tasks; scale it up to have more
    7 job.scaled web to 3
        task.restart_scheduled web.1 in 0 ms, restarts=0
        task.placed web.1#4 on a1 cpu=1 mem=1Gi
    8 task.kill_requested web.0#1 on a1
    9 job.scaled web to 3
    10 task.status_changed web.0#1 killed (requested)
        task.restart_scheduled web.0 in 0 ms, restarts=0
        task.placed web.0#5 on a1 cpu=1 mem=1Gi
    11 task.kill_requested web.2#3 on a1
    12 job.scaled web to 2
    13 job.scaled web to 3
    14 task.status_changed web.2#3 killed (requested)
        task.restart_scheduled web.2 in 0 ms, restarts=0
        task.placed web.2#6 on a1 cpu=1 mem=1Gi
    15 refused 60 TaskUnknown: there is no task web.7
    ");
}

#[test]
fn a_task_that_failed_for_good_is_the_first_to_go_and_the_first_to_come_back() {
    assert_snapshot!(story("
        agent a1 cpu=8 mem=8Gi
        job web kind=service count=3 cpu=1 mem=1Gi restart=any limit=0 backoff=1000
        status web.0 failed
        scale web 2
        scale web 3
    "), @"
    1 agent.admitted a1 cpu=8 mem=8Gi
    2 job.accepted web
        task.placed web.0#1 on a1 cpu=1 mem=1Gi
        task.placed web.1#2 on a1 cpu=1 mem=1Gi
        task.placed web.2#3 on a1 cpu=1 mem=1Gi
    3 task.status_changed web.0#1 failed (exited 1)
    4 job.scaled web to 2
    5 job.scaled web to 3
        task.restart_scheduled web.0 in 0 ms, restarts=0
        task.placed web.0#4 on a1 cpu=1 mem=1Gi
    ");
}
