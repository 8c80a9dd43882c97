//! The fold of decisions into the projections: one more cursor of the hub, and nobody waits for it
//! but those who read rows.
//!
//! Rows that turn out to be damaged are dropped and built again from the log. Requests that read rows are told to
//! wait until then; links, streams of events and the hub do not need them.

use std::{pin::pin, sync::Arc};

use command_log::error::chain;
use projector::{Decided, Error, Opened, Projector, Why};

use super::Rows;
use crate::{
    hub::{Cursor, Entry, Halted, Hub, cursor},
    shutdown::Shutdown,
};

/// How often one run of a gateway builds its rows again: a disk that damages them again and again is no place for them.
const REBUILDS_MAX: u32 = 3;
/// What to do about projections that cannot go on.
const HINT: &str = "start the gateway again with an empty directory of projections; the log is not touched";
/// What to do about projections that have no room.
const HINT_SPACE: &str = "make room on the disk of the projections, then start again; the log is not touched";
/// What to do about projections that do not stay what they are.
const HINT_DISK: &str = "look at the disk of the projections, then start again; the log is not touched";

/// Folds until the gateway ends: then what was begun is ended first, so that nobody holds the projections any more.
pub(crate) async fn fold(hub: Arc<Hub>, rows: Arc<Rows>, cursor: Cursor, projector: Projector, shutdown: Shutdown) {
    let is_new = *projector.opened() != Opened::Resumed;
    let mut fold = Fold { hub, rows, cursor, is_new, rebuilds: 0, was_read: false };
    let mut projector = Some(projector);
    let mut over = pin!(shutdown.over());
    while let Some(at_hand) = projector {
        let damaged = at_hand.damaged();
        let damage = tokio::select! {
            () = &mut over => return,
            damage = damaged => damage,
            advanced = fold.cursor.advance() => match advanced {
                Ok(entries) => {
                    projector = fold.take(at_hand, entries).await;
                    continue;
                }
                // The hub has said why.
                Err(cursor::Error::Halted) => return,
                Err(error) => {
                    return fold.hub.halt(Halted { what: chain(&error), hint: "start the gateway again" });
                }
            }
        };
        projector = fold.rebuild(at_hand, damage).await;
    }
}

/// What the fold knows beside the projector, which is lent to threads that may wait for the disk.
struct Fold {
    hub: Arc<Hub>,
    rows: Arc<Rows>,
    cursor: Cursor,
    /// Whether all rows were folded in this run. Rows that contradict the log are damaged otherwise.
    is_new: bool,
    rebuilds: u32,
    /// Whether it was said that requests are answered.
    was_read: bool,
}

impl Fold {
    /// Folds what counts in some entries. None where nothing can be folded any more, which the hub knows then.
    async fn take(&mut self, mut projector: Projector, entries: Vec<Entry>) -> Option<Projector> {
        let decided: Vec<Arc<Decided>> = entries.into_iter().filter_map(decision).collect();
        let reached = self.cursor.position().previous();
        let folded = tokio::task::spawn_blocking(move || {
            let folded = projector.fold(&decided).map(|_| ());
            if folded.is_ok() {
                reached.iter().for_each(|reached| projector.reached(*reached));
            }
            (projector, folded)
        });
        match folded.await {
            Ok((projector, Ok(()))) => {
                self.note_read();
                Some(projector)
            }
            Ok((projector, Err(error))) if self.is_damage(&error) => self.rebuild(projector, chain(&error)).await,
            Ok((_, Err(error))) => self.halt(&error),
            Err(panicked) => self.halt(&panicked),
        }
    }

    /// Whether the rows are to blame for an error, and not the log.
    fn is_damage(&self, error: &Error) -> bool {
        error.is_damage() || (matches!(error, Error::Contradiction { .. }) && !self.is_new)
    }

    /// Drops the rows, and begins to fold from the beginning of the log.
    async fn rebuild(&mut self, mut projector: Projector, detail: String) -> Option<Projector> {
        if self.rebuilds == REBUILDS_MAX {
            let what =
                format!("the projections were built again {REBUILDS_MAX} times, and are damaged again: {detail}");
            self.hub.halt(Halted { what, hint: HINT_DISK });
            return None;
        }
        tracing::warn!(detail, "the projections are damaged, and are built again from the log");
        (self.rebuilds, self.is_new, self.was_read) = (self.rebuilds + 1, true, false);
        self.rows.begin_again();
        let rebuilt = tokio::task::spawn_blocking(move || {
            let rebuilt = projector.rebuild(Why::Corrupt { detail });
            (projector, rebuilt)
        });
        match rebuilt.await {
            Ok((projector, Ok(()))) => {
                self.cursor = Cursor::oldest(&self.hub);
                Some(projector)
            }
            Ok((_, Err(error))) => self.halt(&error),
            Err(panicked) => self.halt(&panicked),
        }
    }

    fn halt(&self, error: &(dyn std::error::Error + 'static)) -> Option<Projector> {
        let is_out_of_space = error.downcast_ref().is_some_and(Error::is_out_of_space);
        self.hub.halt(Halted { what: chain(error), hint: if is_out_of_space { HINT_SPACE } else { HINT } });
        None
    }

    fn note_read(&mut self) {
        if !self.was_read && self.rows.reading().is_none() {
            self.was_read = true;
            tracing::info!(offset = %self.rows.newest(), "the log is read; requests are answered");
        }
    }
}

fn decision(entry: Entry) -> Option<Arc<Decided>> {
    match entry {
        Entry::Decision(decided) => Some(decided),
        Entry::Epoch(_) => None,
    }
}
