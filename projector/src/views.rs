//! Where readers begin: a cheap handle that gives scopes, and waits for the fold.

use std::sync::{Arc, RwLock};

use log_schema::{Offset, TimeMs};
use tokio::sync::watch;

use crate::{Check, Error, Position, Scope, store::Store};

/// How far readers can see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The last decision that was folded.
    pub(crate) position: Option<Position>,
    /// Up to where the log is known to hold no other decision, if it was read at all.
    pub(crate) reached: Option<Offset>,
}

impl Progress {
    pub(crate) fn at(position: Option<&Position>) -> Self {
        Self { position: position.cloned(), reached: None }
    }

    fn newest(&self) -> Offset {
        self.seen().unwrap_or_default()
    }

    /// The last offset that the rows reflect, if there is one.
    fn seen(&self) -> Option<Offset> {
        self.position.as_ref().map(|position| position.offset).max(self.reached)
    }

    fn has_answered(&self, command: Offset) -> bool {
        self.position.as_ref().is_some_and(|position| position.to >= command)
    }
}

/// The database that is read now: another one once the rows are built again.
#[derive(Clone)]
pub(crate) struct Current(Arc<RwLock<Arc<Store>>>);

impl Current {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self(Arc::new(RwLock::new(Arc::clone(store))))
    }

    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.0.read().expect("nobody panics while holding the store"))
    }

    pub(crate) fn replace(&self, store: &Arc<Store>) {
        *self.0.write().expect("nobody panics while holding the store") = Arc::clone(store);
    }
}

/// A handle for readers. Clones are cheap and see the same rows.
#[derive(Clone)]
pub struct Views {
    store: Current,
    progress: watch::Receiver<Progress>,
}

impl Views {
    pub(crate) fn new(store: Current, progress: watch::Receiver<Progress>) -> Self {
        Self { store, progress }
    }

    /// The rows as of an offset, or as of the newest one.
    ///
    /// An offset below the horizon is [`Error::Trimmed`], one that is not folded yet [`Error::Ahead`].
    pub fn as_of(&self, offset: Option<Offset>) -> Result<Scope, Error> {
        let newest = self.newest();
        let asked = offset.unwrap_or(newest);
        if asked > newest {
            return Err(Error::Ahead { asked, newest });
        }
        Scope::new(self.store.store(), asked)
    }

    /// The newest offset that rows can be read as of. 0 before the first decision: there is nothing then.
    pub fn newest(&self) -> Offset {
        self.progress.borrow().newest()
    }

    /// The first offset of the log that the rows do not reflect.
    pub fn next(&self) -> Offset {
        self.progress.borrow().seen().map_or(Offset(0), Offset::next)
    }

    /// The oldest offset that rows can be read as of.
    pub fn horizon(&self) -> Offset {
        self.store.store().horizon()
    }

    /// A check of what is there now, to be done in slices; none where nothing is folded yet.
    pub fn check(&self) -> Result<Option<Check>, Error> {
        Check::begin(self.store.store())
    }

    /// The last decision that was folded.
    pub fn position(&self) -> Option<Position> {
        self.progress.borrow().position.clone()
    }

    /// Waits until rows can be read as of `offset`, and returns the newest offset.
    pub async fn wait_for(&self, offset: Offset) -> Result<Offset, Error> {
        self.wait(|progress| progress.newest() >= offset).await
    }

    /// Waits until the rows reflect all of the log before `end`.
    pub async fn wait_before(&self, end: Offset) -> Result<Offset, Error> {
        self.wait(|progress| progress.seen().map_or(Offset(0), Offset::next) >= end).await
    }

    /// Waits until the command at `command` is answered in the rows, and returns the newest offset:
    /// read as of that to read your own write.
    pub async fn wait_answered(&self, command: Offset) -> Result<Offset, Error> {
        self.wait(|progress| progress.has_answered(command)).await
    }

    async fn wait(&self, is_there: impl Fn(&Progress) -> bool) -> Result<Offset, Error> {
        let mut progress = self.progress.clone();
        let there = progress.wait_for(is_there).await.map_err(|_| Error::Stopped)?;
        Ok(there.newest())
    }

    /// The last decision at or before a time of append; 0 if there is none. Where times ran
    /// backwards, a decision counts as made at the latest time before it.
    ///
    /// A search by halves over the decisions: some thirty reads.
    pub fn offset_at_time(&self, time: TimeMs) -> Result<Offset, Error> {
        let scope = self.as_of(None)?;
        let horizon = scope.store.horizon();
        let (mut first, mut end, mut found) = (horizon.0, scope.offset().0 + 1, None);
        while first < end {
            let middle = first + (end - first) / 2;
            match scope.decision_up_to(Offset(middle))? {
                Some(late) if late.latest > time => end = late.at.offset.0,
                Some(early) => (first, found) = (middle + 1, Some(early.at.offset)),
                None => first = middle + 1,
            }
        }
        match found {
            Some(offset) => Ok(offset),
            None if horizon == Offset(0) => Ok(Offset(0)),
            None => Err(Error::TrimmedTime { asked: time, horizon }),
        }
    }
}

impl std::fmt::Debug for Views {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Views").field("newest", &self.newest()).field("horizon", &self.horizon()).finish()
    }
}
