//! Frameworks come and go: subscribe, suppress, revive, tear down, and the life of their tasks.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn a_framework_subscribes_once_and_is_offered_all_that_is_free() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi ports=100-109
        framework f1 role=web
        framework f1 role=web
        framework f1 role=db
        agent a2 cpu=2 mem=2Gi
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi ports=100-109
    2 framework.subscribed f1 role=web; offer.made o1 to f1 of a1 cpu=4 mem=4Gi ports=100-109
    3 nothing changes
    4 refused 82 RoleDiffers: framework f1 is subscribed with role web, not db
    5 agent.admitted a2 cpu=2 mem=2Gi; offer.made o2 to f1 of a2 cpu=2 mem=2Gi
    ");
}

#[test]
fn a_framework_launches_tasks_and_hears_of_their_end() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi ports=100-109
        framework f1
        accept f1 o1; t1 cpu=1 mem=1Gi ports=101,105; t2 cpu=1 mem=1Gi
        status f1/t1 running
        status f1/t1 failed
        kill f1/t2
        kill f1/t2
        status f1/t2 killed
        kill f1/t2
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi ports=100-109
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi ports=100-109
    3 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=1 mem=1Gi ports=101,105
        task.placed f1/t2#2 on a1 cpu=1 mem=1Gi
        offer.made o2 to f1 of a1 cpu=2 mem=2Gi ports=100,102-104,106-109
    4 task.status_changed f1/t1#1 running
    5 task.status_changed f1/t1#1 failed (exited 1); offer.made o3 to f1 of a1 cpu=1 mem=1Gi ports=101,105
    6 task.kill_requested f1/t2#2 on a1
    7 nothing changes
    8 task.status_changed f1/t2#2 killed (requested); offer.made o4 to f1 of a1 cpu=1 mem=1Gi
    9 refused 61 TaskEnded: task f1/t2 has ended: killed
    ");
}

#[test]
fn an_ended_task_of_a_framework_is_forgotten_in_time() {
    assert_snapshot!(story("
        set ended_kept=1000
        agent a1 cpu=4 mem=4Gi
        framework f1
        accept f1 o1; t1 cpu=1 mem=1Gi
        status f1/t1 finished
        accept f1 o2,o3; t1 cpu=1 mem=1Gi
        tick +1
        tick +1000
        status f1/t1 finished inc=1 on=a1
        accept f1 o2,o3; t1 cpu=1 mem=1Gi
    "), @"
    1 parameters.set policy=binpack offer_ttl=30000 agent_lost_after=60000 key_kept=600000 ended_kept=1000
    2 agent.admitted a1 cpu=4 mem=4Gi
    3 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    4 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
        offer.made o2 to f1 of a1 cpu=3 mem=3Gi
    5 task.status_changed f1/t1#1 finished (exited 0); offer.made o3 to f1 of a1 cpu=1 mem=1Gi
    6 refused 88 TaskExists: there is a task f1/t1 already
    7 time.advanced 1
    8 time.advanced 1001; task.forgotten f1/t1
    9 refused 60 TaskUnknown: there is no task f1/t1
    10 offer.ended o2 accepted
        offer.ended o3 accepted
        task.placed f1/t1#2 on a1 cpu=1 mem=1Gi
        offer.made o4 to f1 of a1 cpu=3 mem=3Gi
    ");
}

#[test]
fn a_suppressed_framework_gets_nothing_until_it_revives() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1
        suppress f1
        suppress f1
        agent a2 cpu=4 mem=4Gi
        revive f1
        revive f1
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 offers.suppressed f1; offer.ended o1 framework_away
    4 nothing changes
    5 agent.admitted a2 cpu=4 mem=4Gi
    6 offers.revived f1; offer.made o2 to f1 of a1 cpu=4 mem=4Gi; offer.made o3 to f1 of a2 cpu=4 mem=4Gi
    7 nothing changes
    ");
}

#[test]
fn a_torn_down_framework_ends_with_its_offers_and_tasks() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        agent a2 cpu=4 mem=4Gi
        framework f1
        accept f1 o1; t1 cpu=1 mem=1Gi; t2 cpu=1 mem=1Gi
        status f1/t1 finished
        teardown f1
        teardown f1
        framework f1
        accept f1 o2; t3 cpu=1 mem=1Gi
        status f1/t2 killed
        status f1/t2 killed inc=2 on=a1
        framework f1
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 agent.admitted a2 cpu=4 mem=4Gi
    3 framework.subscribed f1 role=*
        offer.made o1 to f1 of a1 cpu=4 mem=4Gi
        offer.made o2 to f1 of a2 cpu=4 mem=4Gi
    4 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
        task.placed f1/t2#2 on a1 cpu=1 mem=1Gi
        offer.made o3 to f1 of a1 cpu=2 mem=2Gi
    5 task.status_changed f1/t1#1 finished (exited 0); offer.made o4 to f1 of a1 cpu=1 mem=1Gi
    6 framework.ending f1
        offer.ended o2 framework_away
        offer.ended o3 framework_away
        offer.ended o4 framework_away
        task.kill_requested f1/t2#2 on a1
    7 refused 81 FrameworkEnding: framework f1 is being torn down
    8 refused 81 FrameworkEnding: framework f1 is being torn down
    9 refused 81 FrameworkEnding: framework f1 is being torn down
    10 task.status_changed f1/t2#2 killed (requested); framework.removed f1
    11 refused 60 TaskUnknown: there is no task f1/t2
    12 framework.subscribed f1 role=*
        offer.made o5 to f1 of a1 cpu=4 mem=4Gi
        offer.made o6 to f1 of a2 cpu=4 mem=4Gi
    ");
}

#[test]
fn a_framework_with_nothing_is_gone_at_once() {
    assert_snapshot!(story("
        framework f1
        teardown f1
        teardown f1
    "), @"
    1 framework.subscribed f1 role=*
    2 framework.ending f1; framework.removed f1
    3 refused 80 FrameworkUnknown: there is no framework f1
    ");
}

#[test]
fn a_lost_task_of_a_framework_is_not_started_again() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1
        accept f1 o1; t1 cpu=1 mem=1Gi
        suppress f1
        remove a1
        status f1/t1 running inc=1 on=a1
        kill f1/t1
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
        offer.made o2 to f1 of a1 cpu=3 mem=3Gi
    4 offers.suppressed f1; offer.ended o2 framework_away
    5 agent.leaving a1; task.status_changed f1/t1#1 lost (agent_lost); agent.removed a1
    6 refused 64 IllegalTransition: task f1/t1 is lost and cannot become running
    7 refused 61 TaskEnded: task f1/t1 has ended: lost
    ");
}

#[test]
fn a_framework_of_many_offers_and_tasks_is_suppressed_and_torn_down_in_slices() {
    assert_snapshot!(story("
        700x agent m# cpu=4 mem=4Gi
        framework f1
        work
        suppress f1
        work
        revive f1
        work
        suppress f1
        revive f1
        teardown f1
        work
    "), @"
    1.. agent.admitted x700
    701 framework.subscribed x1; offer.made x512
    702 offer.made x188
    703 offer.ended x512; offers.suppressed x1
    704 offer.ended x188
    705 offer.made x512; offers.revived x1
    706 offer.made x188
    707 offer.ended x512; offers.suppressed x1
    708 offer.made x512; offers.revived x1
    709 framework.ending x1; offer.ended x512
    710 framework.removed x1; offer.ended x188
    ");
}

#[test]
fn only_who_subscribed_a_framework_speaks_for_it() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        framework f1 by=alice
        framework f1 by=mallory
        decline f1 o1 by=mallory
        accept f1 o1 by=mallory; t1 cpu=1 mem=1Gi
        suppress f1 by=mallory
        revive f1 by=mallory
        teardown f1 by=mallory
        accept f1 o1 by=alice; t1 cpu=1 mem=1Gi
        kill f1/t1 by=mallory
        kill f1/t2 by=mallory
        kill f1/t1 by=alice
        teardown f1 by=alice
        framework f1 by=mallory
        status f1/t1 killed
        framework f1 by=mallory
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 refused 79 FrameworkOfAnother: framework f1 is that of alice, and mallory may not speak for it
    4 refused 79 FrameworkOfAnother: framework f1 is that of alice, and mallory may not speak for it
    5 refused 79 FrameworkOfAnother: framework f1 is that of alice, and mallory may not speak for it
    6 refused 79 FrameworkOfAnother: framework f1 is that of alice, and mallory may not speak for it
    7 refused 79 FrameworkOfAnother: framework f1 is that of alice, and mallory may not speak for it
    8 refused 79 FrameworkOfAnother: framework f1 is that of alice, and mallory may not speak for it
    9 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
        offer.made o2 to f1 of a1 cpu=3 mem=3Gi
    10 refused 79 FrameworkOfAnother: framework f1 is that of alice, and mallory may not speak for it
    11 refused 60 TaskUnknown: there is no task f1/t2
    12 task.kill_requested f1/t1#1 on a1
    13 framework.ending f1; offer.ended o2 framework_away
    14 refused 79 FrameworkOfAnother: framework f1 is that of alice, and mallory may not speak for it
    15 task.status_changed f1/t1#1 killed (requested); framework.removed f1
    16 framework.subscribed f1 role=*; offer.made o3 to f1 of a1 cpu=4 mem=4Gi
    ");
}
