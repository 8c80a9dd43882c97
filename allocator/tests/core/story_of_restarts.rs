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
