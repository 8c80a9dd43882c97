//! What is folded, and how far the fold has come.

use log_schema::{Chain, DecisionV1, EpochNumber, Offset, TimeMs};
use serde::{Deserialize, Serialize};

use crate::row::Moment;

/// A decision that the reader rule accepted, with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The offset of the decision record. It is the version of every row that the decision changes.
    pub offset: Offset,
    /// When the log took that record. It travels beside the truth; it dates rows for people.
    pub time: TimeMs,
    /// The decision.
    pub decision: DecisionV1,
}

impl Decided {
    /// Where and when it was decided.
    pub fn moment(&self) -> Moment {
        Moment { offset: self.offset, time: self.time }
    }
}

/// How far a projection has come: the last decision that its rows contain.
///
/// Resume the reader of the log with it:
/// `Reader::resume(position.epoch, Some(position.to), position.to.next(), position.chain)`. The
/// records after `to` are read again and their chain is checked again; the last decision itself is
/// then a duplicate and is not given twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The offset of the last decision that was folded.
    pub offset: Offset,
    /// When the log took it.
    pub time: TimeMs,
    /// The last offset that it answers.
    pub to: Offset,
    /// Its epoch.
    pub epoch: EpochNumber,
    /// The chain of the log up to and with `to`, as the decision states it.
    pub chain: Chain,
    /// The latest time of any decision so far: times of append may run backwards, the index of
    /// times does not.
    pub latest: TimeMs,
}

impl Position {
    /// The position after one more decision.
    pub(crate) fn after(before: Option<&Self>, decided: &Decided) -> Self {
        let DecisionV1 { epoch, to, chain, .. } = decided.decision;
        let latest = before.map_or(decided.time, |position| position.latest.max(decided.time));
        Self { offset: decided.offset, time: decided.time, to, epoch, chain, latest }
    }
}
