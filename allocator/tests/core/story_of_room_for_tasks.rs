//! An agent says how many tasks its own limits leave room for, and gets no more than that.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn an_agent_gets_no_more_tasks_than_it_has_room_for_and_the_rest_says_why_it_waits() {
    assert_snapshot!(story("
        agent a1 cpu=9 mem=9Gi tasks-max=2
        job web count=3 cpu=1 mem=1Gi
        status web.0 finished exit=0
        agent a2 cpu=9 mem=9Gi tasks-max=1
        job more cpu=1 mem=1Gi
        job large cpu=10 mem=1Gi
        agent a1 cpu=9 mem=9Gi tasks-max=3
    "), @"
    1 agent.admitted a1 cpu=9 mem=9Gi tasks-max=2
    2 job.accepted web
        task.placed web.0#1 on a1 cpu=1 mem=1Gi
        task.placed web.1#2 on a1 cpu=1 mem=1Gi
        placement.deferred web (1 wait): TasksTaken x1
    3 task.status_changed web.0#1 finished (exited 0); task.placed web.2#3 on a1 cpu=1 mem=1Gi
    4 agent.admitted a2 cpu=9 mem=9Gi tasks-max=1
    5 job.accepted more; task.placed more.0#4 on a2 cpu=1 mem=1Gi
    6 job.accepted large; placement.deferred large (1 wait): CpuTooSmall x2
    7 agent.changed a1 cpu=9 mem=9Gi tasks-max=3
    ");
}

#[test]
fn an_agent_with_less_room_than_tasks_keeps_them_and_gets_no_new_one() {
    assert_snapshot!(story("
        agent a1 cpu=9 mem=9Gi
        job web count=3 cpu=1 mem=1Gi
        agent a1 cpu=9 mem=9Gi tasks-max=2
        job more cpu=1 mem=1Gi
        status web.0 finished exit=0
        status web.1 finished exit=0
        agent a1 cpu=9 mem=9Gi tasks-max=0
        agent a1 cpu=9 mem=9Gi
    "), @"
    1 agent.admitted a1 cpu=9 mem=9Gi
    2 job.accepted web
        task.placed web.0#1 on a1 cpu=1 mem=1Gi
        task.placed web.1#2 on a1 cpu=1 mem=1Gi
        task.placed web.2#3 on a1 cpu=1 mem=1Gi
    3 agent.changed a1 cpu=9 mem=9Gi tasks-max=2
    4 job.accepted more; placement.deferred more (1 wait): TasksTaken x1
    5 task.status_changed web.0#1 finished (exited 0)
    6 task.status_changed web.1#2 finished (exited 0); task.placed more.0#4 on a1 cpu=1 mem=1Gi
    7 agent.changed a1 cpu=9 mem=9Gi tasks-max=0
    8 agent.changed a1 cpu=9 mem=9Gi
    ");
}

#[test]
fn an_agent_without_room_for_a_task_is_not_offered_and_a_launch_beyond_its_room_is_refused() {
    assert_snapshot!(story("
        agent a1 cpu=9 mem=9Gi tasks-max=2
        framework f1
        accept f1 o1; t1 cpu=1 mem=1Gi; t2 cpu=1 mem=1Gi; t3 cpu=1 mem=1Gi
        accept f1 o1; t1 cpu=1 mem=1Gi
        accept f1 o2; t2 cpu=1 mem=1Gi
        status f1/t1 finished exit=0
    "), @"
    1 agent.admitted a1 cpu=9 mem=9Gi tasks-max=2
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=9 mem=9Gi
    3 refused 91 AgentFull: agent a1 has room for 2 more tasks, not for 3
    4 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
        offer.made o2 to f1 of a1 cpu=8 mem=8Gi
    5 offer.ended o2 accepted; task.placed f1/t2#2 on a1 cpu=1 mem=1Gi
    6 task.status_changed f1/t1#1 finished (exited 0); offer.made o3 to f1 of a1 cpu=8 mem=8Gi
    ");
}
