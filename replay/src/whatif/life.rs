//! How long a start lasts in a fork, and what its agent reports of it.
//!
//! In this order: what history saw of this very start; another finished run of the same task that
//! lasted longer than this one was seen; for a task that never ran, the run of the task whose index is
//! its own modulo the number of tasks of its job that did; the median of the finished tasks of its job
//! that lasted longer, or of the whole cell. A service of which no end was seen runs on.

use std::collections::BTreeMap;

use compact_str::CompactString;
use log_schema::{
    TaskId, TaskOwner, TaskState,
    job::JobKind,
    task::{EndReason, EndV1},
};

use super::{
    census::StartKey,
    script::{Place, Report, Script, Scripts},
    typical::Typical,
};

/// How long an agent takes to end a task, where history never saw one do it.
const KILL_MS_DEFAULT: u64 = 100;

/// Where the length of a start comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// History saw this start end.
    History,
    /// Another run of the same task.
    SameTask,
    /// A run of another task of the same job, by index.
    Twin,
    /// The median of the job.
    Job,
    /// The median of the cell.
    Cell,
    /// None: it runs until it is asked to end.
    Endless,
}

/// One report that a modelled agent will make.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Counted from the placement, or from the request to end it.
    pub after_ms: u64,
    /// What it says.
    pub state: TaskState,
    /// How the start ended, where it did.
    pub end: Option<EndV1>,
    /// Where history has it.
    pub place: Option<Place>,
}

/// What a modelled agent will report of a start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The reports, the end last.
    pub reports: Vec<Planned>,
    /// Where the length comes from.
    pub source: Source,
}

/// Delays of the tasks of one job, or of all.
#[derive(Clone, Debug, Default)]
struct Delays {
    starting: Typical,
    running: Typical,
    finished: Typical,
}

/// What is known of how long starts last.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    scripts: Scripts,
    /// The last time of history.
    until: u64,
    jobs: BTreeMap<(CompactString, u64), Delays>,
    /// For each job, one past the highest index that ever ran.
    ran: BTreeMap<(CompactString, u64), u32>,
    cell: Delays,
    kill: Typical,
}

impl Lives {
    /// Learns from the scripts of a history that ends at `until`.
    pub fn learn(scripts: Scripts, until: u64) -> Self {
        let mut lives = Self { until, ..Self::default() };
        for (key, script) in scripts.iter() {
            lives.learn_one(key, script);
        }
        lives.scripts = scripts;
        lives
    }

    /// Every start of history.
    pub fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// What the agent reports of a start.
    pub fn plan(&self, key: &StartKey, kind: JobKind) -> Plan {
        let script = self.scripts.get(key);
        let reports = script.into_iter().flat_map(Script::before).map(|report| planned(script, report)).collect();
        if let Some(end) = script.and_then(Script::natural_end) {
            let mut plan = Plan { reports, source: Source::History };
            plan.reports.push(planned(script, end));
            return plan;
        }
        match self.twin(key).filter(|_| script.is_none()) {
            Some(twin) if twin.natural_end().is_some() => plan_of_twin(twin),
            _ => self.modelled(key, kind, reports, script.map(|script| script.seen_ms(self.until))),
        }
    }

    /// The report that answers a request to end a start, with `after_ms` counted from the request.
    pub fn kill_answer(&self, key: &StartKey) -> Planned {
        let script = self.scripts.get(key);
        if let Some((killed, end)) = script.and_then(Script::kill_answer) {
            let after_ms = end.place.time - killed.time;
            return Planned { after_ms, state: end.state, end: end.end.clone(), place: Some(end.place) };
        }
        let unanswered = script.and_then(|script| {
            let killed = script.killed?;
            Some(script.closed.map_or(self.until, |closed| closed.time).saturating_sub(killed.time) + 1)
        });
        let after_ms = self.kill.median().unwrap_or(KILL_MS_DEFAULT).max(unanswered.unwrap_or(0));
        Planned { after_ms, state: TaskState::Killed, end: Some(EndV1::because(EndReason::Requested)), place: None }
    }

    /// What is left of a start of which no end is known: all of it comes after what was seen.
    fn modelled(&self, key: &StartKey, kind: JobKind, mut reports: Vec<Planned>, seen_ms: Option<u64>) -> Plan {
        let (length, source) = self.length(key, kind, seen_ms.unwrap_or(0));
        let later = seen_ms.map_or(0, |seen| seen + 1);
        let delays = self.jobs.get(&owner(key));
        let mut add = |state, usual: fn(&Delays) -> &Typical| {
            if reports.iter().all(|report| report.state < state) {
                let of_job = delays.and_then(|delays| usual(delays).median());
                let after_ms = of_job.or_else(|| usual(&self.cell).median()).unwrap_or(0).max(later);
                reports.push(Planned {
                    after_ms: length.map_or(after_ms, |length| after_ms.min(length)),
                    state,
                    end: None,
                    place: None,
                });
            }
        };
        add(TaskState::Starting, |delays| &delays.starting);
        add(TaskState::Running, |delays| &delays.running);
        if let Some(after_ms) = length {
            let end = EndV1 { exit_code: Some(0), ran_ms: Some(after_ms), ..EndV1::because(EndReason::Exited) };
            reports.push(Planned { after_ms, state: TaskState::Finished, end: Some(end), place: None });
        }
        Plan { reports, source }
    }

    /// How long a start lasts that is only known to last longer than `seen_ms`.
    fn length(&self, key: &StartKey, kind: JobKind, seen_ms: u64) -> (Option<u64>, Source) {
        let own = self.scripts.of_task(key).filter_map(|(_, script)| finished_ms(script)).find(|ms| *ms > seen_ms);
        if own.is_some() {
            return (own, Source::SameTask);
        }
        if kind == JobKind::Service {
            return (None, Source::Endless);
        }
        let job = self.jobs.get(&owner(key)).filter(|delays| !delays.finished.is_empty());
        let found = job.and_then(|delays| delays.finished.median_above(seen_ms)).map(|ms| (Some(ms), Source::Job));
        let of_cell = || self.cell.finished.median_above(seen_ms).map(|ms| (Some(ms), Source::Cell));
        // Nobody finished after so long: it ends as soon as that contradicts nothing.
        let at_once = || (!self.cell.finished.is_empty()).then_some((Some(seen_ms + 1), Source::Cell));
        found.or_else(of_cell).or_else(at_once).unwrap_or((None, Source::Endless))
    }

    /// For a task that never ran: the same start of the task whose index is its own modulo those that did.
    fn twin(&self, key: &StartKey) -> Option<&Script> {
        let TaskOwner::Job { job, index } = key.task.owner() else { return None };
        let ran = *self.ran.get(&owner(key))?;
        let job = job.parse().expect("a task's job has a legal id");
        let task = TaskId::of_job(&job, index % ran);
        self.scripts.get(&StartKey { task, ..key.clone() })
    }

    fn learn_one(&mut self, key: &StartKey, script: &Script) {
        let owner = owner(key);
        if let TaskOwner::Job { index, .. } = key.task.owner() {
            let ran = self.ran.entry(owner.clone()).or_insert(0);
            *ran = (*ran).max(index + 1);
        }
        if let Some((killed, end)) = script.kill_answer() {
            self.kill.add(end.place.time - killed.time);
        }
        for delays in [self.jobs.entry(owner).or_default(), &mut self.cell] {
            for report in script.before() {
                match report.state {
                    TaskState::Starting => delays.starting.add(report.place.time - script.placed.time),
                    TaskState::Running => delays.running.add(report.place.time - script.placed.time),
                    TaskState::Placed
                    | TaskState::Finished
                    | TaskState::Failed
                    | TaskState::Killed
                    | TaskState::Lost => {}
                }
            }
            if let Some(ms) = finished_ms(script) {
                delays.finished.add(ms);
            }
        }
    }
}

/// From placement to end, for a start that finished by itself.
fn finished_ms(script: &Script) -> Option<u64> {
    let end = script.natural_end().filter(|end| end.state == TaskState::Finished)?;
    Some(end.place.time - script.placed.time)
}

/// The job or framework of a start, and which submission of it.
fn owner(key: &StartKey) -> (CompactString, u64) {
    match key.task.owner() {
        TaskOwner::Job { job, .. } => (job.into(), key.born),
        TaskOwner::Framework { framework, .. } => (framework.into(), key.born),
    }
}

fn planned(script: Option<&Script>, report: &Report) -> Planned {
    let placed = script.map_or(report.place.time, |script| script.placed.time);
    let Report { place, state, end } = report.clone();
    Planned { after_ms: place.time - placed, state, end, place: Some(place) }
}

fn plan_of_twin(twin: &Script) -> Plan {
    let reports = twin.before().chain(twin.natural_end());
    let reports = reports.map(|report| Planned { place: None, ..planned(Some(twin), report) }).collect();
    Plan { reports, source: Source::Twin }
}
