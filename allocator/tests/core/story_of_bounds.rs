//! What a cell holds no more of, and what one command may not say at once.

use insta::assert_snapshot;

use crate::story::{play, play_line, story};

#[test]
fn a_cell_holds_so_many_frameworks_and_no_more() {
    assert_snapshot!(story("
        10000x framework f#
        framework more
        framework f7
    "), @"
    1.. framework.subscribed x10000
    10001 refused 6 TooMany: the cell holds 10000 frameworks already, and no more
    10002 nothing changes
    ");
}

#[test]
fn a_cell_holds_so_many_roles_with_a_weight_and_no_more() {
    assert_snapshot!(story("
        100000x role r# weight=2
        role more weight=2
        role r7 weight=1
        role more weight=2
    "), @"
    1.. role.set x100000
    100001 refused 6 TooMany: the cell holds 100000 roles already, and no more
    100002 role.set r7 weight=1
    100003 role.set more weight=2
    ");
}

#[test]
fn one_command_names_so_many_offers_and_tasks_and_no_more() {
    let offers: Vec<_> = (0..257).map(|number| format!("o{}", number % 2 + 2)).collect();
    let offers = offers.join(",");
    let launches: String = (0..257).map(|number| format!("; t{number} cpu=0.001 mem=1")).collect();
    let long = "x".repeat(30_000);
    let heavy: String = (0..9).map(|number| format!("; t{number} cpu=0.001 mem=1 argv={long}")).collect();
    assert_snapshot!(story(&format!("
        agent a1 cpu=4 mem=4Gi
        framework f1
        accept f1 o1; t0 cpu=1 mem=1Gi
        status f1/t0 finished
        decline f1 {offers}
        accept f1 {offers}; t1 cpu=1 mem=1Gi
        accept f1 o2{launches}
        accept f1 o2{heavy}
    ")), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 framework.subscribed f1 role=*; offer.made o1 to f1 of a1 cpu=4 mem=4Gi
    3 offer.ended o1 accepted
        task.placed f1/t0#1 on a1 cpu=1 mem=1Gi
        offer.made o2 to f1 of a1 cpu=3 mem=3Gi
    4 task.status_changed f1/t0#1 finished (exited 0); offer.made o3 to f1 of a1 cpu=1 mem=1Gi
    5 refused 87 TooManyInOne: 257 offers in one command, more than 256
    6 refused 87 TooManyInOne: 257 offers in one command, more than 256
    7 refused 87 TooManyInOne: 257 tasks in one command, more than 256
    8 refused 87 TooManyInOne: 273573 bytes of tasks in one command, more than 262144
    ");
}

#[test]
fn what_a_command_says_at_length_is_bounded() {
    let long = "x".repeat(32_768);
    let attributes: String = (0..1025).map(|number| format!(" a{number}=x")).collect();
    let (mut cell, _) = play("agent a1 cpu=1 mem=1Gi");
    let mut tell = |line: &str| play_line(&mut cell, line);
    assert_snapshot!([
        tell(&format!("job db cpu=1 mem=1Gi argv={long}")),
        tell(&format!("job db cpu=1 mem=1Gi in.{long}=x")),
        tell(&format!("agent a2 cpu=1 mem=1Gi rack={long}")),
        tell(&format!("agent a2 cpu=1 mem=1Gi{attributes}")),
    ].join("\n"), @"
    2 refused 46 CommandTooLong: command line and environment have 32770 bytes, more than 32768
    3 refused 4 ParameterOutOfRange: bytes of constraints is 32769, and may be 0 to 32768
    4 refused 4 ParameterOutOfRange: bytes of attributes is 32772, and may be 0 to 32768
    5 refused 4 ParameterOutOfRange: attributes is 1025, and may be 0 to 1024
    ");
}
