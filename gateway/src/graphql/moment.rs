//! Which moment an answer is of: `at:` and `minOffset:` of a root field, and one moment for the rest.

mod latest;

use std::sync::Mutex;

use async_graphql::{Context, OneofObject, Request};
use log_schema::Offset;
use projector::Scope;

use super::{
    context::{caller, desk},
    error::graphql,
    scalar::{OffsetText, TimeText},
};
use crate::{
    desk::{Desk, read::Past},
    error::RequestError,
    identity::Caller,
};

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
    let (desk, caller) = (desk(ctx), caller(ctx));
    let min = min_offset.map(Offset::from);
    let scope = match at {
        Some(at) => past(desk, caller, at, min).await,
        None => present(desk, caller, ctx.data_opt::<Moments>(), min).await,
    };
    scope.map_err(graphql)
}

async fn past(desk: &Desk, caller: &Caller, at: At, min: Option<Offset>) -> Result<Scope, RequestError> {
    desk.reach(min.unwrap_or_default()).await?;
    desk.read(caller, Some(at.into()))
}

async fn present(
    desk: &Desk,
    caller: &Caller,
    shared: Option<&Moments>,
    min: Option<Offset>,
) -> Result<Scope, RequestError> {
    let latest = shared.map_or(Offset(0), |moments| moments.min);
    desk.reach(latest.max(min.unwrap_or_default())).await?;
    let Some(Moments { shared, .. }) = shared else { return desk.read(caller, None) };
    let mut shared = shared.lock().expect("nobody panics while holding the moment");
    if let Some(scope) = shared.as_ref().filter(|scope| min.is_none_or(|min| scope.offset() >= min)) {
        return Ok(scope.clone());
    }
    let scope = desk.read(caller, None)?;
    *shared = Some(scope.clone());
    Ok(scope)
}

impl From<At> for Past {
    fn from(at: At) -> Self {
        match at {
            At::Offset(offset) => Self::Offset(offset.into()),
            At::Time(time) => Self::Time(time.0),
        }
    }
}
