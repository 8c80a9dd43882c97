//! When the leader of a fork ticks: when history's leader did, and earlier where the fork needs it.
//!
//! Ticks are history's while both need one at the same time, so a fork that changes nothing has none
//! of its own. Log time and the times of records are kept apart by what history's last tick showed.

use allocator::State;
use log_schema::{
    Class, Command, Envelope, Key, Offset, Principal, Record, TimeMs, codec,
    command::{CommandV1, TickV1},
};

use super::{
    history::{AtFork, skew_ms, tick_wanted},
    pace::Pace,
    script::Place,
};

/// What is known of ticks, in a fork and in its history.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    /// When history's leader needs a tick, in log time, as of now.
    history_ask: Option<u64>,
    /// The newest log time that a tick of the fork said.
    newest: u64,
    /// The newest log time that a tick of history said.
    newest_in_history: u64,
    /// Log time minus the time of records, as of history's last tick.
    skew_ms: i64,
    /// When the fork's next tick of its own is scheduled.
    scheduled: Option<u64>,
    /// The fork's own tick that is not answered yet.
    undecided: Option<Offset>,
    /// When the fork's last own tick was said.
    last_own: u64,
}

impl Ticks {
    /// Ticks at the fork. A leader that keeps its own pace heeds nothing that history's leader needed.
    pub fn at_fork(at_fork: &AtFork, pace: Pace) -> Self {
        let now = at_fork.state.now.0;
        Self {
            history_ask: at_fork.ask.filter(|_| pace == Pace::History),
            newest: now,
            newest_in_history: now,
            skew_ms: at_fork.skew_ms,
            scheduled: None,
            undecided: None,
            last_own: 0,
        }
    }

    /// History's leader has decided, and needs a tick then.
    pub fn history_asks(&mut self, ask: Option<u64>) {
        self.history_ask = ask;
    }

    /// History is over: no tick of it comes any more.
    pub fn history_ended(&mut self) {
        self.history_ask = None;
    }

    /// History's leader ticks; returns the time that the tick says in the fork, where log time may be ahead.
    pub fn history_says(&mut self, place: Place, now: u64) -> u64 {
        let ran_backwards = now < self.newest_in_history;
        self.newest_in_history = self.newest_in_history.max(now);
        self.skew_ms = skew_ms(now, place.time);
        let said = if ran_backwards { now } else { now.max(self.newest) };
        self.newest = self.newest.max(said);
        said
    }

    /// When the fork's own tick is to be scheduled, if it needs one that is not.
    pub fn next_own(&mut self, state: &State, time: u64) -> Option<u64> {
        if self.undecided.is_some() {
            return None;
        }
        let wanted = self.wanted_early(state)?;
        let at = shifted(wanted, -self.skew_ms).max(time).max(self.last_own + 1);
        if self.scheduled.is_some_and(|scheduled| scheduled <= at) {
            return None;
        }
        self.scheduled = Some(at);
        self.scheduled
    }

    /// The log time that the fork's own tick says now, if it is still needed.
    pub fn due(&mut self, state: &State, time: u64) -> Option<u64> {
        if self.scheduled != Some(time) {
            return None;
        }
        self.scheduled = None;
        let log_time = shifted(time, self.skew_ms);
        let wanted = self.wanted_early(state).filter(|_| self.undecided.is_none())?;
        (wanted <= log_time.max(state.now.0 + 1)).then(|| log_time.max(state.now.0 + 1))
    }

    /// The fork's own tick was said.
    pub fn said(&mut self, place: Place, now: u64) {
        self.undecided = Some(place.offset);
        self.last_own = place.time;
        self.newest = self.newest.max(now);
    }

    /// Everything up to `to` was answered.
    pub fn decided(&mut self, to: Offset) {
        self.undecided = self.undecided.filter(|tick| *tick > to);
    }

    /// When the fork needs a tick, where that is earlier than history's leader needs one.
    fn wanted_early(&self, state: &State) -> Option<u64> {
        tick_wanted(state).filter(|wanted| self.history_ask.is_none_or(|ask| *wanted < ask))
    }
}

fn shifted(time: u64, by_ms: i64) -> u64 {
    time.saturating_add_signed(by_ms)
}

/// A tick of the fork's own.
pub fn own_tick(now: u64) -> Record {
    let envelope = Envelope {
        principal: Principal::new("whatif").expect("a legal principal"),
        key: Key::new("tick").expect("a legal key"),
        caused_by: None,
        class: Class::Exogenous,
    };
    Command::Tick(TickV1 { now: TimeMs(now) }).to_record(&envelope)
}

/// History's tick with another time.
pub fn tick_at(record: &Record, now: u64) -> Record {
    match codec::decode::<CommandV1<TickV1>>("tick", &record.payload) {
        Ok(CommandV1 { principal, key, caused_by, class, .. }) => {
            Command::Tick(TickV1 { now: TimeMs(now) }).to_record(&Envelope { principal, key, caused_by, class })
        }
        Err(_) => own_tick(now),
    }
}
