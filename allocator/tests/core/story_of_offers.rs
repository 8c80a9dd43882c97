//! Offers: accepted, declined, filtered, timed out, rescinded.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn what_tasks_leave_over_is_offered_again() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1
        accept f1 o1; t1 cpu=1 mem=1Gi
        accept f1 o2
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
        offer.made o2 to f1 of a1 cpu=3 mem=3Gi
    4 offer.ended o2 declined; offer.made o3 to f1 of a1 cpu=3 mem=3Gi
    ");
}

#[test]
fn several_offers_of_one_agent_are_accepted_together() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi ports=1-4
        framework f1
        accept f1 o1; t1 cpu=2 mem=2Gi ports=1-3
        status f1/t1 finished
        accept f1 o2,o3; t2 cpu=4 mem=4Gi ports=1-4
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi ports=1-4
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi ports=1-4
    3 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=2 mem=2Gi ports=1-3
        offer.made o2 to f1 of a1 cpu=2 mem=2Gi ports=4
    4 task.status_changed f1/t1#1 finished (exited 0); offer.made o3 to f1 of a1 cpu=2 mem=2Gi ports=1-3
    5 offer.ended o2 accepted; offer.ended o3 accepted; task.placed f1/t2#2 on a1 cpu=4 mem=4Gi ports=1-4
    ");
}

#[test]
fn a_filter_keeps_an_agent_away_until_its_time_is_over() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1
        decline f1 o1 filter=5000
        agent a2 cpu=1 mem=1Gi
        tick 1000
        tick 5999
        tick 6000
        accept f1 o3 filter=1000; t1 cpu=1 mem=1Gi
        tick +1
        tick +1000
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 filter.set f1 on a1 for 5000 ms; offer.ended o1 declined
    4 agent.admitted a2 cpu=1 mem=1Gi; offer.made o2 to f1 of a2 cpu=1 mem=1Gi
    5 time.advanced 1000
    6 time.advanced 5999
    7 time.advanced 6000; filter.expired f1 on a1; offer.made o3 to f1 of a1 cpu=4 mem=4Gi
    8 filter.set f1 on a1 for 1000 ms; offer.ended o3 accepted; task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
    9 time.advanced 6001
    10 time.advanced 7001; filter.expired f1 on a1; offer.made o4 to f1 of a1 cpu=3 mem=3Gi
    ");
}

#[test]
fn a_new_filter_takes_the_place_of_the_old_one() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1
        accept f1 o1 filter=1000; t1 cpu=1 mem=1Gi
        tick 1
        framework f2
        decline f2 o2
        decline f2 o3 filter=500
        tick +1
        revive f1
        decline f1 o4 filter=9000
        tick +500
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 filter.set f1 on a1 for 1000 ms; offer.ended o1 accepted; task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
    4 time.advanced 1
    5 framework.subscribed f2 role=*; offer.made o2 to f2 of a1 cpu=3 mem=3Gi
    6 offer.ended o2 declined; offer.made o3 to f2 of a1 cpu=3 mem=3Gi
    7 filter.set f2 on a1 for 500 ms; offer.ended o3 declined
    8 time.advanced 2
    9 offers.revived f1; offer.made o4 to f1 of a1 cpu=3 mem=3Gi
    10 filter.set f1 on a1 for 9000 ms; offer.ended o4 declined
    11 time.advanced 502; filter.expired f2 on a1; offer.made o5 to f2 of a1 cpu=3 mem=3Gi
    ");
}

#[test]
fn a_revival_drops_filters() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1
        decline f1 o1 filter=5000
        revive f1
        tick +1
        tick +5000
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 filter.set f1 on a1 for 5000 ms; offer.ended o1 declined
    4 offers.revived f1; offer.made o2 to f1 of a1 cpu=4 mem=4Gi
    5 time.advanced 1
    6 time.advanced 5001
    ");
}

#[test]
fn what_one_framework_declines_another_may_have() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1
        framework f2
        decline f1 o1 filter=5000
        decline f2 o2 filter=1000
        tick 1
        tick +1000
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 framework.subscribed f2 role=*
    4 filter.set f1 on a1 for 5000 ms; offer.ended o1 declined; offer.made o2 to f2 of a1 cpu=4 mem=4Gi
    5 filter.set f2 on a1 for 1000 ms; offer.ended o2 declined
    6 time.advanced 1
    7 time.advanced 1001; filter.expired f2 on a1; offer.made o3 to f2 of a1 cpu=4 mem=4Gi
    ");
}

#[test]
fn an_offer_that_nobody_answers_times_out() {
    assert_snapshot!(story("
        set offer_ttl=2000
        agent a1 cpu=4 mem=4Gi
        framework f1
        tick 1
        tick +1999
        tick +1
        accept f1 o1; t1 cpu=1 mem=1Gi
    "), @"
    1 parameters.set policy=binpack offer_ttl=2000 agent_lost_after=60000 key_kept=600000 ended_kept=600000
    2 agent.admitted a1 cpu=4 mem=4Gi
    3 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    4 time.advanced 1
    5 time.advanced 2000
    6 time.advanced 2001; offer.ended o1 timed_out; offer.made o2 to f1 of a1 cpu=4 mem=4Gi
    7 refused 84 OfferUnknown: offer o1 does not stand
    ");
}

#[test]
fn a_job_takes_what_is_only_offered() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        agent a2 cpu=2 mem=2Gi
        framework f1
        job db cpu=2 mem=1Gi
        job big cpu=4 mem=4Gi
        job none cpu=5 mem=1Gi
        status big.0 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 agent.admitted a2 cpu=2 mem=2Gi
    3 framework.subscribed f1 role=*
        offer.made o1 to f1 of a1 cpu=4 mem=4Gi
        offer.made o2 to f1 of a2 cpu=2 mem=2Gi
    4 job.accepted db
        offer.ended o1 needed_by_job
        task.placed db.0#1 on a1 cpu=2 mem=1Gi
        offer.made o3 to f1 of a1 cpu=2 mem=3Gi
    5 job.accepted big; placement.deferred big (1 wait): CpuTooSmall x1, CpuTaken x1
    6 job.accepted none; placement.deferred none (1 wait): CpuTooSmall x2
    7 refused 60 TaskUnknown: there is no task big.0
    ");
}

#[test]
fn a_job_takes_all_offers_of_an_agent_where_one_is_not_enough() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1
        accept f1 o1; t1 cpu=2 mem=2Gi
        status f1/t1 finished
        job big cpu=4 mem=4Gi
        status big.0 finished
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=2 mem=2Gi
        offer.made o2 to f1 of a1 cpu=2 mem=2Gi
    4 task.status_changed f1/t1#1 finished (exited 0); offer.made o3 to f1 of a1 cpu=2 mem=2Gi
    5 job.accepted big
        offer.ended o2 needed_by_job
        offer.ended o3 needed_by_job
        task.placed big.0#2 on a1 cpu=4 mem=4Gi
    6 task.status_changed big.0#2 finished (exited 0)
        job.ended big succeeded
        offer.made o4 to f1 of a1 cpu=4 mem=4Gi
    ");
}

#[test]
fn no_more_offers_of_one_agent_stand_than_are_bounded() {
    assert_snapshot!(story("
        agent a1 cpu=100 mem=100Gi
        framework f1
        suppress f1
        job many kind=service count=100 cpu=1 mem=1Gi
        revive f1
        70x status many.# finished
        decline f1 o7
        unreachable a1
    "), @"
    1 agent.admitted a1 cpu=100 mem=100Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=100 mem=100Gi
    3 offers.suppressed f1; offer.ended o1 framework_away
    4 job.accepted x1; task.placed x100
    5 offers.revived f1
    6.. offer.made x64; task.status_changed x70
    76 offer.ended o7 declined; offer.made o66 to f1 of a1 cpu=7 mem=7Gi
    77 agent.unreachable x1; offer.ended x64
    ");
}

/// The one that takes nothing has the lowest share for ever.
#[test]
fn a_framework_that_declines_without_a_filter_does_not_starve_the_others() {
    assert_snapshot!(story("
        framework f1 role=a
        framework f2 role=b
        framework f3 role=b
        agent a1 cpu=4 mem=4Gi
        decline f1 o1
        accept f2 o2; t1 cpu=1 mem=1Gi
        decline f3 o3
        accept f2 o4; t2 cpu=1 mem=1Gi
        decline f2 o5
        decline f1 o6
        decline f3 o7
        decline f2 o8
    "), @"
    1 framework.subscribed f1 role=a
    2 framework.subscribed f2 role=b
    3 framework.subscribed f3 role=b
    4 agent.admitted a1 cpu=4 mem=4Gi; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    5 offer.ended o1 declined; offer.made o2 to f2 of a1 cpu=4 mem=4Gi
    6 offer.ended o2 accepted
        task.placed f2/t1#1 on a1 cpu=1 mem=1Gi
        offer.made o3 to f3 of a1 cpu=3 mem=3Gi
    7 offer.ended o3 declined; offer.made o4 to f2 of a1 cpu=3 mem=3Gi
    8 offer.ended o4 accepted
        task.placed f2/t2#2 on a1 cpu=1 mem=1Gi
        offer.made o5 to f2 of a1 cpu=2 mem=2Gi
    9 offer.ended o5 declined; offer.made o6 to f1 of a1 cpu=2 mem=2Gi
    10 offer.ended o6 declined; offer.made o7 to f3 of a1 cpu=2 mem=2Gi
    11 offer.ended o7 declined; offer.made o8 to f2 of a1 cpu=2 mem=2Gi
    12 offer.ended o8 declined; offer.made o9 to f1 of a1 cpu=2 mem=2Gi
    ");
}

#[test]
fn an_offer_that_times_out_or_is_accepted_for_nothing_was_given_back_too() {
    assert_snapshot!(story("
        framework f1 role=a
        framework f2 role=b
        agent a1 cpu=4 mem=4Gi
        accept f1 o1
        accept f2 o2
        tick 1000
        tick 31000
        tick 31020
        tick 61020
    "), @"
    1 framework.subscribed f1 role=a
    2 framework.subscribed f2 role=b
    3 agent.admitted a1 cpu=4 mem=4Gi; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    4 offer.ended o1 declined; offer.made o2 to f2 of a1 cpu=4 mem=4Gi
    5 offer.ended o2 declined; offer.made o3 to f1 of a1 cpu=4 mem=4Gi
    6 time.advanced 1000
    7 time.advanced 31000; offer.ended o3 timed_out; offer.made o4 to f2 of a1 cpu=4 mem=4Gi
    8 time.advanced 31020
    9 time.advanced 61020; offer.ended o4 timed_out; offer.made o5 to f1 of a1 cpu=4 mem=4Gi
    ");
}
