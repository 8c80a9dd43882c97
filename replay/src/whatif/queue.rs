//! What is still to happen in a fork, in order of time.
//!
//! At one time, what history has comes first, in history's order; what is new in the fork comes after
//! it, in the order in which it was scheduled. So nothing depends on chance, and a fork in which
//! nothing was changed meets history's events in history's order.

use std::collections::BTreeMap;

use super::{agents::Utterance, script::Place};

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct When {
    /// Milliseconds, as records are timed.
    pub time: u64,
    /// Offset in history; the largest number for what history has not.
    order: u64,
    /// Order among what history has not.
    sequence: u64,
}

impl When {
    /// The time of a record of history.
    pub fn of(place: Place) -> Self {
        Self { time: place.time, order: place.offset.0, sequence: 0 }
    }

    /// The start of a millisecond: before everything that happens in it.
    pub fn start_of(time: u64) -> Self {
        Self { time, order: 0, sequence: 0 }
    }

    /// The end of a millisecond: after everything that happens in it.
    pub fn end_of(time: u64) -> Self {
        Self { time, order: u64::MAX, sequence: u64::MAX }
    }

    /// Whether this is no place in history.
    pub fn is_own(self) -> bool {
        self.order == u64::MAX
    }

    /// Never.
    pub const NEVER: Self = Self { time: u64::MAX, order: u64::MAX, sequence: u64::MAX };
}

/// What happens by the fork's own doing.
#[derive(Clone, Debug)]
pub enum Event {
    /// An agent reports.
    Report(Utterance),
    /// The leader decides what has waited long enough.
    Decide,
    /// The leader says what time it is.
    Tick,
}

/// Events, by time.
#[derive(Debug, Default)]
pub struct Queue {
    events: BTreeMap<When, Event>,
    scheduled: u64,
}

impl Queue {
    /// Schedules something: at its place in history, or else at a time.
    pub fn schedule(&mut self, time: u64, place: Option<Place>, event: Event) {
        self.scheduled += 1;
        let own = When { time, order: u64::MAX, sequence: self.scheduled };
        self.events.insert(place.map_or(own, When::of), event);
    }

    /// When the next event happens.
    pub fn next_when(&self) -> Option<When> {
        self.events.keys().next().copied()
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(When, Event)> {
        self.events.pop_first()
    }
}
