//! The allocator: a deterministic core that decides, and the leader loop that feeds it.
//!
//! The core ([`state`], [`decide`], [`advance`], [`place`], [`share`], [`answer`]) is synchronous,
//! performs no I/O, knows no clock but the ticks in the log, no chance, no floating point and no
//! hash order, and knows nothing of where the log is kept. Only [`leader`] does.

pub mod advance;
pub mod answer;
mod apply;
pub mod decide;
pub mod invariant;
pub mod leader;
pub mod place;
pub mod share;
pub mod state;

pub use answer::{answer, apply_decision};
pub use state::State;

/// The newest version of the logic in this program. A change of what is decided is a new version.
pub const LOGIC_VERSION: u32 = 1;
