//! The steps of a task, the waits between its restarts, and the arithmetic of offsets and time.

use log_schema::{
    EpochNumber, Offset, TaskState, TimeMs, codec,
    job::{RestartOn, RestartV1, RunSpecV1},
};
use proptest::prelude::*;

const STATES: [TaskState; 7] = [
    TaskState::Placed,
    TaskState::Starting,
    TaskState::Running,
    TaskState::Finished,
    TaskState::Failed,
    TaskState::Killed,
    TaskState::Lost,
];

#[test]
fn nothing_follows_a_terminal_state() {
    for state in STATES.into_iter().filter(|state| state.is_terminal()) {
        assert!(STATES.iter().all(|next| !state.may_become(*next)), "{state}");
    }
}

#[test]
fn a_task_never_steps_back_and_never_stands_still() {
    for (at, state) in STATES.into_iter().enumerate() {
        assert!(STATES[..=at].iter().all(|earlier| !state.may_become(*earlier)), "{state}");
    }
    assert!(TaskState::Placed.may_become(TaskState::Running), "a start may be reported late");
    assert!(TaskState::Running.may_become(TaskState::Lost));
}

#[test]
fn a_states_name_is_its_name_on_the_wire() {
    for state in STATES {
        assert_eq!(codec::encode(&state), codec::encode(&state.name()));
    }
}

#[test]
fn the_wait_before_a_restart_doubles_up_to_its_bound() {
    let restart = RestartV1 { on: RestartOn::Any, limit: 9, backoff_ms: 1_000, backoff_max_ms: 60_000 };
    let waits: Vec<u64> = (0..8).map(|restarts| restart.delay_ms(restarts)).collect();
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
}

#[test]
fn the_size_of_a_command_line_counts_arguments_and_environment() {
    let env = [("LANG".to_owned(), "C".to_owned())].into();
    let run = RunSpecV1 { argv: vec!["echo".into(), "é".into()], env, directory: None, kill_grace_ms: 0 };
    assert_eq!(run.bytes(), 4 + 2 + 4 + 1);
}

#[test]
fn there_is_no_offset_before_the_first() {
    assert_eq!((Offset(0).previous(), Offset(0).next().previous()), (None, Some(Offset(0))));
    assert_eq!(EpochNumber(0).next(), EpochNumber(1));
}

proptest! {
    #[test]
    fn a_wait_is_never_longer_than_its_bound(backoff_ms: u64, backoff_max_ms: u64, restarts: u32) {
        let restart = RestartV1 { on: RestartOn::Any, limit: 0, backoff_ms, backoff_max_ms };
        prop_assert!(restart.delay_ms(restarts) <= backoff_max_ms);
        prop_assert!(restart.delay_ms(restarts) <= restart.delay_ms(restarts.saturating_add(1)));
    }

    #[test]
    fn time_stops_at_its_end_and_does_not_wrap(now: u64, delay: u64) {
        prop_assert!(TimeMs(now).after(delay) >= TimeMs(now));
    }

    #[test]
    fn offsets_are_plain_numbers_on_the_wire(number: u64) {
        prop_assert_eq!(codec::encode(&Offset(number)), codec::encode(&number));
    }
}
