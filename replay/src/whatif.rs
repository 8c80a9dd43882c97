//! What would have happened if: forks a log at an offset, changes something, and lets the same
//! allocator decide the rest against modelled agents.
//!
//! A fork reaches neither an agent nor the real log: [`History`] is a copy, and the simulation knows
//! nothing else. What comes from outside (arrivals, operators, agents' joins and losses, time) is said
//! again at its time; what belongs to a task (how long it runs and how it ends) goes with the task;
//! placements are decided anew.
//!
//! No number is shown before gate A: history must follow from its commands, and a fork in which
//! nothing is changed must equal it, record by record, to the end of the log.

mod agents;
mod census;
pub mod change;
pub mod compare;
mod fork_log;
mod history;
mod life;
mod measure;
mod outcome;
mod pace;
mod queue;
mod run;
mod script;
mod simulation;
mod table;
mod ticks;
mod typical;

use allocator::answer::Unreadable;
use command_log::{Log, reader::Halt};
use log_schema::Offset;

pub use census::StartKey;
pub use change::Changes;
pub use compare::{Comparison, compare};
pub use history::History;
pub use life::Source;
pub use measure::{Measure, Placement, Use};
pub use outcome::{BUCKETS, Outcome, Waits};
pub use pace::Pace;
pub use run::{Run, Until, run};
pub use table::render_table;

use crate::{moment::Moment, redecide, view::OnProgress};

/// The question cannot be answered.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] command_log::Error),
    /// There is nothing to fork there.
    #[error("the log ends before offset {high}, and cannot be forked at {at}")]
    BeyondEnd { at: Offset, high: Offset },
    /// A change names an agent or a job that is not there at the fork and never comes.
    #[error("there is no {what} {name} at the fork, and none comes after it")]
    Unknown { what: &'static str, name: String },
    /// Gate A: the recorded decisions do not follow from the log.
    #[error("the log does not follow from its commands, so nothing can be said of it")]
    History(#[from] redecide::Error),
    /// Gate A: a fork in which nothing is changed is not history.
    #[error("a fork at {fork} in which nothing is changed differs from the log at offset {at}, so no number is shown")]
    NotReproduced { fork: Offset, at: Offset },
    /// A record that this program is too old for.
    #[error("the log cannot be answered")]
    Unreadable(#[from] Unreadable),
    /// The fork's own log breaks the reader rule: a fault of this program.
    #[error("the log of the fork cannot be followed")]
    Fork(#[source] Box<Halt>),
}

/// Forks a log at `moment`, makes `changes`, and compares what comes of it with what comes of no change.
pub async fn whatif(
    log: &dyn Log,
    moment: Moment,
    changes: &Changes,
    progress: OnProgress<'_>,
) -> Result<Comparison, Error> {
    let history = History::read(log, moment, progress).await?;
    compare(&history, changes)
}
