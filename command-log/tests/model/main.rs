//! The reader rule and the epochs, checked in every run of a small cell, and not only in those that
//! somebody thought of.
//!
//! Leaders claim, read, decide, pause, crash and start again; what they append lands late, twice or
//! never; clients send commands. The readers are the real ones, on real records: see [`chronicle`].
//!
//! ```text
//!  leader 0 ──wire──╮                     ╭── the reader of the whole log
//!  leader 1 ──wire──┼─ any interleaving ─▶│ log │── readers that resumed
//!  clients  ────────╯                     ╰── each leader, as far as it has read
//! ```

mod cell;
mod chronicle;
mod entry;
mod leader;
mod properties;
mod rule;

use std::time::Instant;

use stateright::{Checker, Model};

use cell::{Bounds, Cell};
use chronicle::Custom;
use entry::Names;
use rule::Rule;

const REAL: Custom = Custom { rule: Rule::Real, names: Names::Apart };
const TWO_LEADERS: Bounds = Bounds { leaders: 2, commands: 2, epochs: 3, ends: 1, retries: 1, losses: 0, records: 7 };
const THREE_LEADERS: Bounds = Bounds { leaders: 3, commands: 2, epochs: 2, ends: 0, retries: 1, losses: 0, records: 7 };

/// What is broken shows within so many steps.
const STEPS_MAX: usize = 12;

/// Visits every state within the bounds, and says how many there were.
fn check_all(bounds: Bounds, states_min: usize) {
    let begun = Instant::now();
    let checker = Cell::new(bounds, REAL).checker().spawn_bfs().join();
    let (states, logs) = (checker.unique_state_count(), checker.model().library.len());
    println!("{states} states, {logs} logs, {} steps deep, {:?}: {bounds:?}", checker.max_depth(), begun.elapsed());
    checker.assert_properties();
    assert!(checker.is_done(), "some states were not visited");
    assert!(states >= states_min, "{states} states are fewer than the {states_min} that this model once had");
}

/// Looks for the shortest run that breaks a property, which must exist, and tells it.
fn find_out(bounds: Bounds, custom: Custom, property: &'static str) {
    let run_of = |steps| {
        let checker = Cell::new(bounds, custom).checker().target_max_depth(steps).spawn_bfs().join();
        checker.discovery(property)
    };
    let path = (1..STEPS_MAX).find_map(run_of).expect("what is broken must be found out");
    let log = format!("{:?}", path.last_state().log);
    let steps: Vec<_> = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
    println!("not so: {property}\n  {}\n  {log}", steps.join(", "));
}

#[test]
fn two_leaders_never_mislead_a_reader() {
    check_all(TWO_LEADERS, 3_500_000);
}

#[test]
fn three_leaders_never_mislead_a_reader() {
    check_all(THREE_LEADERS, 2_000_000);
}

#[test]
fn a_rule_without_epochs_is_found_out() {
    let custom = Custom { rule: Rule::WithoutEpochs, ..REAL };
    find_out(TWO_LEADERS, custom, properties::ONLY_WINNERS_DECIDE);
    find_out(TWO_LEADERS, custom, properties::READERS_AGREE);
    find_out(TWO_LEADERS, custom, properties::NOBODY_HALTS);
}

/// If leaders knew their claims by what stands in them, two of one name would both believe that they won.
#[test]
fn leaders_that_cannot_tell_their_claims_apart_are_found_out() {
    let custom = Custom { names: Names::Shared, ..REAL };
    find_out(TWO_LEADERS, custom, properties::ONE_LEADER);
    find_out(TWO_LEADERS, custom, properties::NOBODY_HALTS);
}

/// What a log takes of a leader's appends must be the first of them: a decision without the one
/// before it is a gap for everybody, for ever.
#[test]
fn a_log_that_loses_an_append_and_takes_the_next_is_found_out() {
    find_out(Bounds { losses: 1, ..TWO_LEADERS }, REAL, properties::NOBODY_HALTS);
}
