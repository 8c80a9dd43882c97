//! Decisions as such: which one answered which command, and what the answer was.
//!
//! One fact for each decision, not for each command: a command is answered by the first decision
//! whose `to` is not below it. Only refusals and repeats have facts of their own.

use log_schema::{DecisionV1, EpochNumber, Offset, Refusal, TimeMs};
use serde::{Deserialize, Serialize};

use super::{Moment, Row, View};
use crate::Decided;

/// The name of this projection.
pub const NAME: &str = "decisions";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 1;

/// One decision record; a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// Where and when it is.
    pub at: Moment,
    /// The latest time of any decision up to this one: it never runs backwards.
    pub latest: TimeMs,
    /// The reign in which it was decided.
    pub epoch: EpochNumber,
    /// The first offset that it answers.
    pub from: Offset,
    /// The last offset that it answers.
    pub to: Offset,
    /// How many commands it answers, refusals and repeats included.
    pub answers: u32,
    /// How many of the answers are refusals.
    pub refusals: u32,
    /// How many events it holds.
    pub events: u32,
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The offset of the command.
    pub command: Offset,
    /// The decision that answered it.
    pub decided: Moment,
    /// What the answer was.
    pub verdict: Verdict,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes; the events are in the decision. A tick without effect counts as well.
    Done,
    /// No.
    Refused(Refusal),
    /// The command repeats the one at this offset, and what was answered then stands.
    Repeats(Offset),
}

impl Row for DecisionRow {
    type Id = Offset;
    const VIEW: View = View::Decisions;

    fn id(&self) -> Offset {
        self.at.offset
    }

    fn write_key(id: &Offset, key: &mut Vec<u8>) {
        key.extend_from_slice(&id.0.to_be_bytes());
    }
}

impl DecisionRow {
    pub(crate) fn of(decided: &Decided, latest: TimeMs) -> Self {
        let DecisionV1 { epoch, from, to, answers, .. } = &decided.decision;
        let refusals = answers.iter().filter(|answer| answer.refusal.is_some()).count();
        Self {
            at: decided.moment(),
            latest,
            epoch: *epoch,
            from: *from,
            to: *to,
            answers: small(answers.len()),
            refusals: small(refusals),
            events: small(decided.decision.events().count()),
        }
    }
}

/// A number of things in one record, which is far smaller than what `u32` counts.
fn small(count: usize) -> u32 {
    u32::try_from(count).expect("a record holds fewer things than u32 counts")
}
