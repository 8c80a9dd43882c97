//! Where tasks go, why they cannot, and what wakes those that wait.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn binpack_takes_the_tightest_agent_and_spread_the_roomiest() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        agent a2 cpu=2 mem=4Gi
        agent a3 cpu=2 mem=2Gi
        agent a4 cpu=2 mem=2Gi
        job pack count=3 cpu=1 mem=1Gi
        set policy=spread
        job spread count=3 cpu=1 mem=1Gi
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 agent.admitted a2 cpu=2 mem=4Gi
    3 agent.admitted a3 cpu=2 mem=2Gi
    4 agent.admitted a4 cpu=2 mem=2Gi
    5 job.accepted pack
        task.placed pack.0#1 on a3 cpu=1 mem=1Gi
        task.placed pack.1#2 on a3 cpu=1 mem=1Gi
        task.placed pack.2#3 on a4 cpu=1 mem=1Gi
    6 parameters.set policy=spread offer_ttl=30000 agent_lost_after=60000 key_kept=600000 ended_kept=600000
    7 job.accepted spread
        task.placed spread.0#4 on a1 cpu=1 mem=1Gi
        task.placed spread.1#5 on a1 cpu=1 mem=1Gi
        task.placed spread.2#6 on a2 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_job_too_large_waits_and_says_why() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=2Gi
        job db cpu=1.5 mem=512Mi
        agent a2 cpu=2 mem=2Gi
    "), @"
    1 agent.admitted a1 cpu=1 mem=2Gi
    2 job.accepted db; placement.deferred db (1 wait): CpuTooSmall x1
    3 agent.admitted a2 cpu=2 mem=2Gi; task.placed db.0#1 on a2 cpu=1.5 mem=512Mi
    ");
}

#[test]
fn every_reason_is_counted_under_the_first_that_holds() {
    assert_snapshot!(story("
        agent away cpu=9 mem=9Gi disk=9Gi gpu=9 ports=1-9 seats=9 rack=r1
        agent constraint cpu=9 mem=9Gi disk=9Gi gpu=9 ports=1-9 seats=9 rack=r2
        agent cpu cpu=1 mem=9Gi disk=9Gi gpu=9 ports=1-9 seats=9 rack=r1
        agent mem cpu=9 mem=1Gi disk=9Gi gpu=9 ports=1-9 seats=9 rack=r1
        agent disk cpu=9 mem=9Gi disk=1Gi gpu=9 ports=1-9 seats=9 rack=r1
        agent gpu cpu=9 mem=9Gi disk=9Gi gpu=1 ports=1-9 seats=9 rack=r1
        agent ports cpu=9 mem=9Gi disk=9Gi gpu=9 ports=1-2 seats=9 rack=r1
        agent custom cpu=9 mem=9Gi disk=9Gi gpu=9 ports=1-9 seats=1 rack=r1
        unreachable away
        job all cpu=2 mem=2Gi disk=2Gi gpu=2 ports=3 seats=2 in.rack=r1
    "), @"
    1 agent.admitted away cpu=9 mem=9Gi disk=9Gi gpu=9 ports=1-9 seats=9 rack=r1
    2 agent.admitted constraint cpu=9 mem=9Gi disk=9Gi gpu=9 ports=1-9 seats=9 rack=r2
    3 agent.admitted cpu cpu=1 mem=9Gi disk=9Gi gpu=9 ports=1-9 seats=9 rack=r1
    4 agent.admitted mem cpu=9 mem=1Gi disk=9Gi gpu=9 ports=1-9 seats=9 rack=r1
    5 agent.admitted disk cpu=9 mem=9Gi disk=1Gi gpu=9 ports=1-9 seats=9 rack=r1
    6 agent.admitted gpu cpu=9 mem=9Gi disk=9Gi gpu=1 ports=1-9 seats=9 rack=r1
    7 agent.admitted ports cpu=9 mem=9Gi disk=9Gi gpu=9 ports=1-2 seats=9 rack=r1
    8 agent.admitted custom cpu=9 mem=9Gi disk=9Gi gpu=9 ports=1-9 seats=1 rack=r1
    9 agent.unreachable away
    10 job.accepted all
        placement.deferred all (1 wait): AgentAway x1, ConstraintUnmet x1, CpuTooSmall x1, MemTooSmall x1, DiskTooSmall x1, GpuTooSmall x1, PortsTooFew x1, CustomTooSmall x1
    ");
}

#[test]
fn what_others_hold_is_told_from_what_is_not_there() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi disk=4Gi gpu=4 ports=1-4 seats=4
        job half cpu=2 mem=2Gi disk=2Gi gpu=2 ports=2 seats=2
        job cpu cpu=3 mem=1Gi
        job mem cpu=1 mem=3Gi
        job disk cpu=1 mem=1Gi disk=3Gi
        job gpu cpu=1 mem=1Gi gpu=3
        job ports cpu=1 mem=1Gi ports=3
        job custom cpu=1 mem=1Gi seats=3
        status half.0 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi disk=4Gi gpu=4 ports=1-4 seats=4
    2 job.accepted half; task.placed half.0#1 on a1 cpu=2 mem=2Gi disk=2Gi gpu=2 ports=1-2 seats=2
    3 job.accepted cpu; placement.deferred cpu (1 wait): CpuTaken x1
    4 job.accepted mem; placement.deferred mem (1 wait): MemTaken x1
    5 job.accepted disk; placement.deferred disk (1 wait): DiskTaken x1
    6 job.accepted gpu; placement.deferred gpu (1 wait): GpuTaken x1
    7 job.accepted ports; placement.deferred ports (1 wait): PortsTaken x1
    8 job.accepted custom; placement.deferred custom (1 wait): CustomTaken x1
    9 task.status_changed half.0#1 finished (exited 0)
        job.ended half succeeded
        task.placed cpu.0#2 on a1 cpu=3 mem=1Gi
        task.placed mem.0#3 on a1 cpu=1 mem=3Gi
    ");
}

#[test]
fn constraints_compare_attributes_and_the_agents_own_id() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi rack=r1
        agent a2 cpu=4 mem=4Gi rack=r2 ssd=yes
        agent a3 cpu=4 mem=4Gi
        job in cpu=1 mem=1Gi in.rack=r2|r3
        job notin cpu=1 mem=1Gi notin.rack=r1|r2
        job exists cpu=1 mem=1Gi exists.ssd=
        job agent cpu=1 mem=1Gi in.agent=a1
        job both cpu=1 mem=1Gi in.rack=r1 exists.ssd=
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi rack=r1
    2 agent.admitted a2 cpu=4 mem=4Gi rack=r2 ssd=yes
    3 agent.admitted a3 cpu=4 mem=4Gi
    4 job.accepted in; task.placed in.0#1 on a2 cpu=1 mem=1Gi
    5 job.accepted notin; task.placed notin.0#2 on a3 cpu=1 mem=1Gi
    6 job.accepted exists; task.placed exists.0#3 on a2 cpu=1 mem=1Gi
    7 job.accepted agent; task.placed agent.0#4 on a1 cpu=1 mem=1Gi
    8 job.accepted both; placement.deferred both (1 wait): ConstraintUnmet x3
    ");
}

#[test]
fn a_blocked_shape_wakes_when_room_comes_up() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        agent a2 cpu=2 mem=2Gi
        job holds kind=service count=2 cpu=2 mem=2Gi
        job waits count=3 cpu=1 mem=1Gi
        job more cpu=1 mem=1Gi
        status holds.1 finished
        status waits.0 finished
        agent a3 cpu=1 mem=1Gi
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 agent.admitted a2 cpu=2 mem=2Gi
    3 job.accepted holds; task.placed holds.0#1 on a1 cpu=2 mem=2Gi; task.placed holds.1#2 on a2 cpu=2 mem=2Gi
    4 job.accepted waits; placement.deferred waits (3 wait): CpuTaken x2
    5 job.accepted more; placement.deferred more (1 wait): CpuTaken x2
    6 task.status_changed holds.1#2 finished (exited 0)
        task.placed waits.0#3 on a2 cpu=1 mem=1Gi
        task.placed more.0#4 on a2 cpu=1 mem=1Gi
    7 task.status_changed waits.0#3 finished (exited 0); task.placed waits.1#5 on a2 cpu=1 mem=1Gi
    8 agent.admitted a3 cpu=1 mem=1Gi; task.placed waits.2#6 on a3 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_shape_wakes_for_a_change_of_attributes_and_for_a_return() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=2Gi
        agent a2 cpu=2 mem=2Gi rack=r1
        unreachable a2
        job waits count=2 cpu=1 mem=1Gi in.rack=r1
        agent a1 cpu=2 mem=2Gi rack=r1
        job big cpu=2 mem=2Gi
        agent a2 cpu=2 mem=2Gi rack=r1
    "), @"
    1 agent.admitted a1 cpu=2 mem=2Gi
    2 agent.admitted a2 cpu=2 mem=2Gi rack=r1
    3 agent.unreachable a2
    4 job.accepted waits; placement.deferred waits (2 wait): AgentAway x1, ConstraintUnmet x1
    5 agent.changed a1 cpu=2 mem=2Gi rack=r1
        task.placed waits.0#1 on a1 cpu=1 mem=1Gi
        task.placed waits.1#2 on a1 cpu=1 mem=1Gi
    6 job.accepted big; placement.deferred big (1 wait): AgentAway x1, CpuTaken x1
    7 agent.returned a2; task.placed big.0#3 on a2 cpu=2 mem=2Gi
    ");
}

#[test]
fn ports_are_the_lowest_free_ones_and_come_back() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi ports=100-101,200-202
        job web count=2 cpu=1 mem=1Gi ports=2
        job more cpu=1 mem=1Gi ports=2
        status web.0 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi ports=100-101,200-202
    2 job.accepted web
        task.placed web.0#1 on a1 cpu=1 mem=1Gi ports=100-101
        task.placed web.1#2 on a1 cpu=1 mem=1Gi ports=200-201
    3 job.accepted more; placement.deferred more (1 wait): PortsTaken x1
    4 task.status_changed web.0#1 finished (exited 0)
        task.placed more.0#3 on a1 cpu=1 mem=1Gi ports=100-101
    ");
}

#[test]
fn rare_resources_are_found_wherever_they_are() {
    assert_snapshot!(story("
        20x agent m# cpu=2 mem=2Gi
        agent gpu cpu=8 mem=8Gi gpu=2 licences=1
        10x agent n# cpu=2 mem=2Gi
        job train cpu=1 mem=1Gi gpu=1.5
        job licensed cpu=1 mem=1Gi licences=1
        job second cpu=1 mem=1Gi licences=1
    "), @"
    1.. agent.admitted x20
    21 agent.admitted gpu cpu=8 mem=8Gi gpu=2 licences=1
    22.. agent.admitted x10
    32 job.accepted train; task.placed train.0#1 on gpu cpu=1 mem=1Gi gpu=1.5
    33 job.accepted licensed; task.placed licensed.0#2 on gpu cpu=1 mem=1Gi licences=1
    34 job.accepted second; placement.deferred second (1 wait): CustomTooSmall x30, CustomTaken x1
    ");
}

#[test]
fn reasons_of_many_jobs_are_said_in_slices() {
    assert_snapshot!(story("
        agent a1 cpu=1 mem=1Gi
        40x job big# cpu=2 mem=#Mi
        agent a2 cpu=2 mem=1Mi
        remove a2
        job same cpu=2 mem=5Mi
    "), @"
    1 agent.admitted a1 cpu=1 mem=1Gi
    2.. job.accepted x40; placement.deferred x40
    42 agent.admitted a2 cpu=2 mem=1Mi; task.placed big0.0#1 on a2 cpu=2 mem=0
    43 agent.leaving a2; task.status_changed big0.0#1 lost (agent_lost); job.ended big0 failed; agent.removed a2
    44 job.accepted same; placement.deferred same (1 wait): CpuTooSmall x1
    ");
}

#[test]
fn more_agents_than_a_blocked_shape_remembers_open_it_again() {
    assert_snapshot!(story("
        job wait count=100 cpu=2 mem=1Gi
        framework f1
        suppress f1
        99x agent m# cpu=1 mem=1Gi
        99x agent m# cpu=2 mem=1Gi
        agent last cpu=2 mem=1Gi
    "), @"
    1 job.accepted wait; placement.deferred wait (100 wait):
    2 framework.subscribed f1 role=*
    3 offers.suppressed f1
    4.. agent.admitted x99
    103.. agent.changed x99; task.placed x99
    202 agent.admitted last cpu=2 mem=1Gi; task.placed wait.99#100 on last cpu=2 mem=1Gi
    ");
}
