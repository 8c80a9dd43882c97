//! One machine of a cell: reports what it has, runs the tasks it is given, says how they ended.
//!
//! The agent obeys accepted decisions only, idempotently by task and incarnation, and decides nothing.
//! Each task runs under a supervisor process that outlives the agent, so a restart of the agent loses
//! no task and no exit code.
//!
//! ```text
//! gateway <── link ──> agent ── loop ──> supervisor ──> task
//!                        │                  │
//!                     journal            sandbox (control files, output, work/)
//! ```
//!
//! A service manager must stop the agent's process alone, not its group (`KillMode=process` in systemd);
//! otherwise a restart of the agent ends the tasks.
//!
//! - [`run`]: the agent, from start to leave. [`stand_in`], [`end_abandoned`]: to end tasks without one. [`supervisor::main`]: the supervisor's whole life.
//! - [`logs::read`]: a task's output. [`cgroup::Layout`]: which limits hold here, in words.
//!
//! **Invariant:** nothing of a start is made before the journal says on disk that it was begun, and a
//! start that was begun is never begun again.

mod agent;
pub mod cgroup;
pub mod filtered;
mod fingerprint;
pub mod holder;
pub mod identity;
pub mod journal;
pub mod logs;
pub mod machine;
pub mod output;
mod part;
mod ports;
pub mod process_tree;
mod room;
pub mod sandbox;
mod start;
mod status;
pub mod supervisor;
mod tasks;
mod telemetry;
mod watch;

pub use agent::{Config, Error, run, stand_in};
pub use watch::end_abandoned;
