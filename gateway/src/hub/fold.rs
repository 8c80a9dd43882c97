//! The fold of decisions into the projections: one more cursor of the hub, and nobody waits for it
//! but those who read rows.

use std::{pin::pin, sync::Arc};

use projector::{Decided, Projector};

use super::{Cursor, Entry, Halted, Hub};
use crate::{error::chain, gateway::Shutdown};

/// What to do about projections that cannot go on.
const HINT: &str = "move the projections' directory away to have them built again; the log is not touched";

/// Folds on and on, what has come meanwhile in one batch, until the gateway ends: then what was begun
/// is ended first, so that nobody holds the projections any more.
pub(crate) async fn fold(hub: Arc<Hub>, mut cursor: Cursor, mut projector: Projector, shutdown: Shutdown) {
    let mut over = pin!(shutdown.over());
    loop {
        let advanced = tokio::select! {
            () = &mut over => return,
            advanced = cursor.advance() => advanced,
        };
        let entries = match advanced {
            Ok(entries) => entries,
            // The hub has said why.
            Err(super::cursor::Error::Halted) => return,
            Err(error) => return hub.halt(Halted { what: chain(&error), hint: "start the gateway again" }),
        };
        let decided: Vec<Arc<Decided>> = entries.into_iter().filter_map(decision).collect();
        let reached = cursor.position().previous();
        let folded = tokio::task::spawn_blocking(move || {
            let folded = projector.fold(&decided).map(|_| ());
            reached.iter().for_each(|reached| projector.reached(*reached));
            (projector, folded)
        });
        match folded.await {
            Ok((back, Ok(()))) => projector = back,
            Ok((_, Err(error))) => return hub.halt(Halted { what: chain(&error), hint: HINT }),
            Err(error) => return hub.halt(Halted { what: chain(&error), hint: HINT }),
        }
    }
}

fn decision(entry: Entry) -> Option<Arc<Decided>> {
    match entry {
        Entry::Decision(decided) => Some(decided),
        Entry::Epoch(_) => None,
    }
}
