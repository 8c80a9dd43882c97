//! The one reader of the log in a gateway: judges every record once and wakes whoever waits.
//!
//! ```text
//!            log ──> follow ──> judge ──┬──> ring of recent entries ──> cursors: folds, events, links
//!                                       └──> answers to commands    ──> mutations
//! ```
//!
//! A cursor that falls behind the ring reads the log by itself, so nobody slows the hub, and through
//! it anybody else. The hub folds nothing and keeps nothing that cannot be read again.

mod answers;
pub(crate) mod ask;
pub(crate) mod cursor;
mod follow;
mod ring;
mod specs;

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use command_log::{Log, reader, reader::Counts};
use log_schema::{Chain, DecisionV1, EpochNumber, EpochV1, JobId, Offset, Record, TimeMs, job::JobSpecV1};
use projector::Decided;
use tokio::sync::watch;

pub(crate) use answers::Answered;
use answers::Answers;
pub(crate) use cursor::Cursor;
pub(crate) use follow::follow;
use ring::Ring;
use specs::Specs;

/// What counts in the log: everything that is not a command, not void and not a repetition.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A new reign.
    Epoch(Arc<Reign>),
    /// Answers.
    Decision(Arc<Decided>),
}

/// An epoch that counts, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Reign {
    pub(crate) offset: Offset,
    pub(crate) time: TimeMs,
    pub(crate) claim: EpochV1,
    /// As it is in the log.
    pub(crate) record: Record,
}

impl Entry {
    /// Where it is.
    pub(crate) fn offset(&self) -> Offset {
        match self {
            Self::Epoch(reign) => reign.offset,
            Self::Decision(decided) => decided.offset,
        }
    }
}

/// A place from which the log can be judged on: right after what one decision answered.
///
/// ```text
///  offset   4     5       6       7     8
///          cmd   cmd   D 4..=4   cmd   cmd
///                 ▲               ▲
///                next           behind          of the anchor of D
/// ```
///
/// What lies between the two is judged again, so that chains can be compared, and is no news: D and
/// whatever came before it count as repetitions there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Anchor {
    pub(crate) epoch: EpochNumber,
    pub(crate) to: Option<Offset>,
    pub(crate) chain: Chain,
    /// Where the decision is.
    pub(crate) decided: Option<Offset>,
}

impl Anchor {
    /// The anchor that the decision at `at` drops.
    pub(crate) fn of(at: Offset, decision: &DecisionV1) -> Self {
        Self { epoch: decision.epoch, to: Some(decision.to), chain: decision.chain, decided: Some(at) }
    }

    /// The first offset to be judged again.
    pub(crate) fn next(&self) -> Offset {
        self.to.map_or(Offset(0), Offset::next)
    }

    /// The first offset behind the decision.
    pub(crate) fn behind(&self) -> Offset {
        self.decided.map_or(Offset(0), Offset::next)
    }

    /// A reader that goes on from here.
    pub(crate) fn reader(&self) -> reader::Reader {
        reader::Reader::resume(self.epoch, self.to, self.next(), self.chain)
    }
}

/// How far the hub has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// The first offset that was neither judged nor folded before the gateway began.
    pub(crate) next: Offset,
    /// Where the newest decision is.
    pub(crate) decided: Option<Offset>,
    /// The last offset that was answered.
    pub(crate) answered: Option<Offset>,
    /// The current reign.
    pub(crate) epoch: EpochNumber,
    /// The chain as the newest decision states it.
    pub(crate) chain: Chain,
    /// What was judged since the gateway began, without what had been folded by then.
    pub(crate) counts: Counts,
    /// Nothing will come any more; see [`Hub::halted`].
    pub(crate) halted: bool,
}

/// Why a gateway reads no further.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}; {hint}")]
pub struct Halted {
    /// What happened, with its causes.
    pub what: String,
    /// What a person can do.
    pub hint: &'static str,
}

/// The shared half of the hub.
pub(crate) struct Hub {
    pub(crate) log: Arc<dyn Log>,
    state: Mutex<State>,
    progress: watch::Sender<Progress>,
    halted: OnceLock<Halted>,
    reign: Mutex<Option<Arc<Reign>>>,
    pub(crate) appended: AtomicU64,
}

struct State {
    ring: Ring,
    answers: Answers,
    specs: Specs,
}

impl Hub {
    /// A hub that has judged nothing yet and goes on from `anchor`.
    pub(crate) fn new(log: Arc<dyn Log>, anchor: Anchor) -> Arc<Self> {
        let Anchor { epoch, to: answered, chain, decided } = anchor;
        let progress = Progress { next: anchor.behind(), decided, answered, epoch, chain, ..Progress::default() };
        let state = State { ring: Ring::new(anchor), answers: Answers::default(), specs: Specs::default() };
        Arc::new(Self {
            log,
            state: Mutex::new(state),
            progress: watch::Sender::new(progress),
            halted: OnceLock::new(),
            reign: Mutex::default(),
            appended: AtomicU64::new(0),
        })
    }

    /// How far the hub has come, and a way to wait for more.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// How far the hub has come now.
    pub(crate) fn now(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Who leads, where that was read since the gateway began.
    pub(crate) fn reign(&self) -> Option<Arc<Reign>> {
        self.reign.lock().expect("nobody panics while holding the reign").clone()
    }

    /// Why nothing will come any more, if so.
    pub(crate) fn halted(&self) -> Option<&Halted> {
        self.halted.get()
    }

    /// Stops everything that waits. The first reason is kept.
    pub(crate) fn halt(&self, why: Halted) {
        tracing::error!(what = %why.what, hint = why.hint, "the gateway reads no further");
        let _ = self.halted.set(why);
        self.progress.send_modify(|progress| progress.halted = true);
        // A panic of whoever held the ring may be why the gateway halts.
        self.state.lock().unwrap_or_else(PoisonError::into_inner).answers.abandon();
    }

    /// Takes what was judged, answers whoever waits for it, then moves on and wakes the cursors.
    fn publish(&self, entries: Vec<(Entry, usize)>, mut progress: Progress) {
        let mut state = self.state();
        for (entry, bytes) in entries {
            match &entry {
                Entry::Epoch(reign) => self.reigns(reign),
                Entry::Decision(decided) => {
                    (progress.decided, progress.chain) = (Some(decided.offset), decided.decision.chain);
                    state.answers.resolve(decided);
                    state.specs.note(decided);
                }
            }
            state.ring.push(entry, bytes);
        }
        state.ring.reach(progress.next);
        drop(state);
        self.progress.send_modify(|before| *before = Progress { halted: before.halted, ..progress });
    }

    fn reigns(&self, reign: &Arc<Reign>) {
        *self.reign.lock().expect("nobody panics while holding the reign") = Some(Arc::clone(reign));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the ring")
    }

    /// The spec of a job as it was in the decision at `at`, where it was accepted lately.
    pub(crate) fn spec(&self, job: &JobId, at: Offset) -> Option<Arc<JobSpecV1>> {
        self.state().specs.get(job, at)
    }

    /// How many commands this gateway appended.
    pub(crate) fn commands_appended(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }
}
