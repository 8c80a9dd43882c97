//! Folds of accepted decisions into RocksDB: every row readable as of any offset in retention.
//!
//! This crate reads no log, judges no record, decides nothing and asks no clock. It is given
//! [`Decided`]s, in order, by whoever follows the log with its reader rule, and keeps rows.
//!
//! ```text
//!   log        c  c  D  c  D  c  c  D            c: command   D: decision
//!   offset     4  5  6  7  8  9  10 11
//!                    │     │        │
//!   job "db"         v6    v8       ·            what decision 8 changed is version 8
//!   task "db.0"      ·     v8       v11
//!                          ▲
//!                as_of(8), as_of(9), as_of(10): all decisions at offsets <= that one
//! ```
//!
//! **Version of a row.** A row that a decision changes is versioned by the *offset of the decision
//! record*: from there on it was true for every reader. `as_of(x)` means: all decisions at offsets
//! `<= x`, and no other. The offset of a command says when something was asked, not when it became true.
//!
//! **Exactly once.** Rows, facts and the [`Position`] go to disk in one write batch, and all column
//! families are flushed together, so what a crash leaves is some earlier moment, whole. The batch
//! is not synced: the log is the truth, and the fold resumes from its own position.
//!
//! **Whole.** A count and a sum of hashes of the rows go with them ([`Check`]). Rows that do not add up to it are
//! dropped and built again: at opening, and while they are used, when [`Projector::damaged`] says so.
//!
//! **Two families.** *Rows* (agents, jobs, tasks, frameworks, offers, roles, usage, the cell) change,
//! and carry the offset as RocksDB's user-defined timestamp. *Facts* (decisions, refusals, timelines,
//! keys) are written once and never change; each carries the offset of its decision, and is seen
//! from the horizon up to the offset that is read.
//!
//! **Where to start reading**: [`Projector`] writes, [`Views`] and [`Scope`] read, [`row`] says what.

mod apply;
mod check;
mod decided;
mod digest;
mod directory;
mod error;
mod fold;
mod key;
mod ledger;
mod projector;
pub mod row;
mod scope;
mod store;
mod tally;
mod views;

pub use check::{Check, SLICE_ROWS_MAX, Slice};
pub use decided::{Decided, Position};
pub use digest::Digest;
pub use error::{Contradiction, Error};
pub use projector::{BATCH_BYTES_MAX, Opened, Options, Projector, TRIM_EVERY_DECISIONS, Why, destroy};
pub use row::{Moment, Row};
pub use scope::{
    DECISIONS_IN_FLIGHT_MAX, Direction, PAGE_ROWS_DEFAULT, Page, Pick, SCAN_ROWS_MAX, Scope, Timeline, Version,
};
pub use views::Views;
