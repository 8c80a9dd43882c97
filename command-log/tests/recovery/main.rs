//! What a crash or a bad disk leaves behind: whatever was acked is served, or start-up refuses and
//! says why. Never silence.
//!
//! Each story takes an image of a log's directory while the log is open, as a crash would leave it,
//! damages it, and opens it again.

mod cuts;
mod damage;
mod flips;
mod image;
mod missing;
