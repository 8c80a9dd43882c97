//! Every refusal, with both sides of the mismatch; the lowest number goes first.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn numbers_outside_their_bounds() {
    assert_snapshot!(story("
        set offer_ttl=0
        set agent_lost_after=31536000001
        agent a1 cpu=99999999999 mem=1Gi
        agent a1 cpu=1 mem=1Gi ports=1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,47,49,51,53,55,57,59,61,63,65,67,69,71,73,75,77,79,81,83,85,87,89,91,93,95,97,99,101,103,105,107,109,111,113,115,117,119,121,123,125,127,129
        job db cpu=1 mem=1Gi grace=3600001
        role web weight=0
        role web weight=1048577
        logic 0
        logic 2
    "), @"
    1 refused 4 ParameterOutOfRange: offer_ttl_ms is 0, and may be 1 to 31536000000
    2 refused 4 ParameterOutOfRange: agent_lost_after_ms is 31536000001, and may be 1 to 31536000000
    3 refused 4 ParameterOutOfRange: cpu is 99999999999000, and may be 0 to 68719476736
    4 refused 4 ParameterOutOfRange: port ranges is 65, and may be 0 to 64
    5 refused 4 ParameterOutOfRange: kill_grace_ms is 3600001, and may be 0 to 3600000
    6 refused 100 WeightOutOfRange: role web cannot weigh 0, only 1 to 1048576
    7 refused 100 WeightOutOfRange: role web cannot weigh 1048577, only 1 to 1048576
    8 refused 5 LogicUnknown: logic version 0 is unknown; the newest is 1
    9 refused 5 LogicUnknown: logic version 2 is unknown; the newest is 1
    ");
}

#[test]
fn agents_that_cannot_be() {
    assert_snapshot!(story("
        unreachable a1
        remove a1
        agent a1 disk=10Gi
        agent a1 cpu=1 mem=1Gi
        unreachable a1
        unreachable a1
    "), @"
    1 refused 20 AgentUnknown: there is no agent a1
    2 refused 20 AgentUnknown: there is no agent a1
    3 refused 24 CapacityEmpty: agent a1 reports no capacity at all
    4 agent.admitted a1 cpu=1 mem=1Gi
    5 agent.unreachable a1
    6 refused 21 AgentUnreachableAlready: agent a1 is unreachable already
    ");
}

#[test]
fn jobs_that_cannot_be() {
    assert_snapshot!(story("
        stop db
        scale db 1
        job db count=0 cpu=1 mem=1Gi
        job db count=1000001 cpu=1 mem=1Gi
        job db cpu=1 mem=1Gi argv=
        job db cpu=1 mem=1Gi argv=a\\0b
        job db cpu=1 mem=1Gi env.=x
        job db disk=1Gi
        job db cpu=1 mem=1Gi port_numbers=80
        job db cpu=1 mem=1Gi ports=65
        job db cpu=1 mem=1Gi in.rack=1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30|31|32|33
        job db cpu=1 mem=1Gi
        job db cpu=1 mem=1Gi
        scale db 1000001
        stop db
        scale db 2
    "), @r#"
    1 refused 41 JobUnknown: there is no job db
    2 refused 41 JobUnknown: there is no job db
    3 refused 43 CountOutOfRange: 0 tasks were asked for, and a job has 1 to 1000000
    4 refused 43 CountOutOfRange: 1000001 tasks were asked for, and a job has 1 to 1000000
    5 refused 44 CommandEmpty: the command line is empty
    6 refused 45 CommandIllegal: the command line or environment is illegal: "a\u{0}b" holds a zero byte
    7 refused 45 CommandIllegal: the command line or environment is illegal: "" is not the name of a variable
    8 refused 47 ResourcesEmpty: the task asks for neither CPU nor memory; name an amount of one of them at least, as in cpu=0.5
    9 refused 48 PortsByNumber: a job asks for a number of ports, not for ports by number (cpu=1 mem=1Gi ports=80)
    10 refused 49 TooManyPorts: 65 ports were asked for, more than 64
    11 refused 50 TooManyConstraints: 33 constraints or values were given, more than 32
    12 job.accepted db; placement.deferred db (1 wait):
    13 refused 40 JobExists: there is a job db already
    14 refused 43 CountOutOfRange: 1000001 tasks were asked for, and a job has 0 to 1000000
    15 job.stopping db; job.ended db stopped
    16 refused 42 JobEnded: job db has ended or is being stopped
    "#);
}

#[test]
fn statuses_that_cannot_be() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        agent a2 cpu=4 mem=4Gi
        status db.0 running
        job db cpu=1 mem=1Gi restart=failure
        status db.1 running
        status f1/t1 running
        status db.0 running on=a2
        status db.0 running inc=9
        status db.0 running end=given
        status db.0 failed end=none
        status db.0 running
        status db.0 starting
        status db.0 failed
        status db.0 running inc=1
        status db.0 failed inc=1
        kill db.0
        status db.0 killed
        status db.0 failed
        kill db.0
        kill db.7
        kill no.0
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 agent.admitted a2 cpu=4 mem=4Gi
    3 refused 60 TaskUnknown: there is no task db.0
    4 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi
    5 refused 60 TaskUnknown: there is no task db.1
    6 refused 60 TaskUnknown: there is no task f1/t1
    7 refused 63 WrongAgent: task db.0 is on agent a1, not on a2
    8 refused 62 IncarnationSuperseded: task db.0 is at incarnation 1, the status is about 9
    9 refused 65 EndMismatch: the status running of task db.0 and its end do not go together
    10 refused 65 EndMismatch: the status failed of task db.0 and its end do not go together
    11 task.status_changed db.0#1 running
    12 refused 64 IllegalTransition: task db.0 is running and cannot become starting
    13 task.status_changed db.0#1 failed (exited 1)
        task.restart_scheduled db.0 in 0 ms, restarts=1
        task.placed db.0#2 on a1 cpu=1 mem=1Gi
    14 refused 62 IncarnationSuperseded: task db.0 is at incarnation 2, the status is about 1
    15 refused 62 IncarnationSuperseded: task db.0 is at incarnation 2, the status is about 1
    16 task.kill_requested db.0#2 on a1
    17 task.status_changed db.0#2 killed (requested); job.ended db stopped
    18 refused 64 IllegalTransition: task db.0 is killed and cannot become failed
    19 refused 61 TaskEnded: task db.0 has ended: killed
    20 refused 60 TaskUnknown: there is no task db.7
    21 refused 60 TaskUnknown: there is no task no.0
    ");
}

#[test]
fn a_task_that_backs_off_takes_no_status_but_its_end_again() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job db cpu=1 mem=1Gi restart=failure backoff=100
        status db.0 failed
        status db.0 failed
        status db.0 running
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi
    3 task.status_changed db.0#1 failed (exited 1); task.restart_scheduled db.0 in 100 ms, restarts=1
    4 nothing changes
    5 refused 62 IncarnationSuperseded: task db.0 is at incarnation 1, the status is about 1
    ");
}

#[test]
fn offers_that_cannot_be_taken() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        agent a2 cpu=4 mem=4Gi
        framework f1 role=aa
        agent a3 cpu=4 mem=4Gi
        framework f2 role=bb
        agent a4 cpu=4 mem=4Gi
        accept f3 o1; t1 cpu=1 mem=1Gi
        decline f3 o1
        revive f3
        suppress f3
        teardown f3
        accept f1
        decline f1
        accept f1 o9; t1 cpu=1 mem=1Gi
        decline f1 o9
        accept f2 o1; t1 cpu=1 mem=1Gi
        decline f2 o1
        accept f1 o1,o2; t1 cpu=1 mem=1Gi
        accept f1 o1; t1 cpu=3 mem=1Gi; t2 cpu=1.001 mem=1Gi
        accept f1 o1; t1 cpu=1 mem=1Gi; t1 cpu=1 mem=1Gi
        accept f1 o1; t.1 cpu=1 mem=1Gi
        accept f1 o1; t1 cpu=1 mem=1Gi argv=
        accept f1 o1; t1 disk=1Gi
        accept f1 o1 filter=31536000001; t1 cpu=1 mem=1Gi
        accept f1 o1; t1 cpu=1 mem=1Gi ports=1-65
        accept f1 o1; t1 cpu=1 mem=1Gi
        accept f1 o5; t1 cpu=1 mem=1Gi
        framework f1 role=bb
    "), @r#"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 agent.admitted a2 cpu=4 mem=4Gi
    3 framework.subscribed f1 role=aa
        offer.made o1 to f1 of a1 cpu=4 mem=4Gi
        offer.made o2 to f1 of a2 cpu=4 mem=4Gi
    4 agent.admitted a3 cpu=4 mem=4Gi; offer.made o3 to f1 of a3 cpu=4 mem=4Gi
    5 framework.subscribed f2 role=bb
    6 agent.admitted a4 cpu=4 mem=4Gi; offer.made o4 to f2 of a4 cpu=4 mem=4Gi
    7 refused 80 FrameworkUnknown: there is no framework f3
    8 refused 80 FrameworkUnknown: there is no framework f3
    9 refused 80 FrameworkUnknown: there is no framework f3
    10 refused 80 FrameworkUnknown: there is no framework f3
    11 refused 80 FrameworkUnknown: there is no framework f3
    12 refused 83 OffersEmpty: no offer is named
    13 refused 83 OffersEmpty: no offer is named
    14 refused 84 OfferUnknown: offer o9 does not stand
    15 refused 84 OfferUnknown: offer o9 does not stand
    16 refused 85 OfferOfAnother: offer o1 was not made to framework f2
    17 refused 85 OfferOfAnother: offer o1 was not made to framework f2
    18 refused 86 OffersOfSeveralAgents: the offers are of agents a1 and a2, not of one
    19 refused 89 LaunchesExceedOffers: the tasks need cpu=4.001 mem=2Gi, the offers hold cpu=4 mem=4Gi
    20 refused 88 TaskExists: there is a task f1/t1 already
    21 refused 90 TaskNameIllegal: the name of a task is illegal: task name "t.1" holds '.', which is none of a-z A-Z 0-9 _-
    22 refused 44 CommandEmpty: the command line is empty
    23 refused 47 ResourcesEmpty: the task asks for neither CPU nor memory; name an amount of one of them at least, as in cpu=0.5
    24 refused 4 ParameterOutOfRange: filter_ms is 31536000001, and may be 0 to 31536000000
    25 refused 49 TooManyPorts: 65 ports were asked for, more than 64
    26 offer.ended o1 accepted
        task.placed f1/t1#1 on a1 cpu=1 mem=1Gi
        offer.made o5 to f2 of a1 cpu=3 mem=3Gi
    27 refused 85 OfferOfAnother: offer o5 was not made to framework f1
    28 refused 82 RoleDiffers: framework f1 is subscribed with role aa, not bb
    "#);
}

#[test]
fn the_lowest_number_goes_first() {
    assert_snapshot!(story("
        accept f1 o1 filter=31536000001; t.1 disk=1Gi
        accept f1 o1; t.1 disk=1Gi
        accept f1 o1; t.1 cpu=1 mem=1Gi
        framework f1
        accept f1 ; t.1 cpu=1 mem=1Gi
        accept f1 o1; t.1 cpu=1 mem=1Gi
        agent a1 cpu=1 mem=1Gi
        accept f1 o1; t.1 cpu=2 mem=1Gi; t1 cpu=1 mem=1Gi; t1 cpu=1 mem=1Gi
        accept f1 o1; t.1 cpu=2 mem=1Gi
        job db count=0 cpu=1 mem=1Gi grace=3600001 argv=
        job db count=0 cpu=1 mem=1Gi argv=
        job db ports=99 argv=
        job db ports=99
        job db cpu=1 mem=1Gi
        job db ports=99
        status db.0 running inc=7 on=a9 end=given
        status db.0 running inc=7 end=given
        status db.0 running on=a9 end=given
    "), @"
    1 refused 4 ParameterOutOfRange: filter_ms is 31536000001, and may be 0 to 31536000000
    2 refused 47 ResourcesEmpty: the task asks for neither CPU nor memory; name an amount of one of them at least, as in cpu=0.5
    3 refused 80 FrameworkUnknown: there is no framework f1
    4 framework.subscribed f1 role=*
    5 refused 83 OffersEmpty: no offer is named
    6 refused 84 OfferUnknown: offer o1 does not stand
    7 agent.admitted a1 cpu=1 mem=1Gi; offer.made o1 to f1 of a1 cpu=1 mem=1Gi
    8 refused 88 TaskExists: there is a task f1/t1 already
    9 refused 89 LaunchesExceedOffers: the tasks need cpu=2 mem=1Gi, the offers hold cpu=1 mem=1Gi
    10 refused 4 ParameterOutOfRange: kill_grace_ms is 3600001, and may be 0 to 3600000
    11 refused 43 CountOutOfRange: 0 tasks were asked for, and a job has 1 to 1000000
    12 refused 44 CommandEmpty: the command line is empty
    13 refused 47 ResourcesEmpty: the task asks for neither CPU nor memory; name an amount of one of them at least, as in cpu=0.5
    14 job.accepted db; offer.ended o1 needed_by_job; task.placed db.0#1 on a1 cpu=1 mem=1Gi
    15 refused 40 JobExists: there is a job db already
    16 refused 62 IncarnationSuperseded: task db.0 is at incarnation 1, the status is about 7
    17 refused 62 IncarnationSuperseded: task db.0 is at incarnation 1, the status is about 7
    18 refused 63 WrongAgent: task db.0 is on agent a1, not on a9
    ");
}

#[test]
fn a_resource_that_is_surely_misnamed_is_refused_for_jobs_agents_and_frameworks_alike() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi raw.CPUs=4
        agent a1 cpu=4 mem=4Gi licences=2
        job web cpu=1 raw.memory=512
        framework f1
        accept f1 o1; t1 cpu=1 mem=1Gi raw.GPUs=1
        job web cpu=1 mem=512Mi licences=1 tpu=1
    "), @"
    1 refused 7 ResourceMisnamed: CPUs is no resource; is cpu meant?
    2 agent.admitted a1 cpu=4 mem=4Gi licences=2
    3 refused 7 ResourceMisnamed: memory is no resource; is mem meant?
    4 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi licences=2
    5 refused 7 ResourceMisnamed: GPUs is no resource; is gpu meant?
    6 job.accepted web; placement.deferred web (1 wait): CustomTooSmall x1
    ");
}
