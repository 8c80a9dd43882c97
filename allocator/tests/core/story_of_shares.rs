//! Who is offered what: dominant resource fairness over roles with weights.

use insta::assert_snapshot;

use crate::story::story;

/// Mesos's own test of its allocator (`HierarchicalAllocatorTest.UnreservedDRF`), offers kept.
#[test]
fn offers_follow_the_dominant_shares_of_mesos_test() {
    assert_snapshot!(story("
        agent a1 cpu=2 mem=1024
        framework f1 role=role1
        framework f2 role=role2
        agent a2 cpu=1 mem=512
        agent a3 cpu=3 mem=2048
        framework f3 role=role1
        agent a4 cpu=4 mem=4096
        framework f4 role=role1
        agent a5 cpu=1 mem=512
    "), @"
    1 agent.admitted a1 cpu=2 mem=1Gi
    2 framework.subscribed f1 role=role1; offer.made o1 to f1 of a1 cpu=2 mem=1Gi
    3 framework.subscribed f2 role=role2
    4 agent.admitted a2 cpu=1 mem=512Mi; offer.made o2 to f2 of a2 cpu=1 mem=512Mi
    5 agent.admitted a3 cpu=3 mem=2Gi; offer.made o3 to f2 of a3 cpu=3 mem=2Gi
    6 framework.subscribed f3 role=role1
    7 agent.admitted a4 cpu=4 mem=4Gi; offer.made o4 to f3 of a4 cpu=4 mem=4Gi
    8 framework.subscribed f4 role=role1
    9 agent.admitted a5 cpu=1 mem=512Mi; offer.made o5 to f2 of a5 cpu=1 mem=512Mi
    ");
}

#[test]
fn a_role_of_twice_the_weight_gets_twice_the_share() {
    assert_snapshot!(story("
        role web weight=2
        role web weight=2
        framework f1 role=web
        framework f2 role=db
        6x agent m# cpu=1 mem=1Gi
        framework f3 role=none
        role web weight=1
        agent last cpu=1 mem=1Gi
    "), @"
    1 role.set web weight=2
    2 nothing changes
    3 framework.subscribed f1 role=web
    4 framework.subscribed f2 role=db
    5.. agent.admitted x6; offer.made x6
    11 framework.subscribed f3 role=none
    12 role.set web weight=1
    13 agent.admitted last cpu=1 mem=1Gi; offer.made o7 to f3 of last cpu=1 mem=1Gi
    ");
}

#[test]
fn what_jobs_of_a_role_hold_counts_for_its_frameworks() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job db kind=service cpu=4 mem=4Gi role=aa
        framework f1 role=aa
        framework f2 role=bb
        agent a2 cpu=1 mem=1Gi
        agent a3 cpu=1 mem=1Gi
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=4 mem=4Gi
    3 framework.subscribed f1 role=aa
    4 framework.subscribed f2 role=bb
    5 agent.admitted a2 cpu=1 mem=1Gi; offer.made o1 to f2 of a2 cpu=1 mem=1Gi
    6 agent.admitted a3 cpu=1 mem=1Gi; offer.made o2 to f2 of a3 cpu=1 mem=1Gi
    ");
}

#[test]
fn within_a_role_the_framework_with_less_goes_first() {
    assert_snapshot!(story("
        framework f1 role=web
        framework f2 role=web
        agent a1 cpu=1 mem=1Gi
        agent a2 cpu=1 mem=1Gi
        agent a3 cpu=1 mem=1Gi
        decline f1 o1 filter=60000
    "), @"
    1 framework.subscribed f1 role=web
    2 framework.subscribed f2 role=web
    3 agent.admitted a1 cpu=1 mem=1Gi; offer.made o1 to f1 of a1 cpu=1 mem=1Gi
    4 agent.admitted a2 cpu=1 mem=1Gi; offer.made o2 to f2 of a2 cpu=1 mem=1Gi
    5 agent.admitted a3 cpu=1 mem=1Gi; offer.made o3 to f1 of a3 cpu=1 mem=1Gi
    6 filter.set f1 on a1 for 60000 ms; offer.ended o1 declined; offer.made o4 to f2 of a1 cpu=1 mem=1Gi
    ");
}
