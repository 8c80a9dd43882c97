//! Comparing a log with what its leaders have signed.

use std::{collections::BTreeSet, iter::Peekable};

use allocator::leader::checkpoint::{Checkpoint, PublicKey, Signed};
use command_log::reader::Verdict;

use crate::{finding::Finding, redecide::Redecider};

/// What can be done about a checkpoint that does not hold.
const KEEP_BOTH: &str =
    "keep log and checkpoint as they are: one of the two was changed, shortened, or is of another cell";
/// What can be done about a checkpoint that somebody else has signed.
const FIND_OUT: &str = "find out whose key that is: name it too, if it is of an allocator of this cell";

/// Signed checkpoints that are still to be compared.
pub(crate) struct Checkpoints<'a> {
    left: Peekable<std::slice::Iter<'a, Signed>>,
    /// Who may have signed them; anybody, where nobody is named.
    trusted: &'a [PublicKey],
    /// How many were equal.
    pub(crate) held: u64,
    /// Who signed those.
    pub(crate) signers: BTreeSet<PublicKey>,
}

impl<'a> Checkpoints<'a> {
    /// These, in order of offset.
    pub(crate) fn new(signed: &'a [Signed], trusted: &'a [PublicKey]) -> Self {
        Self { left: signed.iter().peekable(), trusted, held: 0, signers: BTreeSet::new() }
    }

    /// Compares what was signed of the decision that was just made again.
    pub(crate) fn compare(&mut self, verdict: &Verdict, again: &Redecider) -> Result<(), Box<Finding>> {
        let Verdict::Decision(decision) = verdict else { return Ok(()) };
        while let Some(signed) = self.left.next_if(|signed| signed.checkpoint.at <= decision.to) {
            let found = || Checkpoint { at: decision.to, chain: decision.chain, state: again.state().digest() };
            if !signed.is_genuine() {
                return Err(finding(signed, "checkpoint_forged", "its signature is not of its text"));
            }
            if !self.trusted.is_empty() && !self.trusted.contains(&signed.key) {
                let found = finding(signed, "checkpoint_of_another_key", "that is no key that was asked for");
                return Err(Box::new(Finding { hint: FIND_OUT, ..*found }));
            }
            if signed.checkpoint != found() {
                return Err(finding(
                    signed,
                    "checkpoint_differs",
                    "the log is another one than the one that was signed",
                ));
            }
            self.held += 1;
            self.signers.insert(signed.key);
        }
        Ok(())
    }

    /// Nothing may have been signed of what the log does not hold.
    pub(crate) fn are_done(&mut self, again: &Redecider) -> Result<(), Box<Finding>> {
        let Some(signed) = self.left.next() else { return Ok(()) };
        let why = format!("the log ends before offset {}", again.reader().next());
        Err(finding(signed, "checkpoint_beyond", &why))
    }
}

fn finding(signed: &Signed, code: &'static str, why: &str) -> Box<Finding> {
    Box::new(Finding {
        at: signed.checkpoint.at,
        code,
        message: format!("the checkpoint signed by {} does not hold: {why}", signed.key),
        hint: KEEP_BOTH,
        difference: None,
    })
}
