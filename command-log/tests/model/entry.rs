//! What a log holds, in few bytes, and the real record that each entry stands for.

use std::fmt;

use bytes::Bytes;
use log_schema::{
    AnswerV1, Chain, DecisionV1, EpochNumber, EpochV1, Key, Kind, Offset, Principal, Record, decision::AskedV1,
};

/// A leader, by its number. It is not in the records: those say names.
pub type LeaderId = u8;

/// One record of the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A client wants something.
    Command,
    /// A candidate wants to lead.
    Claim { epoch: u8, by: LeaderId },
    /// Answers to all commands of a range.
    Decision { epoch: u8, from: u8, to: u8, by: LeaderId },
}

/// How leaders know each other's claims of one epoch apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Each knows its own: in the allocator by the offset that its append returned, here by a name.
    Apart,
    /// Not at all: as if a claim were known by what stands in it, and two had the same name.
    Shared,
}

impl Names {
    fn of(self, leader: LeaderId) -> Principal {
        let name = match self {
            Self::Apart => format!("n{leader}"),
            Self::Shared => "n".to_owned(),
        };
        Principal::new(name).expect("a legal name")
    }

    /// Whether two leaders' claims of one epoch are the same bytes.
    pub fn is_same(self, one: LeaderId, other: LeaderId) -> bool {
        one == other || self == Self::Shared
    }

    /// What a leader appends to claim an epoch.
    pub fn claim(self, epoch: u8, by: LeaderId) -> EpochV1 {
        EpochV1 { epoch: EpochNumber(epoch.into()), node: self.of(by), logic_version: 1 }
    }
}

/// A client's command; clients differ in their offsets alone.
pub fn command() -> Record {
    Record::v1(Kind::SubmitJob, Bytes::from_static(b"a job"))
}

/// The answers to commands, as every leader would give them: they follow from the log alone.
pub fn decision(epoch: u8, from: u8, to: u8, chain: Chain, commands: impl Iterator<Item = u8>) -> Record {
    let answers = commands.map(answer).collect();
    let (epoch, from, to) = (EpochNumber(epoch.into()), Offset(from.into()), Offset(to.into()));
    DecisionV1 { epoch, from, to, chain, answers }.to_record()
}

fn answer(at: u8) -> AnswerV1 {
    let principal = Principal::new("alice").expect("a legal name");
    let asked = AskedV1 { principal, key: Key::new(format!("k{at}")).expect("a legal key"), digest: at.into() };
    AnswerV1 { at: Offset(at.into()), asked: Some(asked), refusal: None, repeats: None, events: Vec::new() }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command => write!(f, "command"),
            Self::Claim { epoch, by } => write!(f, "E{epoch} by {by}"),
            Self::Decision { epoch, from, to, by } => write!(f, "D{epoch} {from}..={to} by {by}"),
        }
    }
}
