//! Which moment an answer is of: `at:` and `minOffset:` of a root field, and one moment for the rest.

mod latest;

use std::{pin::pin, sync::Mutex, time::Duration};

use async_graphql::{Context, OneofObject, Request};
use command_log::rfc3339;
use futures_util::FutureExt;
use log_schema::Offset;
use projector::Scope;

use crate::{
    budget,
    context::gateway,
    error::{RequestError, graphql},
    rows::Rows,
    scalar::{OffsetText, TimeText},
};

/// How long a read waits for `minOffset` to be folded.
pub const MIN_OFFSET_WAIT: Duration = Duration::from_secs(10);

/// A moment in the past: exactly one of both.
#[derive(Clone, Copy, Debug, OneofObject)]
pub enum At {
    /// As of this offset: all decisions at or before it, and no other.
    Offset(OffsetText),
    /// As of the last decision at or before this time.
    Time(TimeText),
}

/// The moment that all root fields of one request share which name none.
pub(crate) struct Moments {
    /// The latest `minOffset` of them: root fields are read side by side, so that whichever comes first
    /// must wait for all.
    min: Offset,
    shared: Mutex<Option<Scope>>,
}

impl Moments {
    /// The moment of a request, not known yet.
    pub(crate) fn of(request: &mut Request) -> Self {
        Self { min: latest::min_offset(request).unwrap_or_default(), shared: Mutex::default() }
    }
}

/// The rows as a root field asks for them.
pub(crate) async fn scope(
    ctx: &Context<'_>,
    at: Option<At>,
    min_offset: Option<OffsetText>,
) -> async_graphql::Result<Scope> {
    let rows = &gateway(ctx).rows;
    let min = min_offset.map(Offset::from);
    let scope = match at {
        Some(at) => past(rows, at, min).await,
        None => present(rows, ctx.data_opt::<Moments>(), min).await,
    };
    scope.map_err(graphql)
}

async fn past(rows: &Rows, at: At, min: Option<Offset>) -> Result<Scope, RequestError> {
    reach(rows, min.unwrap_or_default()).await?;
    let offset = match at {
        At::Offset(offset) => offset.into(),
        At::Time(time) => {
            check_past("at.time", time, rows.as_of(None)?)?;
            rows.offset_at_time(time.0)?
        }
    };
    rows.as_of(Some(offset))
}

async fn present(rows: &Rows, shared: Option<&Moments>, min: Option<Offset>) -> Result<Scope, RequestError> {
    let latest = shared.map_or(Offset(0), |moments| moments.min);
    reach(rows, latest.max(min.unwrap_or_default())).await?;
    let Some(Moments { shared, .. }) = shared else { return rows.as_of(None) };
    let mut shared = shared.lock().expect("nobody panics while holding the moment");
    if let Some(scope) = shared.as_ref().filter(|scope| min.is_none_or(|min| scope.offset() >= min)) {
        return Ok(scope.clone());
    }
    let scope = rows.as_of(None)?;
    *shared = Some(scope.clone());
    Ok(scope)
}

/// Refuses a time that is still to come: what will be then is not known, and the present is no answer. Where the
/// log's time is ahead of this machine's clock, it is the log's that counts.
pub(crate) fn check_past(field: &'static str, time: TimeText, newest: Scope) -> Result<(), RequestError> {
    let now = command_log::wall_clock().max(newest.time()?);
    if time.0 <= now {
        return Ok(());
    }
    let (asked, now) = (rfc3339::format(time.0.0), rfc3339::format(now.0));
    Err(RequestError::BadInput { field, why: format!("{asked} is in the future; it is {now} now") })
}

/// Waits until rows can be read as of `offset`.
pub(crate) async fn reach(rows: &Rows, offset: Offset) -> Result<(), RequestError> {
    in_time(rows, offset, rows.wait_for(offset)).await
}

/// Waits until the answer to the command at `command` can be read.
pub(crate) async fn answered(rows: &Rows, command: Offset) -> Result<(), RequestError> {
    in_time(rows, command, rows.wait_answered(command)).await
}

async fn in_time(
    rows: &Rows,
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
    rows.check()?;
    Err(RequestError::Ahead { asked, newest: rows.newest() })
}
