//! Folding events into the state, by what they are about; [`crate::state::State::apply`] dispatches.

mod agent;
mod cell;
mod framework;
mod health;
mod job;
mod task;
