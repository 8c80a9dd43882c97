//! How tasks end where their agent is away, in back-off, with success, and what that does to the next start.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn a_job_that_is_stopped_at_once_ends_when_its_agent_is_back_or_given_up() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=1Gi
        agent a2 cpu=1 mem=1Gi
        tick 1000
        job one kind=service cpu=1 mem=1Gi restart=any
        job two kind=service cpu=1 mem=1Gi restart=any
        status one.0 running
        status two.0 running
        unreachable a1
        unreachable a2
        stop one grace=0
        stop two grace=0
        agent a1 cpu=1 mem=1Gi
        status one.0 killed
        tick +1
        tick +900000
    "), @"
    1 agent.admitted a1 cpu=1 mem=1Gi
    2 agent.admitted a2 cpu=1 mem=1Gi
    3 time.advanced 1000
    4 job.accepted one; task.placed one.0#1 on a1 cpu=1 mem=1Gi
    5 job.accepted two; task.placed two.0#2 on a2 cpu=1 mem=1Gi
    6 task.status_changed one.0#1 running
    7 task.status_changed two.0#2 running
    8 agent.unreachable a1
    9 agent.unreachable a2
    10 job.stopping one; task.kill_requested one.0#1 on a1 grace=0
    11 job.stopping two; task.kill_requested two.0#2 on a2 grace=0
    12 agent.returned a1
    13 task.status_changed one.0#1 killed (requested); job.ended one stopped
    14 time.advanced 1001
    15 time.advanced 901001
        agent.leaving a2
        job.forgotten one
        task.status_changed two.0#2 lost (agent_lost)
        job.ended two stopped
        agent.removed a2
    ");
}

#[test]
fn a_task_that_backs_off_is_withdrawn_by_a_forced_kill() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        tick 1000
        job web kind=service count=2 cpu=1 mem=1Gi restart=any backoff=1000
        status web.0 failed
        kill web.0 grace=0
        tick +1
        tick +1000
        restart web.0
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 time.advanced 1000
    3 job.accepted web; task.placed web.0#1 on a1 cpu=1 mem=1Gi; task.placed web.1#2 on a1 cpu=1 mem=1Gi
    4 task.status_changed web.0#1 failed (exited 1); task.restart_scheduled web.0 in 1000 ms, restarts=1
    5 task.withdrawn web.0
    6 time.advanced 1001
    7 time.advanced 2001
    8 task.restart_scheduled web.0 in 0 ms, restarts=0; task.placed web.0#3 on a1 cpu=1 mem=1Gi
    ");
}

/// A limit of nothing ends a service with its first task, however that ended; another counts within the window.
#[test]
fn ends_with_success_count_under_any_limit_like_failures() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        tick 1000
        job none kind=service cpu=1 mem=1Gi restart=any limit=0
        status none.0 finished
        job web kind=service cpu=1 mem=1Gi restart=any limit=1 backoff=1000
        status web.0 finished
        tick +1
        tick +1000
        status web.0 running
        tick +301000
        tick +1
        tick +300000
        status web.0 finished
        tick +1
        tick +1000
        status web.0 finished
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 time.advanced 1000
    3 job.accepted none; task.placed none.0#1 on a1 cpu=1 mem=1Gi
    4 task.status_changed none.0#1 finished (exited 0); job.ended none succeeded
    5 job.accepted web; task.placed web.0#2 on a1 cpu=1 mem=1Gi
    6 task.status_changed web.0#2 finished (exited 0); task.restart_scheduled web.0 in 1000 ms, restarts=1
    7 time.advanced 1001
    8 time.advanced 2001; task.restart_due web.0; task.placed web.0#3 on a1 cpu=1 mem=1Gi
    9 task.status_changed web.0#3 running
    10 time.advanced 303001; task.restart_forgotten web.0, restarts=1
    11 time.advanced 303002
    12 time.advanced 603002; job.forgotten none; task.restart_forgotten web.0, restarts=0
    13 task.status_changed web.0#3 finished (exited 0); task.restart_scheduled web.0 in 1000 ms, restarts=1
    14 time.advanced 603003
    15 time.advanced 604003; task.restart_due web.0; task.placed web.0#4 on a1 cpu=1 mem=1Gi
    16 task.status_changed web.0#4 finished (exited 0); job.ended web succeeded
    ");
}

#[test]
fn a_loss_neither_counts_nor_resets_the_back_off() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=1Gi
        tick 1000
        job web kind=service cpu=1 mem=1Gi restart=any limit=9 backoff=1000
        status web.0 failed
        tick +1
        tick +1000
        status web.0 running
        remove a1
        agent a2 cpu=1 mem=1Gi
        status web.0 running
        status web.0 failed
    "), @"
    1 agent.admitted a1 cpu=1 mem=1Gi
    2 time.advanced 1000
    3 job.accepted web; task.placed web.0#1 on a1 cpu=1 mem=1Gi
    4 task.status_changed web.0#1 failed (exited 1); task.restart_scheduled web.0 in 1000 ms, restarts=1
    5 time.advanced 1001
    6 time.advanced 2001; task.restart_due web.0; task.placed web.0#2 on a1 cpu=1 mem=1Gi
    7 task.status_changed web.0#2 running
    8 agent.leaving a1
        task.status_changed web.0#2 lost (agent_lost)
        task.restart_scheduled web.0 in 0 ms, restarts=1
        agent.removed a1
        placement.deferred web (1 wait):
    9 agent.admitted a2 cpu=1 mem=1Gi; task.placed web.0#3 on a2 cpu=1 mem=1Gi
    10 task.status_changed web.0#3 running
    11 task.status_changed web.0#3 failed (exited 1); task.restart_scheduled web.0 in 2000 ms, restarts=2
    ");
}
