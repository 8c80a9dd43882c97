//! The output of a task: which part is wanted, and a piece of it. Knows neither who asks nor who is asked.

use bytes::Bytes;
use command_log::remote::protocol::Stream;
use log_schema::Incarnation;

/// Which part of a task's output is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) stream: Stream,
    pub(crate) from: Start,
    /// More as it comes, until the run has ended.
    pub(crate) follow: bool,
}

/// Where reading starts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// At this byte, counted from the first of the run.
    Byte(u64),
    /// At the start of the last so many lines.
    LastLines(u32),
}

/// A piece of a task's output.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Counted from the first byte of the run.
    pub(crate) offset: u64,
    pub(crate) next_offset: u64,
    pub(crate) output: Bytes,
    pub(crate) incarnation: Incarnation,
    /// The task has ended, and this is the last of its output.
    pub(crate) end: bool,
}
