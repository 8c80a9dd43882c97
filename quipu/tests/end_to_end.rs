//! The whole, from outside: the real binary, real tasks, and SIGKILL for everything that may be killed.
//!
//! Each test has a cell of its own, with its own directory and port. Nothing here sleeps for a time:
//! whatever is expected is waited for, up to a bound.

#[path = "../harness/cell.rs"]
mod cell;

#[path = "end_to_end/audits.rs"]
mod audits;
#[path = "end_to_end/commands.rs"]
mod commands;
#[path = "end_to_end/crashes.rs"]
mod crashes;
#[path = "end_to_end/damage.rs"]
mod damage;
#[path = "end_to_end/impossible.rs"]
mod impossible;
#[path = "end_to_end/limits.rs"]
mod limits;
#[path = "end_to_end/outputs.rs"]
mod outputs;
#[path = "end_to_end/patience.rs"]
mod patience;
#[path = "end_to_end/projections.rs"]
mod projections;
#[path = "end_to_end/starters.rs"]
mod starters;
#[path = "end_to_end/submissions.rs"]
mod submissions;
#[path = "end_to_end/trims.rs"]
mod trims;

use serde_json::{Value, json};

use cell::{Cell, events::Follower};

/// What was followed is the whole history, once each and in order: as the paged query tells it.
fn assert_whole(cell: &Cell, follower: &Follower) {
    let known = cell.events(&json!({}));
    let last = known.last().expect("something happened")["cursor"].clone();
    let seen = follower.wait("the newest event", |seen| {
        seen.iter()
            .any(|seen| seen.event["cursor"] == last)
            .then(|| seen.iter().map(|seen| seen.event.clone()).collect())
    });
    let seen: Vec<Value> = seen;
    // Whatever happened after the pages were read is of no interest.
    let seen = &seen[..known.len().min(seen.len())];
    let differ = known.iter().zip(seen).position(|(known, seen)| known != seen);
    assert_eq!(differ, None, "{:?} instead of {:?}", differ.map(|at| &seen[at]), differ.map(|at| &known[at]));
    assert_eq!(seen.len(), known.len(), "events are missing at the end");
}

/// Stops the cell and has its log decided again: every byte must be as it was.
fn assert_audited(cell: &mut Cell) {
    cell.stop();
    let audit = cell.quipu(["audit", "verify", "--log", &cell.dir().display().to_string()]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.out, audit.err);
    assert!(audit.out.contains("the log holds"), "{}", audit.out);
}
