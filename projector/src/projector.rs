//! The writer of a projection: decisions in, one write batch out.

use std::{
    borrow::Borrow,
    path::{Path, PathBuf},
    sync::Arc,
};

use log_schema::{AnswerV1, Offset};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    Decided, Error, Position, Views, directory,
    fold::{Fault, Now, Tables},
    row::{DecisionRow, RefusalRow, View, timeline},
    store::Store,
    tally::Tallies,
    views::{Current, Progress},
};

/// How large a write batch may grow before it is written, in bytes. It ends with a whole decision.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// After how many decisions the horizon is raised, where a retention is set.
pub const TRIM_EVERY_DECISIONS: u64 = 1024;
/// After how many decisions it is tried again, where log time had not passed by as much as the wall clock.
const TRIM_AGAIN_DECISIONS: u64 = 4;

/// How a projection is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the cell; rows of another cell are dropped.
    pub cell: String,
    /// For how long rows can be read as of the past, in milliseconds before the newest decision.
    /// None: for ever.
    pub retention_ms: Option<u64>,
    /// How many rows of each kind are kept in memory for the fold.
    pub cache_rows_max: usize,
    /// The size of RocksDB's write buffers and of its block cache, each.
    pub memory_bytes: usize,
    /// Whether to drop what is there and begin anew.
    pub rebuild: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cell: "main".into(),
            retention_ms: None,
            cache_rows_max: 200_000,
            memory_bytes: 64 * 1024 * 1024,
            rebuild: false,
        }
    }
}

/// What was found in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nothing: the log is to be folded from its beginning.
    Fresh,
    /// Rows up to a position: the log is to be folded from there.
    Resumed,
    /// Rows that cannot be used, and are dropped: the log is to be folded from its beginning.
    Rebuilt(Why),
}

/// Why rows were dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are text for people")]
pub enum Why {
    /// The caller asked for it.
    Asked,
    /// They belong to another cell, or to a program with other projections or other events.
    Label { difference: String },
    /// They cannot be read, or they are not all that was written.
    Corrupt { detail: String },
}

/// The one writer of a projection.
pub struct Projector {
    dir: PathBuf,
    store: Arc<Store>,
    /// What readers have of it.
    current: Current,
    tables: Tables,
    options: Options,
    position: Option<Position>,
    progress: watch::Sender<Progress>,
    opened: Opened,
    untrimmed: u64,
}

/// Drops the projection in a directory. Nothing may have it open.
pub fn destroy(dir: &Path) -> Result<(), Error> {
    directory::destroy(dir)
}

impl Projector {
    /// Opens the projection in `dir`, or begins one. [`Projector::opened`] tells which, and
    /// [`Projector::position`] where to go on in the log.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        let (store, opened) = directory::open(dir, &options)?;
        match &opened {
            Opened::Fresh | Opened::Resumed => info!(dir = %dir.display(), ?opened, "projection is open"),
            Opened::Rebuilt(why) => warn!(dir = %dir.display(), ?why, "projection is dropped and rebuilt"),
        }
        let store = Arc::new(store);
        let (position, tables) = begin(&store, &options)?;
        let (progress, _) = watch::channel(Progress::at(position.as_ref()));
        let (dir, current) = (dir.to_path_buf(), Current::new(&store));
        // The first decisions of each run trim: a run may be shorter than the pause.
        let untrimmed = TRIM_EVERY_DECISIONS;
        Ok(Self { dir, store, current, tables, options, position, progress, opened, untrimmed })
    }

    /// Drops the rows and begins again from nothing, in a database of its own: readers that are under way
    /// end with the old one. The log is to be folded from its beginning.
    pub fn rebuild(&mut self, why: Why) -> Result<(), Error> {
        warn!(dir = %self.dir.display(), ?why, "projection is dropped and rebuilt");
        let store = Arc::new(directory::begin_again(&self.dir, &self.options)?);
        // First the progress, then the rows: nobody reads the new rows as of an offset of the old ones.
        self.progress.send_modify(|progress| *progress = Progress::at(None));
        self.current.replace(&store);
        (self.position, self.tables) = begin(&store, &self.options)?;
        (self.store, self.opened, self.untrimmed) = (store, Opened::Rebuilt(why), 0);
        Ok(())
    }

    /// Resolves when a reader or a check has met damage in the rows; says what. They are to be built again.
    pub fn damaged(&self) -> impl Future<Output = String> + Send + use<> {
        let mut damage = self.store.damage();
        async move {
            let found = damage.wait_for(Option::is_some).await;
            let found = found.ok().and_then(|found| found.clone());
            match found {
                Some(damage) => damage,
                // The database is gone, and nobody reads it.
                None => std::future::pending().await,
            }
        }
    }

    /// What was found in the directory.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The last decision that the rows contain, if there is one.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// A handle for readers.
    pub fn views(&self) -> Views {
        Views::new(self.current.clone(), self.progress.subscribe())
    }

    /// Folds accepted decisions, in the order of the log, and returns the new position. All of them
    /// are then on disk as far as this process is concerned, and readers see them.
    ///
    /// On an error the decisions of the last write batch are not kept: [`Projector::position`] says
    /// what is, and the same call may be made again from there.
    pub fn fold<D: Borrow<Decided>>(&mut self, decisions: &[D]) -> Result<Option<&Position>, Error> {
        let folded = self.fold_all(decisions);
        if folded.is_err() {
            (self.position, self.tables) = begin(&self.store, &self.options)?;
        }
        folded?;
        self.trim_to_retention()?;
        Ok(self.position.as_ref())
    }

    /// Notes that the log was read up to `offset`, though no decision was accepted there: rows can be
    /// read as of it.
    pub fn reached(&mut self, offset: Offset) {
        self.progress.send_modify(|progress| progress.reached = progress.reached.max(Some(offset)));
    }

    /// Makes `below` the horizon: no row can be read as of an offset below it. The newest offset stays
    /// readable. What is trimmed leaves the disk as RocksDB compacts.
    pub fn trim(&mut self, below: Offset) -> Result<(), Error> {
        let Some(position) = &self.position else { return Ok(()) };
        let horizon = below.min(position.offset);
        if horizon > self.store.horizon() { self.store.raise_horizon(horizon) } else { Ok(()) }
    }

    fn trim_to_retention(&mut self) -> Result<(), Error> {
        let (Some(keep), Some(position)) = (self.options.retention_ms, &self.position) else { return Ok(()) };
        if self.untrimmed < TRIM_EVERY_DECISIONS {
            return Ok(());
        }
        self.untrimmed = 0;
        let since = log_schema::TimeMs(position.latest.0.saturating_sub(keep));
        match self.views().offset_at_time(since) {
            Ok(offset) if self.has_passed(offset, keep)? => self.trim(offset),
            Ok(_) => {
                self.untrimmed = TRIM_EVERY_DECISIONS - TRIM_AGAIN_DECISIONS;
                Ok(())
            }
            Err(Error::TrimmedTime { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Whether as much log time has passed since an offset. Wall clocks jump, and one that was set years ahead for a
    /// minute must not cost a cell its history; log time follows none of these jumps.
    fn has_passed(&self, since: Offset, keep_ms: u64) -> Result<bool, Error> {
        let log_time = |at| Ok::<u64, Error>(self.views().as_of(at)?.cell()?.now.0);
        Ok(log_time(None)?.saturating_sub(log_time(Some(since))?) >= keep_ms)
    }

    fn fold_all<D: Borrow<Decided>>(&mut self, decisions: &[D]) -> Result<(), Error> {
        for decided in decisions {
            let decided = decided.borrow();
            self.check_follows(decided)?;
            self.fold_one(decided).map_err(|fault| explain(decided, fault))?;
            self.position = Some(Position::after(self.position.as_ref(), decided));
            self.untrimmed += 1;
            if self.tables.batch.bytes() >= BATCH_BYTES_MAX {
                self.write()?;
            }
        }
        self.write()
    }

    fn check_follows(&self, decided: &Decided) -> Result<(), Error> {
        let Some(position) = &self.position else { return Ok(()) };
        let (at, from, expected) = (decided.offset, decided.decision.from, position.to.next());
        if at <= position.offset {
            return Err(Error::OutOfOrder { at, last: position.offset });
        }
        if from != expected {
            return Err(Error::Gap { at, from, expected });
        }
        Ok(())
    }

    fn fold_one(&mut self, decided: &Decided) -> Result<(), (&'static str, Fault)> {
        let at = decided.offset;
        let latest = Position::after(self.position.as_ref(), decided).latest;
        self.tables.batch.move_to(at);
        self.tables.batch.fact(at, &DecisionRow::of(decided, latest));
        let mut index = 0;
        for answer in &decided.decision.answers {
            self.note_answer(decided, answer);
            for event in &answer.events {
                let asked = answer.asked.as_ref();
                let now = Now { moment: decided.moment(), command: answer.at, index, asked };
                self.tables.apply(&now, event).map_err(|fault| (event.name(), fault))?;
                self.tables.batch.fact_with(at, |key, value| timeline::write(&now, event, key, value));
                index += 1;
            }
        }
        self.tables.seal(at);
        Ok(())
    }

    /// Keeps what is said of an answer beside its events: a refusal, a repeat, a key.
    fn note_answer(&mut self, decided: &Decided, answer: &AnswerV1) {
        let batch = &mut self.tables.batch;
        if let Some(refusal) = RefusalRow::of(decided.moment(), answer) {
            batch.fact(decided.offset, &refusal);
        }
        if let Some(first) = answer.repeats {
            batch.fact_with(decided.offset, |key, value| {
                key.push(View::Repeats as u8);
                key.extend_from_slice(&answer.at.0.to_be_bytes());
                rmp_serde::encode::write(value, &first).is_ok()
            });
        } else if let Some(asked) = &answer.asked {
            batch.fact_with(decided.offset, |key, value| {
                crate::key::write_key_prefix(&asked.principal, &asked.key, key);
                key.extend_from_slice(&answer.at.0.to_be_bytes());
                rmp_serde::encode::write(value, &answer.at).is_ok()
            });
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        let Some(position) = &self.position else { return Ok(()) };
        if self.tables.batch.is_empty() {
            return Ok(());
        }
        self.store.write(self.tables.batch.take(), position, self.tables.batch.tallies())?;
        self.tables.trim();
        self.progress.send_modify(|progress| progress.position = Some(position.clone()));
        Ok(())
    }
}

impl std::fmt::Debug for Projector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projector").field("position", &self.position).finish_non_exhaustive()
    }
}

/// Where a database is, and empty caches over it.
fn begin(store: &Arc<Store>, options: &Options) -> Result<(Option<Position>, Tables), Error> {
    let kept = store.kept()?;
    let tallies = kept.as_ref().map_or_else(Tallies::default, |kept| kept.tallies);
    Ok((kept.map(|kept| kept.position), Tables::new(store, options.cache_rows_max, tallies)))
}

fn explain(decided: &Decided, (event, fault): (&'static str, Fault)) -> Error {
    match fault {
        Fault::Contradiction(source) => Error::Contradiction { at: decided.offset, event, source },
        Fault::Read(error) => error,
    }
}
