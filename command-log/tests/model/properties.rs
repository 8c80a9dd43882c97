//! What must hold in every state, and what must be seen in some, so that the model says something.

use std::collections::BTreeSet;

use command_log::reader::Verdict;
use stateright::Property;

use crate::{
    cell::{Cell, State},
    chronicle::Chronicle,
    entry::Entry,
    leader::Leader,
};

pub const READERS_AGREE: &str = "readers agree wherever they resumed";
pub const ONLY_WINNERS_DECIDE: &str = "what counts was decided by the winner of its epoch, and epochs never fall";
pub const ONE_LEADER: &str = "at most one leader rightly believes that it leads";
pub const NOBODY_HALTS: &str = "no reader halts";

/// All properties of a cell.
pub fn all() -> Vec<Property<Cell>> {
    vec![
        Property::always(READERS_AGREE, |_, state: &State| state.log.agreed()),
        Property::always("decisions that count follow each other from 0", |_, state: &State| is_contiguous(&state.log)),
        Property::always("no command is decided twice", |_, state: &State| is_decided_once(&state.log)),
        Property::always(ONLY_WINNERS_DECIDE, |_, state: &State| only_winners_decide(&state.log)),
        Property::always(ONE_LEADER, |_, state: &State| leaders_now(state) <= 1),
        Property::always(NOBODY_HALTS, |_, state: &State| state.log.halt().is_none()),
        Property::sometimes("a decision is void", |_, state: &State| is_any(state, is_void_decision)),
        Property::sometimes("a decision is a duplicate", |_, state: &State| is_any(state, is_duplicate)),
        Property::sometimes("a race is lost", |_, state: &State| is_any(state, is_void_claim)),
        Property::sometimes("a leader is superseded after a pause and decides in vain", |_, state: &State| {
            is_superseded_in_vain(&state.log)
        }),
        Property::sometimes("two leaders decide, one after the other", |_, state: &State| {
            two_leaders_decide(&state.log)
        }),
    ]
}

fn is_contiguous(log: &Chronicle) -> bool {
    let mut next = 0;
    log.accepted().all(|entry| match entry {
        Entry::Decision { from, to, .. } => {
            let follows = from == next && to >= from;
            next = to + 1;
            follows
        }
        Entry::Command | Entry::Claim { .. } => false,
    })
}

fn is_decided_once(log: &Chronicle) -> bool {
    let mut decided = BTreeSet::new();
    log.accepted().all(|entry| match entry {
        Entry::Decision { from, to, .. } => log.commands(from, to).all(|command| decided.insert(command)),
        Entry::Command | Entry::Claim { .. } => false,
    })
}

/// Asked of each decision at its own place in the log.
fn only_winners_decide(log: &Chronicle) -> bool {
    let mut last = 0;
    (0..).zip(log.judged()).all(|(at, (entry, verdict))| match (entry, verdict) {
        (Entry::Decision { epoch, by, .. }, Verdict::Decision(_)) => {
            let moment = log.moment(at);
            let rises = epoch >= last;
            last = epoch;
            rises && moment.epoch == epoch && moment.winner == Some(by)
        }
        _ => true,
    })
}

/// How many leaders lead with the epoch that is current at the end of the log, and know it.
fn leaders_now(state: &State) -> usize {
    let leads = |(id, leader): (u8, &Leader)| {
        leader.reign.is_some_and(|reign| reign.leads(id, &state.log, state.log.readable()))
    };
    (0..).zip(&state.leaders).filter(|found| leads(*found)).count()
}

fn is_any(state: &State, like: fn(&Verdict) -> bool) -> bool {
    state.log.judged().any(|(_, verdict)| like(verdict))
}

fn is_void_decision(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::VoidDecision { epoch: Some(_) })
}

fn is_duplicate(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::DuplicateDecision { compared: true, .. })
}

fn is_void_claim(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::VoidEpoch { claimed: Some(_) })
}

/// A leader whose decisions counted decides again when another one's count already.
fn is_superseded_in_vain(log: &Chronicle) -> bool {
    let mut counted = BTreeSet::new();
    let mut last = None;
    log.judged().any(|(entry, verdict)| {
        let Entry::Decision { by, .. } = entry else { return false };
        match verdict {
            Verdict::Decision(_) => {
                counted.insert(by);
                last = Some(by);
                false
            }
            verdict => is_void_decision(verdict) && counted.contains(&by) && last != Some(by),
        }
    })
}

fn two_leaders_decide(log: &Chronicle) -> bool {
    let deciders: BTreeSet<_> = log
        .accepted()
        .filter_map(|entry| match entry {
            Entry::Decision { by, .. } => Some(by),
            Entry::Command | Entry::Claim { .. } => None,
        })
        .collect();
    deciders.len() > 1
}
