//! The projections as requests read them: not before they reflect what the log held when the gateway began.
//!
//! ```text
//!   log     0 ················ goal ·······>      goal: the end of the log when the fold began
//!   rows    0 ······ newest                       newest < goal - 1: no request is answered
//! ```
//!
//! Rows that are being built, at start-up or again after damage, show a past that is over, or an empty one.

pub(crate) mod check;
pub(crate) mod fold;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use log_schema::{Offset, TimeMs};
use projector::{Error, Scope, Views};

use crate::{error::RequestError, hub::Hub};

/// The rows of one gateway.
pub(crate) struct Rows {
    views: Views,
    hub: Arc<Hub>,
    /// The first offset behind what has to be folded before a request is answered.
    goal: AtomicU64,
}

/// How much of the log the rows reflect so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The first offset that they do not reflect.
    pub(crate) next: Offset,
    /// The first offset that they need not reflect.
    pub(crate) goal: Offset,
}

impl Reading {
    /// How much is read, in percent. Never 100: then it would be over.
    pub(crate) fn percent(self) -> u64 {
        let percent = u128::from(self.next.0) * 100 / u128::from(self.goal.0.max(1));
        u64::try_from(percent).unwrap_or(99).min(99)
    }
}

impl Rows {
    /// Rows that are shown once they reflect what is before `goal`.
    pub(crate) fn new(views: Views, hub: Arc<Hub>, goal: Offset) -> Self {
        Self { views, hub, goal: AtomicU64::new(goal.0) }
    }

    /// The rows are built again, up to where the log is known to reach.
    pub(crate) fn begin_again(&self) {
        self.goal.fetch_max(self.hub.now().next.0, Ordering::AcqRel);
    }

    /// What has to be read before requests are answered; none if nothing has.
    pub(crate) fn reading(&self) -> Option<Reading> {
        let (next, goal) = (self.views.next(), self.goal());
        (next < goal).then_some(Reading { next, goal })
    }

    /// Waits until requests may be answered.
    pub(crate) async fn read(&self) -> Result<(), RequestError> {
        // The goal moves when the rows are built again.
        while self.reading().is_some() {
            self.views.wait_before(self.goal()).await?;
        }
        Ok(())
    }

    fn goal(&self) -> Offset {
        Offset(self.goal.load(Ordering::Acquire))
    }

    /// Whether requests may be answered.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        let Some(reading) = self.reading() else { return Ok(()) };
        if let Some(halted) = self.hub.halted() {
            return Err(RequestError::Halted { why: halted.to_string() });
        }
        Err(RequestError::Reading { percent: reading.percent() })
    }

    /// The rows as of an offset, or as of the newest one.
    pub(crate) fn as_of(&self, offset: Option<Offset>) -> Result<Scope, RequestError> {
        let scope = self.views.as_of(offset);
        // Checked behind: had the rows been dropped in between, the scope might be of those that are being built.
        self.check()?;
        Ok(scope?)
    }

    /// The last decision at or before a time.
    pub(crate) fn offset_at_time(&self, time: TimeMs) -> Result<Offset, RequestError> {
        let offset = self.views.offset_at_time(time);
        self.check()?;
        Ok(offset?)
    }

    /// Waits until rows can be read as of `offset`.
    pub(crate) async fn wait_for(&self, offset: Offset) -> Result<Offset, Error> {
        self.views.wait_for(offset).await
    }

    /// Waits until the command at `command` is answered in the rows.
    pub(crate) async fn wait_answered(&self, command: Offset) -> Result<Offset, Error> {
        self.views.wait_answered(command).await
    }

    /// The newest offset that the rows reflect.
    pub(crate) fn newest(&self) -> Offset {
        self.views.newest()
    }

    /// The oldest offset that can be read.
    pub(crate) fn horizon(&self) -> Offset {
        self.views.horizon()
    }
}
