//! Why a reader stops: going on would mean to guess, or to differ from the others.

use log_schema::{Chain, EpochNumber, Kind, Offset, codec};

/// The reader stops at this record. Every variant says where; [`Halt::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Halt {
    /// The log returned another record than the next one.
    #[error("record {found} was read where record {expected} comes next")]
    OutOfOrder { expected: Offset, found: Offset },
    /// A newer program wrote this.
    #[error("record {at} has the unknown kind {kind}")]
    UnknownKind { at: Offset, kind: u16 },
    /// A newer program wrote this.
    #[error("record {at} is a {kind} of the unknown version {version}")]
    UnknownVersion { at: Offset, kind: Kind, version: u16 },
    /// A decision by somebody who never claimed to lead.
    #[error("the decision at {at} is of epoch {epoch}, but the log has only reached epoch {current}")]
    UnclaimedEpoch { at: Offset, epoch: EpochNumber, current: EpochNumber },
    /// A decision that ends before it begins, or answers records that come after it.
    #[error("the decision at {at} cannot answer {from}..={to}")]
    ImpossibleRange { at: Offset, from: Offset, to: Offset },
    /// A decision of the current epoch does not continue the one before.
    #[error("the decision at {at} answers from {from}, but {expected} is the first offset without an answer")]
    Gap { at: Offset, expected: Offset, from: Offset },
    /// The leader saw other records than this reader does.
    #[error("the decision at {at} states the chain {stated} at {to}, but the records give {computed}")]
    ChainMismatch { at: Offset, to: Offset, stated: Chain, computed: Chain },
    /// The same commands were answered twice in one epoch, and not in the same way.
    #[error("the decision at {at} answers {from}..={to} again, and differently")]
    Nondeterminism { at: Offset, from: Offset, to: Offset },
    /// A decision counts, and this program cannot read its answers.
    #[error("the decision at {at} counts, but its answers cannot be read")]
    UnreadableDecision { at: Offset, source: codec::Error },
}

impl Halt {
    /// The name of the halt on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } => "out_of_order",
            Self::UnknownKind { .. } => "unknown_kind",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::UnclaimedEpoch { .. } => "unclaimed_epoch",
            Self::ImpossibleRange { .. } => "impossible_range",
            Self::Gap { .. } => "gap",
            Self::ChainMismatch { .. } => "chain_mismatch",
            Self::Nondeterminism { .. } => "nondeterminism",
            Self::UnreadableDecision { .. } => "unreadable_decision",
        }
    }

    /// Always false: the log will say the same tomorrow.
    pub fn is_transient(&self) -> bool {
        false
    }

    /// The offset of the record at which the reader stopped.
    pub fn at(&self) -> Offset {
        match *self {
            Self::OutOfOrder { found: at, .. }
            | Self::UnknownKind { at, .. }
            | Self::UnknownVersion { at, .. }
            | Self::UnclaimedEpoch { at, .. }
            | Self::ImpossibleRange { at, .. }
            | Self::Gap { at, .. }
            | Self::ChainMismatch { at, .. }
            | Self::Nondeterminism { at, .. }
            | Self::UnreadableDecision { at, .. } => at,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } => {
                "read the log from the offset that comes next; if it skips again, records are lost"
            }
            Self::UnknownKind { .. } | Self::UnknownVersion { .. } | Self::UnreadableDecision { .. } => {
                "upgrade this program to at least the version of the leader"
            }
            Self::UnclaimedEpoch { .. } | Self::Gap { .. } => {
                "records before this one are missing or were replaced: compare the log with another copy"
            }
            Self::ImpossibleRange { .. } => "the leader that wrote this is faulty: stop it, and report its version",
            Self::ChainMismatch { .. } => {
                "this log is not the one that the leader read: compare both from the last signed checkpoint on"
            }
            Self::Nondeterminism { .. } => {
                "stop the allocators, keep both decisions, and re-decide the range to see which one follows from the log"
            }
        }
    }
}
