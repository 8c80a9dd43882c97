//! Tasks in order: those of jobs by job and index, then those of frameworks by name.
//!
//! A job's task that was never placed has no row: its job counts it, and its row is made here. It knows nothing of
//! agents, which hold no such task.

use std::{cell::Cell, cmp::Ordering, collections::BTreeMap, ops::Range};

use log_schema::{FrameworkId, JobId, TaskId, TaskOwner};
use projector::{
    Direction, Pick, Scope,
    row::{JobRow, Phase, TaskRow},
};

use crate::{
    budget,
    error::RequestError,
    graphql::{
        page::{Found, LOOKS_PER_STEP, Window},
        query::kind::PhaseKind,
    },
};

/// Whose tasks are listed.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// Those of all jobs and frameworks.
    All,
    /// Those of one job.
    Job(JobId),
    /// Those of one framework.
    Framework(FrameworkId),
}

/// The part of the tasks of an owner that a page shows.
pub(crate) async fn list(
    scope: &Scope,
    owner: &Owner,
    window: &Window<TaskId>,
    states: Option<&[PhaseKind]>,
) -> Result<Found<TaskRow>, RequestError> {
    let mut listing = Listing { scope, window, states, found: Vec::new() };
    match (owner, window.direction) {
        (Owner::Job(job), _) => match scope.get::<JobRow>(job)? {
            Some(row) => listing.of_job(&row).await?,
            None => return Err(RequestError::unknown("job", job, scope.offset())),
        },
        (Owner::Framework(framework), _) => listing.rows(Pick::<TaskRow>::of_framework(framework)).await?,
        (Owner::All, Direction::Forwards) => {
            listing.of_jobs().await?;
            listing.rows(Pick::of_frameworks()).await?;
        }
        (Owner::All, Direction::Backwards) => {
            listing.rows(Pick::of_frameworks()).await?;
            listing.of_jobs().await?;
        }
    }
    Ok(Found::of(listing.found, window.limit))
}

/// The row of a task that was never placed; none if no job has wanted such a task.
pub(crate) fn never_placed(scope: &Scope, id: &TaskId) -> Result<Option<TaskRow>, RequestError> {
    let TaskOwner::Job { job, index } = id.owner() else { return Ok(None) };
    let Ok(job) = JobId::new(job) else { return Ok(None) };
    let row = scope.get::<JobRow>(&job)?.filter(|row| index < row.count_max);
    Ok(row.map(|row| TaskRow::never_placed(&row, index)))
}

/// A page that is being filled: one task more than is shown says that there is a next page.
struct Listing<'a> {
    scope: &'a Scope,
    window: &'a Window<TaskId>,
    states: Option<&'a [PhaseKind]>,
    found: Vec<TaskRow>,
}

impl Listing<'_> {
    fn room(&self) -> usize {
        self.window.limit + 1 - self.found.len()
    }

    fn wants(&self, phase: Phase) -> bool {
        self.states.is_none_or(|states| states.contains(&phase.into()))
    }

    fn is_forwards(&self) -> bool {
        self.window.direction == Direction::Forwards
    }

    /// The job and index that the page begins behind; none if it begins elsewhere.
    fn start(&self) -> Option<(&str, u32)> {
        match self.window.start.as_ref()?.owner() {
            TaskOwner::Job { job, index } => Some((job, index)),
            TaskOwner::Framework { .. } => None,
        }
    }

    /// The tasks of every job.
    async fn of_jobs(&mut self) -> Result<(), RequestError> {
        if self.is_forwards() && self.window.start.is_some() && self.start().is_none() {
            return Ok(());
        }
        let mut after = self.start().and_then(|(job, _)| JobId::new(job).ok());
        if let Some(row) = after.as_ref().map(|job| self.scope.get::<JobRow>(job)).transpose()?.flatten() {
            self.of_job(&row).await?;
        }
        while self.room() > 0 {
            // The job's counts say whether any of its tasks is wanted: most jobs have ended long ago.
            let wanted = |row: &JobRow| Phase::ALL.iter().any(|phase| row.tasks.of(*phase) > 0 && self.wants(*phase));
            let pick = Pick::<JobRow>::all().direction(self.window.direction).limit(LOOKS_PER_STEP).after(after);
            let page = counted(self.scope, &pick, wanted).await?;
            for row in &page.rows {
                self.of_job(row).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The tasks of one job, as far as they are behind the start of the page.
    async fn of_job(&mut self, job: &JobRow) -> Result<(), RequestError> {
        let mut left = self.indexes(job);
        let made = [Phase::Waiting, Phase::Withdrawn];
        if !made.iter().any(|phase| self.wants(*phase)) {
            return self.rows(Pick::<TaskRow>::of_job(&job.id)).await;
        }
        while self.room() > 0 && !left.is_empty() {
            let behind = if self.is_forwards() { left.start.checked_sub(1) } else { Some(left.end) };
            let after = behind.map(|index| TaskId::of_job(&job.id, index));
            let pick = Pick::<TaskRow>::of_job(&job.id).direction(self.window.direction).after(after);
            let page = counted(self.scope, &pick.limit(LOOKS_PER_STEP), |_| true).await?;
            let rows: BTreeMap<u32, TaskRow> =
                page.rows.into_iter().filter_map(|row| Some((index(&row)?, row))).collect();
            let known = match (page.next, self.is_forwards()) {
                (None, _) => left.clone(),
                (Some(_), true) => left.start..rows.last_key_value().map_or(left.end, |(last, _)| last + 1),
                (Some(_), false) => rows.first_key_value().map_or(left.start, |(first, _)| *first)..left.end,
            };
            left = if self.is_forwards() { known.end..left.end } else { left.start..known.start };
            self.merge(job, known, rows);
        }
        Ok(())
    }

    /// The indexes of a job's tasks that are behind the start of the page.
    fn indexes(&self, job: &JobRow) -> Range<u32> {
        let all = 0..job.count_max;
        let Some((name, index)) = self.start() else { return all };
        match (name.as_bytes().cmp(job.id.as_str().as_bytes()), self.is_forwards()) {
            (Ordering::Equal, true) => index.saturating_add(1)..all.end,
            (Ordering::Equal, false) => 0..index.min(all.end),
            (Ordering::Less, true) | (Ordering::Greater, false) => all,
            (Ordering::Less, false) | (Ordering::Greater, true) => 0..0,
        }
    }

    fn merge(&mut self, job: &JobRow, known: Range<u32>, mut rows: BTreeMap<u32, TaskRow>) {
        let count = known.len();
        for step in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            let index = if self.is_forwards() { known.start + step } else { known.end - 1 - step };
            let row = rows.remove(&index);
            let phase = row.as_ref().map_or_else(|| job.unnamed_phase(index), |row| row.phase);
            if self.wants(phase) {
                self.found.push(row.unwrap_or_else(|| TaskRow::never_placed(job, index)));
            }
            if self.room() == 0 {
                return;
            }
        }
    }

    /// Tasks that have rows.
    async fn rows(&mut self, pick: Pick<TaskRow>) -> Result<(), RequestError> {
        let mut after = self.window.start.clone();
        while self.room() > 0 {
            let pick = pick.clone().direction(self.window.direction).limit(self.room()).looks(LOOKS_PER_STEP);
            let page = counted(self.scope, &pick.after(after), |row| self.wants(row.phase)).await?;
            self.found.extend(page.rows);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Reads rows, and charges the request for those that it looks at.
async fn counted<R: projector::Row>(
    scope: &Scope,
    pick: &Pick<R>,
    wanted: impl Fn(&R) -> bool,
) -> Result<projector::Page<R>, RequestError> {
    let looked = Cell::new(1);
    let page = scope.page_where(pick, |row| {
        looked.set(looked.get() + 1);
        wanted(row)
    })?;
    budget::look(looked.into_inner()).await?;
    Ok(page)
}

fn index(row: &TaskRow) -> Option<u32> {
    match row.id.owner() {
        TaskOwner::Job { index, .. } => Some(index),
        TaskOwner::Framework { .. } => None,
    }
}
