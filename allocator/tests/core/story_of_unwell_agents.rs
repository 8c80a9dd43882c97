//! Agents that are there, but should take nothing new: too little for their tasks, starts that fail, ports
//! that other programs hold.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn an_agent_that_has_less_than_its_tasks_hold_is_overcommitted_until_they_end() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi zone=north
        job db count=2 cpu=1.5 mem=1Gi
        agent a1 cpu=2 mem=4Gi zone=south
        agent a1 cpu=2 mem=4Gi zone=south
        job small cpu=0.1 mem=1Mi in.zone=south
        status db.0 finished
        agent a1 cpu=4 mem=4Gi zone=north
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi zone=north
    2 job.accepted db; task.placed db.0#1 on a1 cpu=1.5 mem=1Gi; task.placed db.1#2 on a1 cpu=1.5 mem=1Gi
    3 agent.overcommitted a1 has cpu=2 mem=4Gi, its tasks hold cpu=3 mem=2Gi
        agent.changed a1 cpu=2 mem=4Gi zone=south
    4 nothing changes
    5 job.accepted small; placement.deferred small (1 wait): AgentOvercommitted x1
    6 task.status_changed db.0#1 finished (exited 0)
        agent.relieved a1
        task.placed small.0#3 on a1 cpu=0.1 mem=1Mi
    7 agent.changed a1 cpu=4 mem=4Gi zone=north
    ");
}

#[test]
fn an_overcommitted_agent_that_grows_again_is_relieved() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job db cpu=3 mem=1Gi
        agent a1 cpu=1 mem=4Gi
        agent a1 cpu=2 mem=4Gi
        job small cpu=0.5 mem=1Mi
        agent a1 cpu=3.5 mem=4Gi
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=3 mem=1Gi
    3 agent.overcommitted a1 has cpu=1 mem=4Gi, its tasks hold cpu=3 mem=1Gi; agent.changed a1 cpu=1 mem=4Gi
    4 agent.changed a1 cpu=2 mem=4Gi
    5 job.accepted small; placement.deferred small (1 wait): AgentOvercommitted x1
    6 agent.changed a1 cpu=3.5 mem=4Gi; agent.relieved a1; task.placed small.0#2 on a1 cpu=0.5 mem=1Mi
    ");
}

#[test]
fn an_agent_that_comes_back_with_less_is_up_and_its_tasks_go_on() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job db cpu=3 mem=1Gi
        unreachable a1
        tick 1000
        agent a1 cpu=1 mem=4Gi
        tick +1000000
        status db.0 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=3 mem=1Gi
    3 agent.unreachable a1
    4 time.advanced 1000
    5 agent.overcommitted a1 has cpu=1 mem=4Gi, its tasks hold cpu=3 mem=1Gi
        agent.changed a1 cpu=1 mem=4Gi
        agent.returned a1
    6 time.advanced 1001000
    7 task.status_changed db.0#1 finished (exited 0); agent.relieved a1; job.ended db succeeded
    ");
}

#[test]
fn an_agent_that_lost_all_it_had_is_overcommitted_but_one_that_brings_nothing_is_refused() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job db cpu=3 mem=1Gi
        agent a1 disk=1Gi
        agent a2 disk=1Gi
        status db.0 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=3 mem=1Gi
    3 agent.overcommitted a1 has cpu=0 mem=0 disk=1Gi, its tasks hold cpu=3 mem=1Gi
        agent.changed a1 cpu=0 mem=0 disk=1Gi
    4 refused 24 CapacityEmpty: agent a2 reports no capacity at all
    5 task.status_changed db.0#1 finished (exited 0); agent.relieved a1; job.ended db succeeded
    ");
}

#[test]
fn ports_that_a_task_holds_may_be_missing_as_well() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi ports=100-109
        job db cpu=1 mem=1Gi ports=2
        agent a1 cpu=4 mem=4Gi ports=102-109
        job other cpu=1 mem=1Gi
        status db.0 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi ports=100-109
    2 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi ports=100-101
    3 agent.overcommitted a1 has cpu=4 mem=4Gi ports=102-109, its tasks hold cpu=1 mem=1Gi ports=100-101
        agent.changed a1 cpu=4 mem=4Gi ports=102-109
    4 job.accepted other; placement.deferred other (1 wait): AgentOvercommitted x1
    5 task.status_changed db.0#1 finished (exited 0)
        agent.relieved a1
        job.ended db succeeded
        task.placed other.0#2 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn an_overcommitted_agent_loses_its_offers_and_gets_none() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job db cpu=3 mem=1Gi
        framework f1
        agent a1 cpu=2 mem=4Gi
        accept f1 o1; t1 cpu=1 mem=1Gi
        status db.0 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=3 mem=1Gi
    3 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=1 mem=3Gi
    4 offer.ended o1 agent_changed
        agent.overcommitted a1 has cpu=2 mem=4Gi, its tasks hold cpu=3 mem=1Gi
        agent.changed a1 cpu=2 mem=4Gi
    5 refused 84 OfferUnknown: offer o1 does not stand
    6 task.status_changed db.0#1 finished (exited 0)
        agent.relieved a1
        job.ended db succeeded
        offer.made o2 to f1 of a1 cpu=2 mem=4Gi
    ");
}

#[test]
fn a_start_that_failed_sends_the_next_one_elsewhere_for_a_while() {
    assert_snapshot!(story("
        agent bad cpu=2 mem=2Gi
        agent good cpu=4 mem=4Gi
        job web cpu=1 mem=1Gi restart=failure limit=9
        status web.0 failed end=machine_fault
        status web.0 running
        job other cpu=1 mem=1Gi
        status other.0 failed end=cannot_start
        tick 1000
        tick +60000
        job web2 cpu=1 mem=1Gi
    "), @"
    1 agent.admitted bad cpu=2 mem=2Gi
    2 agent.admitted good cpu=4 mem=4Gi
    3 job.accepted web; task.placed web.0#1 on bad cpu=1 mem=1Gi
    4 task.status_changed web.0#1 failed (machine_fault)
        agent.start_failed bad web.0 fault=machine for 60000 ms
        task.restart_scheduled web.0 in 0 ms, restarts=1
        task.placed web.0#2 on good cpu=1 mem=1Gi
    5 task.status_changed web.0#2 running
    6 job.accepted other; task.placed other.0#3 on bad cpu=1 mem=1Gi
    7 task.status_changed other.0#3 failed (cannot_start)
        agent.start_failed bad other.0 fault=program for 60000 ms
        job.ended other failed
    8 time.advanced 1000
    9 time.advanced 61000; agent.start_forgiven bad web.0; agent.start_forgiven bad other.0
    10 job.accepted web2; task.placed web2.0#4 on bad cpu=1 mem=1Gi
    ");
}

#[test]
fn where_nothing_else_fits_a_start_is_tried_again_on_the_same_agent() {
    assert_snapshot!(story("
        agent only cpu=2 mem=2Gi
        job web cpu=1 mem=1Gi restart=failure limit=2
        status web.0 failed end=cannot_start
        status web.0 failed end=cannot_start
        status web.0 failed end=cannot_start
    "), @"
    1 agent.admitted only cpu=2 mem=2Gi
    2 job.accepted web; task.placed web.0#1 on only cpu=1 mem=1Gi
    3 task.status_changed web.0#1 failed (cannot_start)
        agent.start_failed only web.0 fault=program for 60000 ms
        task.restart_scheduled web.0 in 0 ms, restarts=1
        task.placed web.0#2 on only cpu=1 mem=1Gi
    4 task.status_changed web.0#2 failed (cannot_start)
        task.restart_scheduled web.0 in 0 ms, restarts=2
        task.placed web.0#3 on only cpu=1 mem=1Gi
    5 task.status_changed web.0#3 failed (cannot_start); job.ended web failed
    ");
}

#[test]
fn programs_that_are_not_there_suspend_no_agent() {
    assert_snapshot!(story("
        agent a1 cpu=8 mem=8Gi
        job j1 cpu=1 mem=1Gi
        job j2 cpu=1 mem=1Gi
        job j3 cpu=1 mem=1Gi
        job j4 cpu=1 mem=1Gi
        status j1.0 failed end=cannot_start
        status j2.0 failed end=cannot_start
        status j3.0 failed end=cannot_start
        status j4.0 failed end=cannot_start
        job j5 cpu=1 mem=1Gi
    "), @"
    1 agent.admitted a1 cpu=8 mem=8Gi
    2 job.accepted j1; task.placed j1.0#1 on a1 cpu=1 mem=1Gi
    3 job.accepted j2; task.placed j2.0#2 on a1 cpu=1 mem=1Gi
    4 job.accepted j3; task.placed j3.0#3 on a1 cpu=1 mem=1Gi
    5 job.accepted j4; task.placed j4.0#4 on a1 cpu=1 mem=1Gi
    6 task.status_changed j1.0#1 failed (cannot_start)
        agent.start_failed a1 j1.0 fault=program for 60000 ms
        job.ended j1 failed
    7 task.status_changed j2.0#2 failed (cannot_start)
        agent.start_failed a1 j2.0 fault=program for 60000 ms
        job.ended j2 failed
    8 task.status_changed j3.0#3 failed (cannot_start)
        agent.start_failed a1 j3.0 fault=program for 60000 ms
        job.ended j3 failed
    9 task.status_changed j4.0#4 failed (cannot_start)
        agent.start_failed a1 j4.0 fault=program for 60000 ms
        job.ended j4 failed
    10 job.accepted j5; task.placed j5.0#5 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn an_agent_that_fails_starts_of_several_jobs_takes_nothing_until_it_is_well() {
    assert_snapshot!(story("
        agent bad cpu=8 mem=8Gi
        framework f1
        job j1 count=2 cpu=1 mem=1Gi
        job j2 cpu=1 mem=1Gi
        job j3 cpu=1 mem=1Gi
        status j1.0 failed end=machine_fault
        status j1.1 failed end=machine_fault
        status j2.0 failed end=machine_fault
        status j3.0 failed end=machine_fault
        job j4 cpu=1 mem=1Gi
        tick 1000
        tick +30000
        status j4.0 failed end=machine_fault
        tick +1
        tick +60000
        job j5 cpu=1 mem=1Gi
        status j5.0 running
        job j6 cpu=1 mem=1Gi
        status j6.0 failed end=machine_fault
    "), @"
    1 agent.admitted bad cpu=8 mem=8Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of bad cpu=8 mem=8Gi
    3 job.accepted j1
        offer.ended o1 needed_by_job
        task.placed j1.0#1 on bad cpu=1 mem=1Gi
        task.placed j1.1#2 on bad cpu=1 mem=1Gi
        offer.made o2 to f1 of bad cpu=6 mem=6Gi
    4 job.accepted j2
        offer.ended o2 needed_by_job
        task.placed j2.0#3 on bad cpu=1 mem=1Gi
        offer.made o3 to f1 of bad cpu=5 mem=5Gi
    5 job.accepted j3
        offer.ended o3 needed_by_job
        task.placed j3.0#4 on bad cpu=1 mem=1Gi
        offer.made o4 to f1 of bad cpu=4 mem=4Gi
    6 task.status_changed j1.0#1 failed (machine_fault)
        agent.start_failed bad j1.0 fault=machine for 60000 ms
        offer.made o5 to f1 of bad cpu=1 mem=1Gi
    7 task.status_changed j1.1#2 failed (machine_fault)
        job.ended j1 failed
        offer.made o6 to f1 of bad cpu=1 mem=1Gi
    8 task.status_changed j2.0#3 failed (machine_fault)
        agent.start_failed bad j2.0 fault=machine for 60000 ms
        job.ended j2 failed
        offer.made o7 to f1 of bad cpu=1 mem=1Gi
    9 task.status_changed j3.0#4 failed (machine_fault)
        agent.start_failed bad j3.0 fault=machine for 60000 ms
        agent.suspended bad for 30000 ms, suspensions=1
        offer.ended o4 agent_suspended
        offer.ended o5 agent_suspended
        offer.ended o6 agent_suspended
        offer.ended o7 agent_suspended
        job.ended j3 failed
    10 job.accepted j4; placement.deferred j4 (1 wait): AgentSuspended x1
    11 time.advanced 1000
    12 time.advanced 31000
        agent.resumed bad
        task.placed j4.0#5 on bad cpu=1 mem=1Gi
        offer.made o8 to f1 of bad cpu=7 mem=7Gi
    13 task.status_changed j4.0#5 failed (machine_fault)
        agent.start_failed bad j4.0 fault=machine for 60000 ms
        agent.suspended bad for 60000 ms, suspensions=2
        offer.ended o8 agent_suspended
        job.ended j4 failed
    14 time.advanced 31001
    15 time.advanced 91001
        agent.start_forgiven bad j1.0
        agent.start_forgiven bad j2.0
        agent.start_forgiven bad j3.0
        agent.start_forgiven bad j4.0
        agent.resumed bad
        offer.made o9 to f1 of bad cpu=8 mem=8Gi
    16 job.accepted j5
        offer.ended o9 needed_by_job
        task.placed j5.0#6 on bad cpu=1 mem=1Gi
        offer.made o10 to f1 of bad cpu=7 mem=7Gi
    17 task.status_changed j5.0#6 running
    18 job.accepted j6
        offer.ended o10 needed_by_job
        task.placed j6.0#7 on bad cpu=1 mem=1Gi
        offer.made o11 to f1 of bad cpu=6 mem=6Gi
    19 task.status_changed j6.0#7 failed (machine_fault)
        agent.start_failed bad j6.0 fault=machine for 60000 ms
        job.ended j6 failed
        offer.made o12 to f1 of bad cpu=1 mem=1Gi
    ");
}

#[test]
fn a_machine_that_cannot_start_a_frameworks_task_is_offered_to_others_first() {
    assert_snapshot!(story("
        agent bad cpu=4 mem=4Gi
        framework f1
        accept f1 o1; t1 cpu=1 mem=1Gi
        status f1/t1 failed end=machine_fault
        framework f2
        tick 1000
        tick +60000
    "), @"
    1 agent.admitted bad cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of bad cpu=4 mem=4Gi
    3 offer.ended o1 accepted
        task.placed f1/t1#1 on bad cpu=1 mem=1Gi
        offer.made o2 to f1 of bad cpu=3 mem=3Gi
    4 task.status_changed f1/t1#1 failed (machine_fault)
        agent.start_failed bad f1/t1 fault=machine for 60000 ms
        filter.set f1 on bad for 60000 ms
    5 framework.subscribed f2 role=*; offer.made o3 to f2 of bad cpu=1 mem=1Gi
    6 time.advanced 1000
    7 time.advanced 61000
        offer.ended o2 timed_out
        offer.ended o3 timed_out
        agent.start_forgiven bad f1/t1
        filter.expired f1 on bad
        offer.made o4 to f1 of bad cpu=4 mem=4Gi
    ");
}

#[test]
fn a_port_that_another_program_holds_is_given_to_nobody_for_a_while() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi ports=100-102
        job web cpu=1 mem=1Gi ports=1 restart=never
        status web.0 failed end=ports_held held=100
        status web.0 running
        job two cpu=1 mem=1Gi ports=2
        tick 1000
        tick +300000
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi ports=100-102
    2 job.accepted web; task.placed web.0#1 on a1 cpu=1 mem=1Gi ports=100
    3 task.status_changed web.0#1 failed (ports_held)
        agent.ports_held a1 100 for 300000 ms
        task.restart_scheduled web.0 in 0 ms, restarts=0
        task.placed web.0#2 on a1 cpu=1 mem=1Gi ports=101
    4 task.status_changed web.0#2 running
    5 job.accepted two; placement.deferred two (1 wait): PortsTaken x1
    6 time.advanced 1000
    7 time.advanced 301000; agent.ports_freed a1 100; task.placed two.0#3 on a1 cpu=1 mem=1Gi ports=100,102
    ");
}

#[test]
fn an_agent_is_held_to_the_ports_that_its_task_was_given() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi ports=100-105
        job web cpu=1 mem=1Gi ports=2 restart=never
        job db cpu=1 mem=1Gi ports=1 restart=never
        status web.0 failed end=ports_held held=101-4000
        status db.0 failed end=ports_held
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi ports=100-105
    2 job.accepted web; task.placed web.0#1 on a1 cpu=1 mem=1Gi ports=100-101
    3 job.accepted db; task.placed db.0#2 on a1 cpu=1 mem=1Gi ports=102
    4 task.status_changed web.0#1 failed (ports_held)
        agent.ports_held a1 101 for 300000 ms
        task.restart_scheduled web.0 in 0 ms, restarts=0
        task.placed web.0#3 on a1 cpu=1 mem=1Gi ports=100,103
    5 task.status_changed db.0#2 failed (ports_held)
        agent.ports_held a1 102 for 300000 ms
        task.restart_scheduled db.0 in 0 ms, restarts=0
        task.placed db.0#4 on a1 cpu=1 mem=1Gi ports=104
    ");
}

#[test]
fn an_agent_that_leaves_takes_what_counts_against_it_along() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi ports=100-105
        job web cpu=1 mem=1Gi ports=1 restart=never
        job bad cpu=1 mem=1Gi
        status web.0 failed end=ports_held
        status bad.0 failed end=machine_fault
        remove a1
        tick 1000
        tick +1000000
        agent a1 cpu=4 mem=4Gi ports=100-105
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi ports=100-105
    2 job.accepted web; task.placed web.0#1 on a1 cpu=1 mem=1Gi ports=100
    3 job.accepted bad; task.placed bad.0#2 on a1 cpu=1 mem=1Gi
    4 task.status_changed web.0#1 failed (ports_held)
        agent.ports_held a1 100 for 300000 ms
        task.restart_scheduled web.0 in 0 ms, restarts=0
        task.placed web.0#3 on a1 cpu=1 mem=1Gi ports=101
    5 task.status_changed bad.0#2 failed (machine_fault)
        agent.start_failed a1 bad.0 fault=machine for 60000 ms
        job.ended bad failed
    6 agent.leaving a1; task.status_changed web.0#3 lost (agent_lost); job.ended web failed; agent.removed a1
    7 time.advanced 1000
    8 time.advanced 1001000; job.forgotten bad; job.forgotten web
    9 agent.admitted a1 cpu=4 mem=4Gi ports=100-105
    ");
}
