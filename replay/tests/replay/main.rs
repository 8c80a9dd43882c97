//! Verify and what-if over logs that a small cell wrote.

mod cell;
mod gate_a;
mod verify;
mod whatif;
mod wild;
