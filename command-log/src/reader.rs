//! The reader rule: which epochs and decisions of a log count. One function, for everybody.
//!
//! Pure and synchronous: it performs no I/O, reads no clock, and its verdicts follow from the records
//! alone, so every reader of one log reaches the same ones.
//!
//! 1. Offsets follow each other; a kind or a version that is not known halts the reader.
//! 2. An [`Epoch`](Verdict::Epoch) counts iff it is the current one plus 1. Of two racers the first
//!    in the log wins, the other is void.
//! 3. A [`Decision`](Verdict::Decision) counts iff its epoch is current and it answers from
//!    `last_to + 1` (the first one from 0). A lower epoch is void. A range that was answered before is
//!    a duplicate; if its bytes differ from those that counted, the reader halts: two leaders, or a
//!    leader that is not deterministic. A gap halts, and so does an epoch that nobody claimed.
//! 4. A decision states the [`Chain`] at its `to`; the reader computes the chain over every record
//!    and halts where the two differ.
//!
//! ```text
//!  offset   0    1    2    3     4     5        6       7    8
//!          cmd  E=1  cmd  cmd  D 0..=2 cmd   D 3..=4   E=2  cmd
//!                               │  ▲                         ▲
//!                       chain at 2 │                        next
//!                                  └ last_to = 4: the chains at 5, 6, 7 are kept
//! ```
//!
//! **Payloads that cannot be decoded.** A bad payload of a known kind is a deterministic refusal: a
//! command is the allocator's to refuse; an epoch, or a decision whose epoch and range cannot be
//! read, has nobody to answer it and is void. But a decision that states the current epoch, the
//! right range and the right chain is the leader's, and counts: a reader that then cannot read its
//! answers is older than the leader, and halts rather than miss what the others saw.
//!
//! **Bounds.** Chains are kept for the last [`UNDECIDED_MAX`] records that no decision has answered.
//! Where a decision's `to` is further back, or before the place where this reader began, its chain
//! cannot be compared and it counts as [`Counts::decisions_unchecked`]: as the chain covers all that went before,
//! the next decision that is compared covers that one too. Fingerprints are kept for the last
//! [`ACCEPTED_MAX`] decisions; a duplicate of an older one cannot be compared and is void like any
//! other duplicate.

use log_schema::{Chain, DecisionV1, EpochNumber, EpochV1, Kind, Offset, Record, codec};
use serde::Deserialize;

use crate::Stored;

mod accepted;
mod halt;
mod undecided;

pub use accepted::ACCEPTED_MAX;
use accepted::{Accepted, Repeat};
pub use halt::Halt;
pub use undecided::UNDECIDED_MAX;
use undecided::Undecided;

/// What a record means to every reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A new reign begins here.
    Epoch(EpochV1),
    /// A claim that came too late, or that cannot be read.
    VoidEpoch {
        /// The epoch that was claimed, if it can be read.
        claimed: Option<EpochNumber>,
    },
    /// These answers count.
    Decision(DecisionV1),
    /// A decision of an earlier reign, or one that cannot be read.
    VoidDecision {
        /// The epoch that it states, if it can be read.
        epoch: Option<EpochNumber>,
    },
    /// A decision that was answered before; its bytes are those that counted, where they are still known.
    DuplicateDecision {
        /// The first offset that it answers.
        from: Offset,
        /// The last offset that it answers.
        to: Offset,
        /// Whether its bytes could be compared; false if the original is older than what is remembered.
        compared: bool,
    },
    /// A command or a tick: for the allocator to answer.
    Command,
}

/// How many records of each sort a reader has judged since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands and ticks.
    pub commands: u64,
    /// Epochs that count.
    pub epochs: u64,
    /// Epochs that do not.
    pub epochs_void: u64,
    /// Decisions that count.
    pub decisions: u64,
    /// Decisions that count and whose chain could not be compared.
    pub decisions_unchecked: u64,
    /// Decisions that do not count, duplicates aside.
    pub decisions_void: u64,
    /// Decisions that repeat one that counts.
    pub decisions_duplicate: u64,
}

/// A place in a log, and all that is needed to judge the record there.
#[derive(Clone, Debug)]
pub struct Reader {
    epoch: EpochNumber,
    last_to: Option<Offset>,
    next: Offset,
    chain: Chain,
    undecided: Undecided,
    accepted: Accepted,
    counts: Counts,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader of a whole log: it wants offset 0 first.
    pub fn new() -> Self {
        Self::resume(EpochNumber(0), None, Offset(0), Chain::default())
    }

    /// A reader that wants `next_offset` first, when the epoch was `epoch`, everything up to `last_to`
    /// had been answered, and the chain up to and with the record before was `chain`.
    ///
    /// A decision whose `to` lies between `last_to` and `next_offset` is not compared with the chain
    /// (see the module's words on bounds). To compare all of them, resume at `last_to + 1`.
    pub fn resume(epoch: EpochNumber, last_to: Option<Offset>, next_offset: Offset, chain: Chain) -> Self {
        let mut undecided = Undecided::new(next_offset);
        if let Some(last) = next_offset.previous().filter(|&last| last_to.is_none_or(|to| to < last)) {
            undecided = Undecided::new(last);
            undecided.push(chain);
        }
        let (accepted, counts) = Default::default();
        Self { epoch, last_to, next: next_offset, chain, undecided, accepted, counts }
    }

    /// Judges the next record and moves past it. A halt moves nothing: asked again with the same
    /// record, it halts again.
    pub fn judge(&mut self, stored: &Stored) -> Result<Verdict, Halt> {
        let Stored { offset: at, ref record, .. } = *stored;
        if at != self.next {
            return Err(Halt::OutOfOrder { expected: self.next, found: at });
        }
        let verdict = match known(at, record)? {
            Kind::Epoch => self.judge_epoch(record),
            Kind::Decision => self.judge_decision(at, record)?,
            Kind::Tick
            | Kind::SubmitJob
            | Kind::StopJob
            | Kind::ScaleJob
            | Kind::KillTask
            | Kind::RestartTask
            | Kind::ReportAgent
            | Kind::MarkAgentUnreachable
            | Kind::RemoveAgent
            | Kind::UpdateTaskStatus
            | Kind::SubscribeFramework
            | Kind::AcceptOffers
            | Kind::DeclineOffers
            | Kind::ReviveOffers
            | Kind::SuppressOffers
            | Kind::TeardownFramework
            | Kind::SetRole
            | Kind::SetParameters
            | Kind::ActivateLogic => Verdict::Command,
        };
        self.move_past(at, record);
        self.counts.add(&verdict);
        Ok(verdict)
    }

    /// The current epoch; 0 if nobody has led yet.
    pub fn epoch(&self) -> EpochNumber {
        self.epoch
    }

    /// The last offset that a decision has answered, if one has.
    pub fn last_to(&self) -> Option<Offset> {
        self.last_to
    }

    /// The first offset that no decision has answered: where the next decision must begin.
    pub fn first_undecided(&self) -> Offset {
        self.last_to.map_or(Offset(0), Offset::next)
    }

    /// The offset of the record to judge next.
    pub fn next(&self) -> Offset {
        self.next
    }

    /// The chain up to and with the record before [`Reader::next`].
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The chain up to and with `offset`, which must be undecided and already judged: what a leader
    /// states in a decision whose `to` is `offset`.
    pub fn chain_at(&self, offset: Offset) -> Option<Chain> {
        self.undecided.chain_at(offset)
    }

    /// What was judged so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn judge_epoch(&mut self, record: &Record) -> Verdict {
        let Ok(claim) = codec::decode::<EpochV1>("epoch", &record.payload) else {
            return Verdict::VoidEpoch { claimed: None };
        };
        if claim.epoch != self.epoch.next() {
            return Verdict::VoidEpoch { claimed: Some(claim.epoch) };
        }
        self.epoch = claim.epoch;
        Verdict::Epoch(claim)
    }

    fn judge_decision(&mut self, at: Offset, record: &Record) -> Result<Verdict, Halt> {
        let decoded = codec::decode::<DecisionV1>("decision", &record.payload);
        let Some(head) = Head::of(&decoded, &record.payload) else {
            return Ok(Verdict::VoidDecision { epoch: None });
        };
        let Head { epoch, from, to, .. } = head;
        if epoch < self.epoch {
            return Ok(Verdict::VoidDecision { epoch: Some(epoch) });
        }
        if epoch > self.epoch {
            return Err(Halt::UnclaimedEpoch { at, epoch, current: self.epoch });
        }
        if to < from || to >= at {
            return Err(Halt::ImpossibleRange { at, from, to });
        }
        if self.last_to.is_some_and(|last_to| to <= last_to) {
            return self.judge_duplicate(at, &head, record);
        }
        self.check_continues(at, &head)?;
        let decision = decoded.map_err(|source| Halt::UnreadableDecision { at, source })?;
        self.accept(&head, record);
        Ok(Verdict::Decision(decision))
    }

    fn judge_duplicate(&self, at: Offset, head: &Head, record: &Record) -> Result<Verdict, Halt> {
        let Head { from, to, .. } = *head;
        match self.accepted.compare(from, to, &record.payload) {
            Repeat::Same => Ok(Verdict::DuplicateDecision { from, to, compared: true }),
            Repeat::Forgotten => Ok(Verdict::DuplicateDecision { from, to, compared: false }),
            Repeat::Different => Err(Halt::Nondeterminism { at, from, to }),
        }
    }

    fn check_continues(&self, at: Offset, head: &Head) -> Result<(), Halt> {
        let expected = self.first_undecided();
        if head.from != expected {
            return Err(Halt::Gap { at, expected, from: head.from });
        }
        match self.chain_at(head.to) {
            Some(computed) if computed != head.chain => {
                Err(Halt::ChainMismatch { at, to: head.to, stated: head.chain, computed })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn accept(&mut self, head: &Head, record: &Record) {
        if self.chain_at(head.to).is_none() {
            self.counts.decisions_unchecked += 1;
        }
        self.last_to = Some(head.to);
        self.undecided.forget_through(head.to);
        self.accepted.remember(head.from, head.to, &record.payload);
    }

    fn move_past(&mut self, at: Offset, record: &Record) {
        self.chain = self.chain.link(at, record);
        self.undecided.push(self.chain);
        self.next = at.next();
    }
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        let count = match verdict {
            Verdict::Epoch(_) => &mut self.epochs,
            Verdict::VoidEpoch { .. } => &mut self.epochs_void,
            Verdict::Decision(_) => &mut self.decisions,
            Verdict::VoidDecision { .. } => &mut self.decisions_void,
            Verdict::DuplicateDecision { .. } => &mut self.decisions_duplicate,
            Verdict::Command => &mut self.commands,
        };
        *count += 1;
    }
}

/// The part of a decision that says whether it counts: readable even where its answers are not.
#[derive(Clone, Copy, Deserialize)]
struct Head {
    epoch: EpochNumber,
    from: Offset,
    to: Offset,
    chain: Chain,
}

impl Head {
    fn of(decoded: &Result<DecisionV1, codec::Error>, payload: &[u8]) -> Option<Self> {
        match decoded {
            Ok(DecisionV1 { epoch, from, to, chain, .. }) => {
                Some(Self { epoch: *epoch, from: *from, to: *to, chain: *chain })
            }
            Err(_) => rmp_serde::from_slice(payload).ok(),
        }
    }
}

/// The kind of a record, if this program knows it and its version.
fn known(at: Offset, record: &Record) -> Result<Kind, Halt> {
    let kind = Kind::from_number(record.kind).ok_or(Halt::UnknownKind { at, kind: record.kind })?;
    match record.version {
        1 => Ok(kind),
        version => Err(Halt::UnknownVersion { at, kind, version }),
    }
}
