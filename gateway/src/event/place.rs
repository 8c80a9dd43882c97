//! Whether a place that a client gives is one in this log: reached, kept, and for a cursor an event.
//!
//! A client that names another place would miss events, get those of another one, or wait for none.

use log_schema::{DecisionV1, Offset};

use super::{EventCursor, Since};
use crate::{
    error::RequestError,
    hub::{
        Hub,
        cursor::{self, read_decision},
    },
};

/// The decision that a cursor is in, which the client gave as `field`.
pub(crate) async fn check_cursor(
    hub: &Hub,
    field: &'static str,
    cursor: EventCursor,
) -> Result<DecisionV1, RequestError> {
    check_reached(hub, cursor.offset).await?;
    let decision = match read_decision(hub, cursor.offset).await {
        Err(error @ cursor::Error::NotADecision { .. }) => return Err(RequestError::bad(field, &error)),
        read => read?,
    };
    let events = decision.events().count();
    // A page may end behind a decision without events: it gives that place as the cursor of its first one.
    if cursor.index < events.max(1) {
        return Ok(decision);
    }
    let why = format!("{cursor} is not the cursor of an event: the decision at offset {} has {events}", cursor.offset);
    Err(RequestError::BadInput { field, why })
}

/// Refuses a place that the log has not reached.
pub(crate) async fn check_reached(hub: &Hub, offset: Offset) -> Result<(), RequestError> {
    let marks = hub.log.watermarks().await.map_err(cursor::Error::from)?;
    if offset < marks.high || offset == Offset(0) {
        return Ok(());
    }
    Err(RequestError::Ahead { asked: offset, newest: marks.high.previous().unwrap_or_default() })
}

/// Refuses an end of a page that is no place in the log, is not reached yet, or is not kept any more.
pub(crate) async fn check_end(hub: &Hub, end: Option<Since>) -> Result<(), RequestError> {
    match end {
        None | Some(Since::Start | Since::Now) => Ok(()),
        Some(Since::Event(event)) => check_cursor(hub, "before", event).await.map(drop),
        Some(Since::Offset(offset)) => {
            check_reached(hub, offset).await?;
            let low = hub.log.watermarks().await.map_err(cursor::Error::from)?.low;
            if offset < low {
                return Err(cursor::Error::Log(command_log::Error::BelowLow { from: offset, low }).into());
            }
            Ok(())
        }
    }
}
