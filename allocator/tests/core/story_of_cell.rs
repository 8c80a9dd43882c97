//! Time, parameters, logic, and commands that come twice.

use insta::assert_snapshot;

use crate::story::story;

#[test]
fn time_moves_on_and_a_tick_without_effect_says_nothing() {
    assert_snapshot!(story("
        tick 5
        tick 5
        tick 4
    "), @"
    1 time.advanced 5
    2 -
    3 refused 3 TimeRunsBackwards: log time is 5 already, the tick says 4
    ");
}

#[test]
fn parameters_change_one_by_one_and_hold_from_then_on() {
    assert_snapshot!(story("
        set policy=spread offer_ttl=1000 agent_lost_after=2000 key_kept=3000 ended_kept=4000
        set policy=binpack
        set policy=binpack
    "), @"
    1 parameters.set policy=spread offer_ttl=1000 agent_lost_after=2000 key_kept=3000 ended_kept=4000
    2 parameters.set policy=binpack offer_ttl=1000 agent_lost_after=2000 key_kept=3000 ended_kept=4000
    3 nothing changes
    ");
}

#[test]
fn the_logic_in_use_is_activated_already() {
    assert_snapshot!(story("
        logic 1
    "), @"
    1 nothing changes
    ");
}

#[test]
fn a_command_with_the_same_key_is_answered_once() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        job db cpu=1 mem=1Gi key=abc
        job db cpu=1 mem=1Gi key=abc
        job db cpu=2 mem=1Gi key=abc
        job other cpu=1 mem=1Gi key=abc by=other
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi
    3 repeats 2
    4 refused 2 KeyReused: this idempotency key was used for another command, at offset 2
    5 job.accepted other; task.placed other.0#2 on a1 cpu=1 mem=1Gi
    ");
}

#[test]
fn a_refused_command_is_refused_once() {
    assert_snapshot!(story("
        stop db key=abc
        job db cpu=1 mem=1Gi
        stop db key=abc
        stop db key=def
    "), @"
    1 refused 41 JobUnknown: there is no job db
    2 job.accepted db; placement.deferred db (1 wait):
    3 repeats 1
    4 job.stopping db; job.ended db stopped
    ");
}

#[test]
fn a_key_outside_its_window_is_forgotten_and_the_command_decided_again() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi
        set key_kept=1000
        tick 5000
        role web weight=2 key=abc
        tick 5010
        tick 5020
        tick 6019
        role web weight=2 key=abc
        role web weight=3 key=abc
        tick 6020
        role web weight=3 key=abc
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 parameters.set policy=binpack offer_ttl=30000 agent_lost_after=60000 key_kept=1000 ended_kept=600000
    3 time.advanced 5000
    4 role.set web weight=2
    5 time.advanced 5010
    6 time.advanced 5020
    7 time.advanced 6019
    8 repeats 4
    9 refused 2 KeyReused: this idempotency key was used for another command, at offset 4
    10 time.advanced 6020
    11 role.set web weight=3
    ");
}

/// The last tick is as old as the rest; a key's time that starts there is over at once.
#[test]
fn a_key_lives_for_its_whole_window_in_a_new_cell_and_after_a_rest() {
    assert_snapshot!(story("
        set key_kept=600000
        role web weight=2 key=first
        tick 1795385337000
        role web weight=2 key=first
        tick 1795385338000
        tick 1795386597999
        role web weight=3 key=second
        tick 1795386598000
        role web weight=3 key=second
        tick 1795387798000
        role web weight=3 key=second
        tick 1795388397999
        role web weight=3 key=second
        tick 1795388398000
        role web weight=4 key=second
    "), @"
    1 nothing changes
    2 role.set web weight=2
    3 time.advanced 1795385337000
    4 repeats 2
    5 time.advanced 1795385338000
    6 time.advanced 1795386597999
    7 role.set web weight=3
    8 time.advanced 1795386598000
    9 repeats 7
    10 time.advanced 1795387798000
    11 repeats 7
    12 time.advanced 1795388397999
    13 repeats 7
    14 time.advanced 1795388398000
    15 role.set web weight=4
    ");
}

/// A leader's tick may say a time from before the log was out of reach, and land behind commands from after it.
#[test]
fn a_tick_that_was_long_on_its_way_makes_no_key_older() {
    assert_snapshot!(story("
        set key_kept=1000
        tick 5000
        role web weight=2 key=abc
        tick 5001
        tick 3605000
        role web weight=2 key=abc
    "), @"
    1 parameters.set policy=binpack offer_ttl=30000 agent_lost_after=60000 key_kept=1000 ended_kept=600000
    2 time.advanced 5000
    3 role.set web weight=2
    4 time.advanced 5001
    5 time.advanced 3605000
    6 repeats 3
    ");
}

#[test]
fn what_agents_say_is_idempotent_without_keys() {
    assert_snapshot!(story("
        agent a1 cpu=4 mem=4Gi key=same
        agent a2 cpu=4 mem=4Gi key=same
        job db cpu=1 mem=1Gi
        status db.0 running key=same
        status db.0 finished key=same
        status db.0 finished key=same
    "), @"
    1 agent.admitted a1 cpu=4 mem=4Gi
    2 agent.admitted a2 cpu=4 mem=4Gi
    3 job.accepted db; task.placed db.0#1 on a1 cpu=1 mem=1Gi
    4 task.status_changed db.0#1 running
    5 task.status_changed db.0#1 finished (exited 0); job.ended db succeeded
    6 nothing changes
    ");
}

#[test]
fn a_malformed_command_is_refused_and_work_goes_on() {
    assert_snapshot!(story("
        agent a1 cpu=2000 mem=2000Gi
        job many count=1200 cpu=1 mem=1Gi
        malformed
    "), @"
    1 agent.admitted a1 cpu=2000 mem=2000Gi
    2 job.accepted x1; task.placed x640
    3 refused 1 Malformed: the payload is malformed: not a submit_job; task.placed x512
    ");
}
