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

pub use end::{Kill, end_job_if_over, request_kill};
pub use place::place_job;
pub use restart::after_end;

use crate::decide::Emit;

/// The most events that one command or tick adds beside those of its own. The last step may make a
/// few more at once: a job's task and the offers that are rescinded for it.
pub const EVENTS_PER_COMMAND_MAX: usize = 512;

/// When the events of one command or tick may have this many bytes, its own included, nothing more
/// is added. With what the last step adds, a decision of one command stays far below
/// [`log_schema::record::PAYLOAD_BYTES_MAX`].
pub const EVENT_BYTES_PER_COMMAND_MAX: usize = 384 * 1024;

/// The most jobs of which one command or tick says that they fit nowhere: each such answer looks at
/// every agent.
pub const DEFERRALS_PER_COMMAND_MAX: usize = 16;

/// One step of a stage: does one thing, and says whether there was one to do.
type Step = fn(&mut Emit<'_>) -> bool;

/// The stages, in order.
const STAGES: [Step; 5] = [timers::step, end::step, place::say_deferred, place::step, offer::step];

/// Does one bounded part of the work that waits.
pub fn advance(emit: &mut Emit<'_>) {
    let events_max = emit.events.len() + EVENTS_PER_COMMAND_MAX;
    for step in STAGES {
        while has_room(emit, events_max) && step(emit) {}
    }
}

/// Whether the answer may grow.
fn has_room(emit: &Emit<'_>, events_max: usize) -> bool {
    emit.events.len() < events_max
        && emit.bytes_max < EVENT_BYTES_PER_COMMAND_MAX
        && emit.deferrals < DEFERRALS_PER_COMMAND_MAX
}
