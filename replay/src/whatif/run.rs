//! One run of a fork: how it is paced, how far it goes, and what it comes to.

use std::collections::BTreeMap;

use allocator::{State, state::jobs::Job};
use command_log::memory::MemoryLog;
use log_schema::{Chain, Offset, job::JobKind};

use super::{
    Error, change::Changes, history::History, life::Source, measure::Measure, pace::Pace, queue::When,
    simulation::Simulation,
};

/// The most records that a fork appends beyond four times those of history: a cell whose tasks fail
/// and restart for ever never comes to rest.
const RECORDS_BEYOND_MAX: u64 = 1_000_000;

/// How far a fork runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To the time of history's last record.
    HistoryEnds,
    /// On until no batch task runs that is to end and none can be placed.
    WorkIsDone,
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// The fork's own log, from the first record that was undecided at the fork.
    pub log: MemoryLog,
    /// What was measured.
    pub measure: Measure,
    /// The state at the end.
    pub state: State,
    /// When the last thing happened.
    pub end: u64,
    /// One past the fork's last record.
    pub next: Offset,
    /// The chain up to and with the fork's last record.
    pub chain: Chain,
    /// The first record that is not history's.
    pub parted: Option<Offset>,
    /// Starts that ended by themselves, by where their length came from.
    pub ended: BTreeMap<Source, u64>,
    /// Whether it was stopped for its number of records.
    pub cut_short: bool,
}

/// Runs a fork of a history.
pub fn run(history: &History, changes: &Changes, pace: Pace, until: Until) -> Result<Run, Error> {
    let mut simulation = Simulation::at_fork(history, changes, pace)?;
    let mut cut_short = false;
    while let Some(next) = simulation.next_when().filter(|next| !simulation.is_over(*next, until)) {
        simulation.step(next)?;
        cut_short = simulation.is_too_long();
        if cut_short {
            break;
        }
    }
    Ok(simulation.finish(cut_short))
}

impl Simulation<'_> {
    fn is_over(&self, next: When, until: Until) -> bool {
        self.past().is_none()
            && match until {
                Until::HistoryEnds => next.time > self.history.end,
                // Not before the last of history is answered: its last records may be what agents repeated after all
                // work was done, and a change at the very end has to be answered too. A run that has none must not end
                // earlier, or what happens meanwhile would be counted in the other run alone.
                Until::WorkIsDone => {
                    next.time > self.history.answered_by()
                        && !self.agents.has_open()
                        && !self.log.has_commands()
                        && !self.has_work()
                }
            }
    }

    /// Whether something of a batch job goes on without any report or command.
    fn has_work(&self) -> bool {
        let waits = |job: &Job| job.spec.kind == JobKind::Batch && !job.backing_off.is_empty();
        self.state.has_backlog() || self.state.jobs.iter().any(waits)
    }

    fn is_too_long(&self) -> bool {
        let max = 4 * self.history.records.len() as u64 + RECORDS_BEYOND_MAX;
        self.log.next().0 - self.history.fork.0 > max
    }

    fn finish(self, cut_short: bool) -> Run {
        let (next, chain, parted) = (self.log.next(), self.log.chain(), self.log.parted());
        Run {
            log: self.log.into_log(),
            measure: self.measure,
            state: self.state,
            end: self.now.time.max(self.history.end),
            next,
            chain,
            parted,
            ended: self.agents.ended(),
            cut_short,
        }
    }
}
