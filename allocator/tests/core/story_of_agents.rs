//! Agents join, change, fall silent, come back and leave.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn an_agent_is_admitted_once_and_changes_when_it_reports_something_else() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=8Gi disk=10Gi gpu=1 ports=31000-31009 licences=3 rack=r1
        agent a1 cpu=4 mem=8Gi disk=10Gi gpu=1 ports=31000-31009 licences=3 rack=r1
        agent a1 cpu=8 mem=8Gi rack=r2
        agent a2 cpu=1 mem=1Gi
    "), @"
    1 agent.admitted a1 cpu=4 mem=8Gi disk=10Gi gpu=1 ports=31000-31009 licences=3 rack=r1
    2 nothing changes
    3 agent.changed a1 cpu=8 mem=8Gi rack=r2
    4 agent.admitted a2 cpu=1 mem=1Gi
    ");
}

#[test]
fn an_agent_that_comes_back_in_time_keeps_its_tasks() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job db kind=service cpu=1 mem=1Gi restart=any
        status db.0 running
        tick 1000
        unreachable a1
        unreachable a1
        job web cpu=1 mem=1Gi
        tick +1
        tick +59999
        agent a1 cpu=4 mem=4Gi
        tick +1
        tick +100000
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi
    3 task.status_changed db.0#1 running
    4 time.advanced 1000
    5 agent.unreachable a1
    6 refused 21 AgentUnreachableAlready: agent a1 is unreachable already
    7 job.accepted web; placement.deferred web (1 wait): AgentAway x1
    8 time.advanced 1001
    9 time.advanced 61000
    10 agent.returned a1; task.placed web.0#2 on a1 cpu=1 mem=1Gi
    11 time.advanced 61001
    12 time.advanced 161001
    ");
}

#[test]
fn an_agent_that_stays_away_is_lost_and_its_tasks_start_elsewhere_uncounted() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        agent a2 cpu=2 mem=2Gi
        job db kind=service count=2 cpu=1 mem=1Gi restart=any limit=1
        job once cpu=1 mem=1Gi restart=never
        status db.0 running
        tick 1000
        unreachable a1
        tick +1
        tick +60000
        status db.0 running inc=1 on=a1
        agent a1 cpu=2 mem=2Gi
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 agent.admitted a2 cpu=2 mem=2Gi
    3 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi; task.placed db.1#2 on a1 cpu=1 mem=1Gi
    4 job.accepted once; task.placed once.0#3 on a2 cpu=1 mem=1Gi
    5 task.status_changed db.0#1 running
    6 time.advanced 1000
    7 agent.unreachable a1
    8 time.advanced 1001
    9 time.advanced 61001
        agent.leaving a1
        task.status_changed db.0#1 lost (agent_lost)
        task.restart_scheduled db.0 in 0 ms, restarts=0
        task.status_changed db.1#2 lost (agent_lost)
        task.restart_scheduled db.1 in 0 ms, restarts=0
        agent.removed a1
        task.placed db.0#4 on a2 cpu=1 mem=1Gi
        placement.deferred db (1 wait): CpuTaken x1
    10 refused 62 IncarnationSuperseded: task db.0 is at incarnation 4, the status is about 1
    11 agent.admitted a1 cpu=2 mem=2Gi; task.placed db.1#5 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn an_agent_that_returns_with_other_capacity_is_changed_first() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        unreachable a1
        agent a1 cpu=3 mem=2Gi rack=r9
        job db cpu=3 mem=1Gi in.rack=r9
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 agent.unreachable a1
    3 agent.changed a1 cpu=3 mem=2Gi rack=r9; agent.returned a1
    4 job.accepted db; task.placed db.0#1 on a1 cpu=3 mem=1Gi
    ");
}

#[test]
fn a_removed_agent_goes_when_its_tasks_are_lost_and_may_join_anew() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        job db kind=service count=2 cpu=1 mem=1Gi restart=failure
        remove a1
        agent a1 cpu=2 mem=2Gi
        remove a1
        remove a1
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi; task.placed db.1#2 on a1 cpu=1 mem=1Gi
    3 agent.leaving a1
        task.status_changed db.0#1 lost (agent_lost)
        task.restart_scheduled db.0 in 0 ms, restarts=0
        task.status_changed db.1#2 lost (agent_lost)
        task.restart_scheduled db.1 in 0 ms, restarts=0
        agent.removed a1
        placement.deferred db (2 wait):
    4 agent.admitted a1 cpu=2 mem=2Gi
        task.placed db.0#3 on a1 cpu=1 mem=1Gi
        task.placed db.1#4 on a1 cpu=1 mem=1Gi
    5 agent.leaving a1
        task.status_changed db.0#3 lost (agent_lost)
        task.restart_scheduled db.0 in 0 ms, restarts=0
        task.status_changed db.1#4 lost (agent_lost)
        task.restart_scheduled db.1 in 0 ms, restarts=0
        agent.removed a1
        placement.deferred db (2 wait):
    6 refused 20 AgentUnknown: there is no agent a1
    ");
}

#[test]
fn an_agent_of_many_tasks_leaves_in_slices_and_takes_nothing_meanwhile() {
    assert_snapshot!(story("
        agent big cpu=1000 mem=1000Gi
        job many count=800 cpu=1 mem=1Gi restart=failure
        work
        remove big
        agent big cpu=1000 mem=1000Gi
        unreachable big
        remove big
        job late cpu=1 mem=1Gi
        work
        agent big cpu=1000 mem=1000Gi
        work
    "), @"
    1 agent.admitted big cpu=1000 mem=1000Gi
    2 job.accepted x1; task.placed x640
    3 task.placed x160
    4 agent.leaving x1; task.restart_scheduled x256; task.status_changed x256
    5 refused 23 AgentLeaving: agent big is being removed
        task.restart_scheduled x256; task.status_changed x256
    6 refused 23 AgentLeaving: agent big is being removed
        task.restart_scheduled x256; task.status_changed x256
    7 refused 23 AgentLeaving: agent big is being removed
        agent.removed x1; placement.deferred x1; task.restart_scheduled x32; task.status_changed x32
    8 job.accepted late; placement.deferred late (1 wait):
    nothing was put off
    9 agent.admitted x1; task.placed x512
    10 task.placed x289
    ");
}

#[test]
fn unreachable_and_removed_agents_lose_their_offers() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        agent a2 cpu=4 mem=4Gi
        framework f1
        unreachable a1
        agent a1 cpu=4 mem=4Gi
        remove a2
        agent a1 cpu=5 mem=4Gi
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 agent.admitted a2 cpu=4 mem=4Gi
    3 framework.subscribed f1 role=*
        offer.made o1 to f1 of a1 cpu=4 mem=4Gi
        offer.made o2 to f1 of a2 cpu=4 mem=4Gi
    4 agent.unreachable a1; offer.ended o1 agent_away
    5 agent.returned a1; offer.made o3 to f1 of a1 cpu=4 mem=4Gi
    6 agent.leaving a2; offer.ended o2 agent_away; agent.removed a2
    7 offer.ended o3 agent_changed; agent.changed a1 cpu=5 mem=4Gi; offer.made o4 to f1 of a1 cpu=5 mem=4Gi
    ");
}

#[test]
fn the_name_of_an_agent_that_is_up_is_not_given_to_another_directory() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi in=d1
        agent a1 cpu=4 mem=4Gi in=d2
        unreachable a1
        agent a1 cpu=8 mem=4Gi in=d2
        agent a1 cpu=4 mem=4Gi in=d1
        agent a1 cpu=8 mem=4Gi in=d2 strayed=17
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi; agent.identified a1 in d1
    2 refused 25 AgentIdentityTaken: agent a1 is up in another directory (identity d1); d2 may take its name when that agent is unreachable or removed
    3 agent.unreachable a1
    4 agent.changed a1 cpu=8 mem=4Gi; agent.returned a1; agent.identified a1 in d2
    5 refused 25 AgentIdentityTaken: agent a1 is up in another directory (identity d2); d1 may take its name when that agent is unreachable or removed
    6 agent.strayed a1 obeyed up to 17
    ");
}
