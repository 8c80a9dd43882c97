//! Folding events into the state, by what they are about; [`crate::state::State::apply`] dispatches.

mod agent;
mod cell;
mod framework;
mod job;
mod task;
