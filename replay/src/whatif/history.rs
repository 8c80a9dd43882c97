//! All that a fork needs of a real log: copied out once, with no way back to the log.
//!
//! The whole log is decided again while it is read, so a history exists only where every recorded
//! decision follows from its commands, byte for byte.

mod scan;

use std::collections::BTreeSet;

use allocator::{
    State,
    state::timers::{NextTick, TICK_COALESCE_MS},
};
use command_log::{Log, Stored, reader::Reader};
use log_schema::{AgentId, JobId, Offset};

use super::{Error, census::Census, life::Lives, script::Place};
use crate::{
    moment::Moment,
    view::{OnProgress, View},
};
use scan::Scan;

/// What a record of history is to a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A decision that counts, and when the leader then needed a tick, in log time.
    Decision {
        /// `None` where it needed none.
        ask: Option<u64>,
    },
    /// A decision that repeats another.
    Duplicate,
    /// A tick, with the time that it says.
    Tick {
        /// Log time.
        now: u64,
    },
    /// An agent's report of a start: the modelled agent makes it.
    Report,
    /// An agent's report of no start that is known: it was refused, and is said again unless the fork
    /// has a start of this number, which it must not touch.
    Stray {
        /// The start that it names.
        incarnation: u64,
    },
    /// Anything else: it is said again at its time.
    Said,
}

/// One record of history.
#[derive(Clone, Debug)]
pub struct Past {
    /// The record; its time is never earlier than that of the record before it.
    pub stored: Stored,
    /// What it is to a fork.
    pub role: Role,
    /// The decision that answered it.
    pub cover: Option<Place>,
}

impl Past {
    /// Where it is.
    pub fn place(&self) -> Place {
        Place { offset: self.stored.offset, time: self.stored.time.0 }
    }
}

/// The cell as it was at the fork.
#[derive(Clone, Debug)]
pub struct AtFork {
    /// The reader, which wants the record at the fork next.
    pub reader: Reader,
    /// The allocator's state as of the last decision.
    pub state: State,
    /// Who is who.
    pub census: Census,
    /// When the leader needed a tick.
    pub ask: Option<u64>,
    /// The time of the fork: nothing before it is later, nothing after it earlier.
    pub time: u64,
    /// Log time minus the time of records, as of the last tick.
    pub skew_ms: i64,
}

/// What the report says of the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Decisions that were made again and found equal: all that count.
    pub decisions: u64,
    /// Commands of frameworks after the fork.
    pub framework_commands: u64,
    /// Commands after the fork that answer what the cell decided, those of frameworks included.
    pub endogenous: u64,
}

/// A history, and the place where it is forked.
#[derive(Clone, Debug)]
pub struct History {
    /// The records from the first one that was undecided at the fork.
    pub records: Vec<Past>,
    /// The first offset of the fork.
    pub fork: Offset,
    /// The cell at the fork.
    pub at_fork: AtFork,
    /// What each start did.
    pub lives: Lives,
    /// How long a command usually waited for its decision.
    pub latency_ms: u64,
    /// The time of the last record.
    pub end: u64,
    /// For the report.
    pub tally: Tally,
    /// Agents that are there at the fork or that history names later.
    pub agents: BTreeSet<AgentId>,
    /// Jobs that are there at the fork or that are submitted later.
    pub jobs: BTreeSet<JobId>,
}

impl History {
    /// Reads a log up to where it reaches now, decides it again, and remembers the cell at `moment`.
    pub async fn read(log: &dyn Log, moment: Moment, progress: OnProgress<'_>) -> Result<Self, Error> {
        let view = View::open(log).await?;
        if view.low() > Offset(0) {
            return Err(command_log::Error::BelowLow { from: Offset(0), low: view.low() }.into());
        }
        let (Moment::Offset(at), high) = (moment, view.high()) else {
            return Self::scan(&view, moment, progress).await;
        };
        if at > high {
            return Err(Error::BeyondEnd { at, high });
        }
        Self::scan(&view, moment, progress).await
    }

    async fn scan(view: &View<'_>, moment: Moment, progress: OnProgress<'_>) -> Result<Self, Error> {
        let mut scan = Scan::new(moment);
        view.for_each(progress, |stored| scan.step(stored)).await?;
        Ok(scan.finish())
    }

    /// When everything of history is answered, also what no decision of it answers.
    pub fn answered_by(&self) -> u64 {
        self.end + self.latency_ms
    }

    /// The index in [`Self::records`] of the first record of the fork.
    pub fn first_index(&self) -> usize {
        self.records.iter().take_while(|past| past.stored.offset < self.fork).count()
    }

    /// The record at an offset that is not below [`Self::base`].
    pub fn at(&self, offset: Offset) -> Option<&Past> {
        let first = self.records.first()?.stored.offset;
        self.records.get(usize::try_from(offset.0.checked_sub(first.0)?).ok()?)
    }
}

/// When a state needs its next tick, in log time: as a real leader would append it.
pub fn tick_wanted(state: &State) -> Option<u64> {
    let now = state.now.0;
    state.next_tick().map(|wanted| match wanted {
        NextTick::Now => now,
        NextTick::Soon => now + TICK_COALESCE_MS,
        NextTick::At(due) => due.0.max(now),
    })
}

/// Log time minus the time of a record.
pub fn skew_ms(log_time: u64, time: u64) -> i64 {
    i64::try_from(i128::from(log_time) - i128::from(time)).unwrap_or(0)
}
