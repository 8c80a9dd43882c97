//! Rows as of one moment: the newest, or one in the past.

use std::{pin::pin, time::Duration};

use command_log::rfc3339;
use futures_util::FutureExt;
use log_schema::{Offset, TimeMs};
use projector::Scope;

use super::{
    Desk,
    access::{self, Access},
};
use crate::{budget, error::RequestError, identity::Caller};

/// How long a read waits until the offset that it asks for is folded.
pub const MIN_OFFSET_WAIT: Duration = Duration::from_secs(10);

/// A moment in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// All decisions at or before this offset, and no other.
    Offset(Offset),
    /// The last decision at or before this time.
    Time(TimeMs),
}

impl Desk {
    /// The rows as of a moment; the newest if none is given.
    pub(crate) fn read(&self, caller: &Caller, past: Option<Past>) -> Result<Scope, RequestError> {
        access::check(caller, Access::Read)?;
        let offset = match past {
            None => None,
            Some(Past::Offset(offset)) => Some(offset),
            Some(Past::Time(time)) => {
                self.check_past("at.time", time)?;
                Some(self.rows.offset_at_time(time)?)
            }
        };
        self.rows.as_of(offset)
    }

    /// Refuses a time that is still to come: what will be then is not known, and the present is no answer. If the
    /// log's time is ahead of this machine's clock, the log's counts.
    pub(crate) fn check_past(&self, field: &'static str, time: TimeMs) -> Result<(), RequestError> {
        let now = command_log::wall_clock().max(self.rows.as_of(None)?.time()?);
        if time <= now {
            return Ok(());
        }
        let (asked, now) = (rfc3339::format(time.0), rfc3339::format(now.0));
        Err(RequestError::BadInput { field, why: format!("{asked} is in the future; it is {now} now") })
    }

    /// Waits until rows can be read as of `offset`.
    pub(crate) async fn reach(&self, offset: Offset) -> Result<(), RequestError> {
        self.in_time(offset, self.rows.wait_for(offset)).await
    }

    /// Waits until the answer to the command at `command` can be read.
    pub(crate) async fn reach_answer(&self, command: Offset) -> Result<(), RequestError> {
        self.in_time(command, self.rows.wait_answered(command)).await
    }

    async fn in_time(
        &self,
        asked: Offset,
        folded: impl Future<Output = Result<Offset, projector::Error>>,
    ) -> Result<(), RequestError> {
        let mut folded = pin!(folded);
        // Most of the time the rows are there: the place is given away only to wait.
        if let Some(reached) = folded.as_mut().now_or_never() {
            return Ok(reached.map(drop)?);
        }
        if let Ok(reached) = budget::aside(tokio::time::timeout(MIN_OFFSET_WAIT, folded)).await {
            return Ok(reached.map(drop)?);
        }
        self.rows.check()?;
        Err(RequestError::Ahead { asked, newest: self.rows.newest() })
    }
}
