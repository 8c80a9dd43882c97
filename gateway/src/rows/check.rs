//! The check of all rows, bit by bit, while they are used: a disk may damage them long after they were written.

use std::{sync::Arc, time::Duration};

use projector::{Check, Slice};

use super::Rows;
use crate::shutdown::Shutdown;

/// The pause after a slice: the check takes a few percent of one core at most.
const SLICE_EVERY: Duration = Duration::from_millis(500);
/// The pause after all was looked at.
const ROUND_EVERY: Duration = Duration::from_secs(60 * 60);

/// Checks round after round, until the gateway ends. Damage is told to the fold, which builds the rows again.
pub(crate) async fn keep_checking(rows: Arc<Rows>, shutdown: Shutdown) {
    tokio::select! {
        () = shutdown.over() => {}
        () = rounds(&rows) => {}
    }
}

async fn rounds(rows: &Rows) {
    // An error means that there is no fold any more.
    while rows.read().await.is_ok() {
        let pause = if round(rows).await { ROUND_EVERY } else { SLICE_EVERY };
        tokio::time::sleep(pause).await;
    }
}

/// Checks everything once; false where it could not be ended.
async fn round(rows: &Rows) -> bool {
    let Ok(Some(mut check)) = rows.views.check() else { return false };
    loop {
        tokio::time::sleep(SLICE_EVERY).await;
        match slice(check).await {
            Some((_, Slice::Whole)) => return true,
            Some((back, Slice::More)) => check = back,
            Some((_, Slice::Passed)) | None => return false,
        }
    }
}

/// Does some more of a check; none where it cannot go on.
async fn slice(mut check: Check) -> Option<(Check, Slice)> {
    let looked = tokio::task::spawn_blocking(move || {
        let found = check.slice();
        (check, found)
    });
    match looked.await {
        Ok((check, Ok(found))) => Some((check, found)),
        Ok((_, Err(error))) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the projections could not be checked");
            None
        }
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => None,
        },
    }
}
