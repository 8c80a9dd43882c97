//! Work that goes on with every command and tick: what one command set off may be more than one
//! decision holds, so each does a bounded part and the next goes on.
//!
//! In this order: what is due, what must end, who waits for a place, who is offered what is left.
//! How much is done depends on the state alone, never on how commands were batched.

mod end;
mod offer;
mod place;
mod restart;
mod timers;

pub use end::{end_job_if_over, request_kill};
pub use place::place_job;
pub use restart::after_end;

use crate::decide::Emit;

/// The most events that one command or tick adds beside those of its own.
pub const EVENTS_PER_COMMAND_MAX: usize = 512;

/// The most jobs of which one command or tick says that they fit nowhere: each such answer looks at
/// every agent.
pub const DEFERRALS_PER_COMMAND_MAX: usize = 16;

/// One step of a stage: does one thing, and says whether there was one to do.
type Step = fn(&mut Emit<'_>) -> bool;

/// Does one bounded part of the work that waits.
pub fn advance(emit: &mut Emit<'_>) {
    let limit = emit.events.len() + EVENTS_PER_COMMAND_MAX;
    run(emit, limit, usize::MAX, timers::step);
    run(emit, limit, usize::MAX, end::step);
    run(emit, limit, DEFERRALS_PER_COMMAND_MAX, place::say_deferred);
    run(emit, limit, usize::MAX, place::step);
    run(emit, limit, usize::MAX, offer::step);
}

/// Steps until nothing is left to do, `steps_max` steps are done, or there are `limit` events.
fn run(emit: &mut Emit<'_>, limit: usize, steps_max: usize, step: Step) {
    let mut steps = 0;
    while steps < steps_max && emit.events.len() < limit && step(emit) {
        steps += 1;
    }
}
