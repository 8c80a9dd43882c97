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

/// Both jobs wait for the same kind of place; the one that came first has all of the cell.
#[test]
fn the_next_free_place_goes_to_the_role_that_has_least_for_its_weight() {
    assert_snapshot!(story("
        role heavy weight=2
        agent a1 cpu=4 mem=4Gi
        job first role=a count=100 cpu=1 mem=1Gi
        job second role=z count=9 cpu=1 mem=1Gi
        job third role=heavy count=9 cpu=1 mem=1Gi
        status first.0 finished
        status first.1 finished
        status first.2 finished
        status first.3 finished
        status third.0 finished
    "), @"
    1 role.set heavy weight=2
    2 agent.admitted a1 cpu=4 mem=4Gi
    3 job.accepted first
        task.placed first.0#1 on a1 cpu=1 mem=1Gi
        task.placed first.1#2 on a1 cpu=1 mem=1Gi
        task.placed first.2#3 on a1 cpu=1 mem=1Gi
        task.placed first.3#4 on a1 cpu=1 mem=1Gi
        placement.deferred first (96 wait): CpuTaken x1
    4 job.accepted second; placement.deferred second (9 wait): CpuTaken x1
    5 job.accepted third; placement.deferred third (9 wait): CpuTaken x1
    6 task.status_changed first.0#1 finished (exited 0); task.placed third.0#5 on a1 cpu=1 mem=1Gi
    7 task.status_changed first.1#2 finished (exited 0); task.placed second.0#6 on a1 cpu=1 mem=1Gi
    8 task.status_changed first.2#3 finished (exited 0); task.placed third.1#7 on a1 cpu=1 mem=1Gi
    9 task.status_changed first.3#4 finished (exited 0); task.placed first.4#8 on a1 cpu=1 mem=1Gi
    10 task.status_changed third.0#5 finished (exited 0); task.placed third.2#9 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_large_job_does_not_keep_the_other_jobs_of_its_role_waiting() {
    assert_snapshot!(story("
        agent a1 cpu=3 mem=3Gi
        job large count=1000 cpu=1 mem=1Gi
        job small count=2 cpu=1 mem=1Gi
        job other count=2 cpu=1 mem=512Mi
        status large.0 finished
        status large.1 finished
        status large.2 finished
        status small.0 finished
    "), @"
    1 agent.admitted a1 cpu=3 mem=3Gi
    2 job.accepted large
        task.placed large.0#1 on a1 cpu=1 mem=1Gi
        task.placed large.1#2 on a1 cpu=1 mem=1Gi
        task.placed large.2#3 on a1 cpu=1 mem=1Gi
        placement.deferred large (997 wait): CpuTaken x1
    3 job.accepted small; placement.deferred small (2 wait): CpuTaken x1
    4 job.accepted other; placement.deferred other (2 wait): CpuTaken x1
    5 task.status_changed large.0#1 finished (exited 0); task.placed small.0#4 on a1 cpu=1 mem=1Gi
    6 task.status_changed large.1#2 finished (exited 0); task.placed other.0#5 on a1 cpu=1 mem=512Mi
    7 task.status_changed large.2#3 finished (exited 0); task.placed large.3#6 on a1 cpu=1 mem=1Gi
    8 task.status_changed small.0#4 finished (exited 0); task.placed small.1#7 on a1 cpu=1 mem=1Gi
    ");
}

/// A new job is placed at once, but not with room that another role waits for and has less of for its weight.
#[test]
fn a_new_job_does_not_overtake_a_role_that_has_less() {
    assert_snapshot!(story("
        agent a1 cpu=700 mem=700Gi
        role a weight=1000
        job first role=b count=10 cpu=1 mem=1Gi
        job many role=a count=690 cpu=1 mem=1Gi
        job new role=b count=5 cpu=1 mem=512Mi
        work
    "), @"
    1 agent.admitted a1 cpu=700 mem=700Gi
    2 role.set a weight=1000
    3 job.accepted first; task.placed x10
    4 job.accepted x1; task.placed x640
    5 job.accepted x1; placement.deferred x1; task.placed x50
    nothing was put off
    ");
}
