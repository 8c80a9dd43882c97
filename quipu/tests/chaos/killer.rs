//! Kills and pauses parts at random, one blow after the other, and puts them right again.
//!
//! Some are put right only after the next blow, so that two are away at once.

use std::{collections::BTreeMap, fmt, thread, time::Duration};

use crate::{parts::Parts, plan::Chance};

/// The wait between two blows, in milliseconds.
const REST_MS: (u64, u64) = (300, 2_500);
/// How long one that is killed stays away.
const AWAY_MS: (u64, u64) = (0, 1_500);
/// How long a leader is paused: longer than it takes until another takes over.
const PAUSED_MS: (u64, u64) = (2_000, 4_000);
/// How long there is no broker at all.
const DARK_MS: (u64, u64) = (500, 5_000);

/// What happens to whom; how often, in parts of the sum.
const BLOWS: [(Blow, u64); 6] = [
    (Blow::KillLeader, 30),
    (Blow::PauseLeader, 12),
    (Blow::KillStandBy, 15),
    (Blow::KillGateway, 28),
    (Blow::KillBroker, 10),
    (Blow::KillAllBrokers, 5),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    KillLeader,
    PauseLeader,
    KillStandBy,
    KillGateway,
    KillBroker,
    KillAllBrokers,
}

/// What is still to be put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    Allocator,
    Resume,
    Gateway(usize),
    Broker(u32),
    Brokers,
}

/// Who does it.
pub(crate) struct Killer {
    chance: Chance,
    /// What the blow before the last one has left.
    left: Option<(Blow, Repair)>,
    counts: BTreeMap<Blow, u64>,
}

impl Killer {
    pub(crate) fn new(chance: Chance) -> Self {
        Self { chance, left: None, counts: BTreeMap::new() }
    }

    pub(crate) fn kills(&self) -> u64 {
        self.counts.values().sum()
    }

    /// One blow: after a rest, and put right after a while, most of the time.
    pub(crate) fn strike(&mut self, parts: &mut Parts) {
        let left = self.left.take();
        let blow = self.choose(left.map(|(blow, _)| blow));
        self.rest(REST_MS);
        let repair = self.deal(blow, parts);
        *self.counts.entry(blow).or_default() += 1;
        self.rest(match repair {
            Repair::Resume => PAUSED_MS,
            Repair::Brokers => DARK_MS,
            Repair::Allocator | Repair::Gateway(_) | Repair::Broker(_) => AWAY_MS,
        });
        if left.is_none() && repair != Repair::Brokers && self.chance.below(4) == 0 {
            self.left = Some((blow, repair));
            return;
        }
        // A gateway is only ready where somebody leads and brokers answer, so it comes last.
        let mut repairs: Vec<_> = left.into_iter().map(|(_, repair)| repair).chain([repair]).collect();
        repairs.sort_by_key(|repair| matches!(repair, Repair::Gateway(_)));
        repairs.into_iter().for_each(|repair| put_right(repair, parts));
    }

    /// Another blow than the last one, where that was not put right yet.
    fn choose(&mut self, other_than: Option<Blow>) -> Blow {
        let is_broker = |blow| matches!(blow, Blow::KillBroker | Blow::KillAllBrokers);
        let clashes = |blow| other_than.is_some_and(|left| left == blow || is_broker(left) && is_broker(blow));
        let possible: Vec<_> = BLOWS.into_iter().filter(|(blow, _)| !clashes(*blow)).collect();
        let mut at = self.chance.below(possible.iter().map(|(_, weight)| weight).sum());
        for (blow, weight) in &possible {
            match at.checked_sub(*weight) {
                None => return *blow,
                Some(rest) => at = rest,
            }
        }
        unreachable!("below the sum of the weights")
    }

    fn deal(&mut self, blow: Blow, parts: &mut Parts) -> Repair {
        match blow {
            Blow::KillLeader => {
                parts.kill9_leader();
                Repair::Allocator
            }
            Blow::PauseLeader => {
                parts.pause_leader();
                Repair::Resume
            }
            Blow::KillStandBy => {
                parts.kill9_stand_by();
                Repair::Allocator
            }
            Blow::KillGateway => {
                let number = usize::try_from(self.chance.below(2)).expect("few gateways");
                parts.kill9_gateway(number);
                Repair::Gateway(number)
            }
            Blow::KillBroker => {
                let count = u64::from(parts.brokers().count());
                let number = u32::try_from(1 + self.chance.below(count)).expect("few brokers");
                parts.brokers().kill9(number);
                Repair::Broker(number)
            }
            Blow::KillAllBrokers => {
                parts.brokers().kill9_all();
                Repair::Brokers
            }
        }
    }

    fn rest(&mut self, (low, end): (u64, u64)) {
        let rest: Duration = self.chance.millis(low, end);
        thread::sleep(rest);
    }
}

fn put_right(repair: Repair, parts: &mut Parts) {
    match repair {
        Repair::Allocator => parts.start_allocator(),
        Repair::Resume => parts.resume_paused(),
        Repair::Gateway(number) => parts.restart_gateway(number),
        Repair::Broker(number) => parts.brokers().restart(number),
        Repair::Brokers => parts.brokers().restart_all(),
    }
}

impl fmt::Display for Killer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kills       {}", self.kills())?;
        self.counts.iter().try_for_each(|(blow, count)| writeln!(f, "  {:<16}{count}", format!("{blow:?}")))
    }
}
