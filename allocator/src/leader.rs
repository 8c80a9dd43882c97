//! The leader loop: the one shell around the core. It reads the log, decides, and appends decisions.
//!
//! ```text
//!   log ──read──> Reader rule ──> undecided commands ──answer()──> decision ──append──> log
//!                     │                                               │
//!                     └── own decisions read back: bytes compared <───┘
//! ```
//!
//! Leadership is in the log: a candidate appends the next epoch, reads it back, and only then
//! decides. Until a leader is missed it stands by, and folds the same log; whoever finds that
//! another has claimed stands by again. On any error the memory is thrown away and read again from snapshot and log: what was
//! decided but not acknowledged may or may not be there, and only the log knows.

pub mod checkpoint;
pub mod clock;
mod cut;
mod fold;
mod liveness;
mod reign;
mod snapshot;
mod standby;

use std::{path::PathBuf, sync::Arc, time::Duration};

use command_log::{Log, reader, telemetry::Telemetry};
use log_schema::{EpochNumber, Principal};
use tokio::sync::watch;

use crate::answer::Unreadable;
use clock::Clock;

/// How an allocator leads.
#[derive(Clone)]
pub struct Config {
    /// Who leads, for people: it stands in the epoch.
    pub node: Principal,
    /// Where snapshots are kept; without it every start reads the whole log.
    pub snapshots: Option<PathBuf>,
    /// The file of the key that checkpoints are signed with; it is made where it is missing. Without one,
    /// or without snapshots, nothing is signed.
    pub signing_key: Option<PathBuf>,
    /// Where heartbeats come from.
    pub telemetry: Arc<dyn Telemetry>,
    /// After how long without a decision that was due this allocator takes over; `None` is at once, for
    /// a log that nobody else can open.
    pub take_over_after: Option<Duration>,
    /// After how long a silence an agent is marked unreachable; `None` is never.
    pub agent_silent_after: Option<Duration>,
}

/// Leading failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log could not be read or appended to.
    #[error("the log failed")]
    Log(#[from] command_log::Error),
    /// A record that no reader may pass.
    #[error("the log cannot be followed")]
    Halt(#[from] reader::Halt),
    /// A command that this program is too old for.
    #[error("the log cannot be answered")]
    Unreadable(#[from] Unreadable),
    /// Another allocator leads.
    #[error("another allocator leads with epoch {epoch}")]
    Superseded {
        /// Its epoch.
        epoch: EpochNumber,
    },
    /// The record of this leader's decision differs from what it decided.
    #[error("the decision read back at offset {at} is not the one that was decided; the log was tampered with")]
    Altered {
        /// Where the decision is.
        at: log_schema::Offset,
    },
    /// A snapshot could not be written or read.
    #[error("the snapshot {path} failed", path = path.display())]
    Snapshot {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A checkpoint could not be signed or kept.
    #[error("a checkpoint failed")]
    Checkpoint(#[from] checkpoint::Error),
    /// The newest snapshot is of a longer log than this one.
    #[error(
        "the snapshot covers offset {covers}, and the log ends before {high}: the log has lost its end, or is another \
         cell's"
    )]
    SnapshotAhead {
        /// The last offset that the snapshot covers.
        covers: log_schema::Offset,
        /// One past the last record of the log.
        high: log_schema::Offset,
    },
    /// The log does not have the decision with which the newest snapshot ends.
    #[error(
        "the snapshot ends with a decision up to offset {covers} that the log does not have: the log is another cell's, \
         or was made new"
    )]
    SnapshotForeign {
        /// The last offset that the snapshot covers.
        covers: log_schema::Offset,
    },
}

impl Error {
    /// What a person can do about it, where there is something; and what it costs, if it costs anything.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SnapshotAhead { covers, high } => Some(format!(
                "restore a copy of the log that reaches offset {covers}. To move the snapshots away makes the cell start \
                 from the log as it is, and gives up for good what was acked from offset {high} on: jobs, their ends and \
                 what runs of them"
            )),
            Self::SnapshotForeign { covers } => Some(format!(
                "put the log and the snapshots of one cell together. To move the snapshots away makes the cell start from \
                 the log as it is, and gives up for good the history up to offset {covers} that the snapshots are of"
            )),
            Self::Checkpoint(error) => error.hint().map(Into::into),
            Self::Log(error) => error.hint().map(Into::into),
            Self::Halt(_)
            | Self::Unreadable(_)
            | Self::Superseded { .. }
            | Self::Altered { .. }
            | Self::Snapshot { .. } => None,
        }
    }

    /// Whether reading the log again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Log(error) => error.is_transient(),
            Self::Halt(_)
            | Self::Unreadable(_)
            | Self::Superseded { .. }
            | Self::Altered { .. }
            | Self::Snapshot { .. }
            | Self::Checkpoint(_)
            | Self::SnapshotAhead { .. }
            | Self::SnapshotForeign { .. } => false,
        }
    }
}

/// How long whoever is told to stop may take to finish: an append may wait for brokers that are down.
const STOPPING_MAX: Duration = Duration::from_secs(3);

/// Resolves when there was time enough to stop. What was not acked may or may not be in the log; the next reign finds out.
async fn given_up(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can say stop any more, which is a reason to.
    let _ = stop.wait_for(|stopped| *stopped).await;
    tokio::time::sleep(STOPPING_MAX).await;
    tracing::warn!("stopped before the log had acked everything");
}

/// The wait before the log is read again after an error.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Stands by and leads until `stop` says so. Transient errors are answered by reading everything again.
///
/// Only an allocator that may take over stands by again when another has claimed: one that was
/// told that nobody else can open the log ends with [`Error::Superseded`].
pub async fn lead(log: Arc<dyn Log>, config: Config, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
    let mut clock = Clock::default();
    loop {
        let mut asked = stop.clone();
        let reigned = tokio::select! {
            reigned = reign::reign(Arc::clone(&log), &config, &mut clock, &mut stop) => reigned,
            () = given_up(&mut asked) => return Ok(()),
        };
        match reigned {
            Err(error) if *stop.borrow() && error.is_transient() => return Ok(()),
            Err(Error::Superseded { epoch }) if config.take_over_after.is_some() => {
                tracing::warn!(epoch = epoch.0, "another allocator leads");
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "reading the log again");
                tokio::time::sleep(RETRY_AFTER).await;
            }
            ended => return ended,
        }
    }
}
