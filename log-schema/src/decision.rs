//! The allocator's own records: the claim to lead, and the answer to a range of commands.

use serde::{Deserialize, Serialize};

use crate::{
    chain::Chain,
    codec,
    event::Event,
    id::{Key, Principal},
    offset::{EpochNumber, Offset},
    record::{Kind, Record},
    refusal::Refusal,
};

/// A candidate claims the next reign. It counts iff `epoch` is the current one plus 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochV1 {
    /// The reign that is claimed.
    pub epoch: EpochNumber,
    /// Who claims it, for people.
    pub node: Principal,
    /// The newest version of the allocator's logic that this node knows.
    pub logic_version: u32,
}

/// The leader's answers to the records at `from..=to`, in one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionV1 {
    /// The reign in which it was decided.
    pub epoch: EpochNumber,
    /// The first offset answered: the one after the last offset that was answered before.
    pub from: Offset,
    /// The last offset answered.
    pub to: Offset,
    /// The hash chain of the log up to and with `to`.
    pub chain: Chain,
    /// One answer for each command of the range, in order. Ticks without effect, epochs and
    /// decisions in the range have none.
    pub answers: Vec<AnswerV1>,
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerV1 {
    /// The offset of the command.
    pub at: Offset,
    /// Who asked and under which key, where the key is to be remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedV1>,
    /// Why not, where the answer is no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The offset of the command that this one repeats: what was answered then stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Offset>,
    /// What became true, in order; the work that the command moved along included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// Who asked, under which idempotency key, and a digest of what was asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedV1 {
    /// Who sent the command.
    pub principal: Principal,
    /// The client's idempotency key.
    pub key: Key,
    /// FNV-1a (64 bit) over the command's kind (2 bytes, big-endian) and payload: tells a repetition from a reused key.
    pub digest: u64,
}

impl EpochV1 {
    /// The record that claims this epoch.
    pub fn to_record(&self) -> Record {
        Record::v1(Kind::Epoch, codec::encode(self))
    }
}

impl DecisionV1 {
    /// The record that holds this decision.
    pub fn to_record(&self) -> Record {
        Record::v1(Kind::Decision, codec::encode(self))
    }

    /// Every event of the decision, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.answers.iter().flat_map(|answer| &answer.events)
    }
}
