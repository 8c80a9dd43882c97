//! One leader: what its process remembers, and what it may do next.
//!
//! A leader reads at the moment when it does something with what it has read, and then as far as it
//! likes: to have read slowly is the same as to have acted earlier and to be slow on the wire. So a
//! candidate reads all and claims in one step, and a leader reads on to any record and decides there.

use crate::{
    chronicle::{Chronicle, Moment},
    entry::{Entry, LeaderId},
};

/// How many appends of one leader may be under way at once.
const UNDER_WAY_MAX: usize = 2;

/// A leader's process and its connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leader {
    /// What it remembers; one that has only stood by so far remembers nothing.
    pub reign: Option<Reign>,
    /// What it has appended and what has not landed, in order.
    pub under_way: Vec<Entry>,
}

/// What a leader remembers since it claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reign {
    /// The epoch that it claims.
    pub epoch: u8,
    /// The first offset that it has not answered, if it has answered any.
    pub undecided: Option<u8>,
}

impl Leader {
    /// Forgets everything, reads all that there is and claims the next epoch. What was under way may
    /// land all the same.
    pub fn claim(&mut self, me: LeaderId, log: &Chronicle) -> Vec<Entry> {
        let epoch = log.now().epoch + 1;
        self.reign = Some(Reign { epoch, undecided: None });
        std::mem::replace(&mut self.under_way, vec![Entry::Claim { epoch, by: me }])
    }

    /// What it decides when it has read to `to`, if anything.
    pub fn decision(&self, me: LeaderId, log: &Chronicle, to: u8) -> Option<Entry> {
        self.reign?.decision(me, log, to)
    }

    /// Appends the decision that ends at `to`.
    pub fn decide(&mut self, me: LeaderId, log: &Chronicle, to: u8) {
        self.under_way.extend(self.decision(me, log, to));
        let reign = self.reign.as_mut().expect("only a leader decides");
        reign.undecided = Some(to + 1);
    }

    /// Whether one more append may be under way.
    pub fn may_append(&self) -> bool {
        self.under_way.len() < UNDER_WAY_MAX
    }
}

impl Reign {
    /// Whether it leads, as far as one can tell who has read the records before `next`: its epoch is
    /// the current one, and the claim that won is its own.
    pub fn leads(&self, me: LeaderId, log: &Chronicle, next: u8) -> bool {
        let Moment { epoch, winner, .. } = log.moment(next);
        epoch == self.epoch && winner.is_some_and(|winner| log.names().is_same(winner, me))
    }

    /// Whether it will find that another leads when it reads all that there is.
    pub fn is_superseded(&self, me: LeaderId, log: &Chronicle) -> bool {
        log.now().epoch >= self.epoch && !self.leads(me, log, log.readable())
    }

    /// What it decides when it has read to `to` and answers all that it has not answered yet. Where
    /// no command waits, or where it does not lead there, that is nothing.
    fn decision(&self, me: LeaderId, log: &Chronicle, to: u8) -> Option<Entry> {
        let from = self.undecided.unwrap_or_else(|| log.moment(to + 1).first_undecided);
        let has_commands = log.commands(from, to).next().is_some();
        (has_commands && self.leads(me, log, to + 1)).then_some(Entry::Decision { epoch: self.epoch, from, to, by: me })
    }
}
