//! Asking a recorded log again: does every decision follow from it, and what would have happened if.
//!
//! - [`verify`]: decides the whole log again and compares bytes.
//! - [`whatif`]: forks a log at an offset, changes something, and lets the same allocator decide the
//!   rest against modelled agents.
//!
//! Both read a log through a [`View`], which has no way to append; neither knows a clock, a socket or
//! an agent. What they say follows from the records alone: the same log gives the same answer.

mod checkpoints;
pub mod finding;
pub mod moment;
pub mod redecide;
pub mod verify;
pub mod view;
pub mod whatif;

pub use verify::{Report, verify, verify_against};
pub use view::{Progress, View};
pub use whatif::{Changes, Comparison, whatif};
