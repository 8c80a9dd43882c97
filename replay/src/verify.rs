//! The audit: the whole log is decided again, and each decision compared with the recorded one, byte for byte.
//!
//! Streaming: what is kept is the allocator's state and the records that no decision has answered yet.

use allocator::leader::checkpoint::{PublicKey, Signed};
use command_log::Log;
use log_schema::{Chain, Offset, TimeMs};
use serde::{Serialize, Serializer};

use crate::{
    checkpoints::Checkpoints,
    finding::Finding,
    redecide::{self, Redecider},
    view::{OnProgress, View},
};

/// The audit could not be made. What it found is not an error, and is in the [`Report`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] command_log::Error),
    /// A newer program wrote this.
    #[error("the log cannot be answered")]
    Unreadable(#[from] allocator::answer::Unreadable),
}

/// What the audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One past the last offset that was audited.
    pub high: Offset,
    /// Records that were read.
    pub records: u64,
    /// Commands and ticks among them.
    pub commands: u64,
    /// Epochs that count.
    pub epochs: u64,
    /// Claims that came too late.
    pub epochs_void: u64,
    /// Decisions that count, each made again and found equal.
    pub decisions: u64,
    /// Decisions of an earlier reign.
    pub decisions_void: u64,
    /// Decisions that repeat one that counts.
    pub decisions_duplicate: u64,
    /// Decisions whose chain could not be compared by itself; a later one covers it.
    pub decisions_unchecked: u64,
    /// Answers that were made again.
    pub answers: u64,
    /// Refusals among them.
    pub refusals: u64,
    /// Records at the end that no decision has answered.
    pub undecided: u64,
    /// The last offset that a decision has answered.
    pub last_to: Option<Offset>,
    /// Log time as of the last decision.
    pub log_time: TimeMs,
    /// The hash chain up to and with the last record.
    #[serde(serialize_with = "as_text")]
    pub chain: Chain,
    /// SHA-256 of the allocator's state as of the last decision.
    #[serde(serialize_with = "as_text")]
    pub state_digest: Chain,
    /// Signed checkpoints that were compared, and hold.
    pub checkpoints: u64,
    /// Whose signatures those were, in order.
    pub checkpoint_keys: Vec<PublicKey>,
    /// Where the log stops following from itself; what is counted above went before it.
    pub finding: Option<Finding>,
}

impl Report {
    /// Whether every decision follows from the log.
    pub fn holds(&self) -> bool {
        self.finding.is_none()
    }
}

/// Why the reading of the log ended early.
enum Stop {
    Failed(Error),
    Found(Box<Finding>),
}

impl From<command_log::Error> for Stop {
    fn from(error: command_log::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<redecide::Error> for Stop {
    fn from(error: redecide::Error) -> Self {
        let message = error.to_string();
        match error {
            redecide::Error::Unreadable(source) => Self::Failed(source.into()),
            redecide::Error::Halt { halt, difference } => Self::Found(Box::new(Finding {
                at: halt.at(),
                code: halt.code(),
                message: halt.to_string(),
                hint: halt.hint(),
                difference: difference.map(|difference| *difference),
            })),
            redecide::Error::Differs { difference } => Self::Found(Box::new(Finding {
                at: difference.decision_at,
                code: "decision_differs",
                message,
                hint: "keep the log as it is: either its decisions were changed, or the program that decided is not this one",
                difference: Some(*difference),
            })),
        }
    }
}

/// Decides a whole log again, up to where it reaches now, and compares bytes.
///
/// # Errors
/// If the log cannot be read from its beginning. A log that does not hold is no error: see [`Report::holds`].
pub async fn verify(log: &dyn Log, progress: OnProgress<'_>) -> Result<Report, Error> {
    verify_against(log, &[], &[], progress).await
}

/// Like [`verify`], and compares the log with signed checkpoints, in order of offset. Where keys are
/// `trusted`, each checkpoint must be signed by one of them.
///
/// # Errors
/// As [`verify`].
pub async fn verify_against(
    log: &dyn Log,
    signed: &[Signed],
    trusted: &[PublicKey],
    progress: OnProgress<'_>,
) -> Result<Report, Error> {
    let view = View::open(log).await?;
    if view.low() > Offset(0) {
        return Err(command_log::Error::BelowLow { from: Offset(0), low: view.low() }.into());
    }
    let mut again = Redecider::default();
    let mut checkpoints = Checkpoints::new(signed, trusted);
    let step = |stored| {
        let verdict = again.step(&stored).map_err(Stop::from)?;
        checkpoints.compare(&verdict, &again).map_err(Stop::Found)
    };
    let read = view.for_each(progress, step).await.and_then(|()| checkpoints.are_done(&again).map_err(Stop::Found));
    match read {
        Ok(()) => Ok(report(&again, &checkpoints, None)),
        Err(Stop::Found(finding)) => Ok(report(&again, &checkpoints, Some(*finding))),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn report(again: &Redecider, checkpoints: &Checkpoints<'_>, finding: Option<Finding>) -> Report {
    let (reader, state) = (again.reader(), again.state());
    let counts = reader.counts();
    // The reader counts a decision before it is compared: one that differs is not among the equal ones.
    let differing = u64::from(finding.as_ref().is_some_and(|finding| finding.code == "decision_differs"));
    Report {
        high: reader.next(),
        records: reader.next().0,
        commands: counts.commands,
        epochs: counts.epochs,
        epochs_void: counts.epochs_void,
        decisions: counts.decisions - differing,
        decisions_void: counts.decisions_void,
        decisions_duplicate: counts.decisions_duplicate,
        decisions_unchecked: counts.decisions_unchecked,
        answers: again.answers(),
        refusals: again.refusals(),
        undecided: again.undecided().len() as u64,
        last_to: reader.last_to(),
        log_time: state.now,
        chain: reader.chain(),
        state_digest: state.digest(),
        checkpoints: checkpoints.held,
        checkpoint_keys: checkpoints.signers.iter().copied().collect(),
        finding,
    }
}

/// Writes a chain as the hexadecimal text that people compare.
pub(crate) fn as_text<S: Serializer>(chain: &Chain, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(chain)
}
