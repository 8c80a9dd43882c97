//! Which rows a page is to hold.

use log_schema::{FrameworkId, JobId, Offset};

use super::SCAN_ROWS_MAX;
use crate::{
    key,
    row::{FilterRow, Row, TaskRow, task},
};

/// In which order rows come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// By ascending key.
    #[default]
    Forwards,
    /// By descending key.
    Backwards,
}

/// Which rows a page is to hold: all of a kind, or those of one owner, from some place on.
#[derive(Clone, Debug)]
pub struct Pick<R: Row> {
    prefix: Vec<u8>,
    after: Option<R::Id>,
    pub(crate) limit: usize,
    pub(crate) looks: usize,
    direction: Direction,
}

/// Some rows, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R: Row> {
    /// The rows, in the order that was asked for.
    pub rows: Vec<R>,
    /// What to give to [`Pick::after`] for the rows that follow; none at the end.
    pub next: Option<R::Id>,
}

/// The most rows in a page where no other limit is given.
pub const PAGE_ROWS_DEFAULT: usize = 100;

impl<R: Row> Pick<R> {
    /// All rows of this kind.
    pub fn all() -> Self {
        Self::within(vec![R::VIEW as u8])
    }

    pub(crate) fn within(prefix: Vec<u8>) -> Self {
        Self { prefix, after: None, limit: PAGE_ROWS_DEFAULT, looks: SCAN_ROWS_MAX, direction: Direction::Forwards }
    }

    /// Only rows behind this one, in the order of the page. It need not be there.
    #[must_use]
    pub fn after(mut self, id: impl Into<Option<R::Id>>) -> Self {
        self.after = id.into();
        self
    }

    /// At most this many rows.
    #[must_use]
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = rows;
        self
    }

    /// Looks at this many rows at most, whatever its filter lets through.
    #[must_use]
    pub fn looks(mut self, rows: usize) -> Self {
        self.looks = rows.min(SCAN_ROWS_MAX);
        self
    }

    /// In this order.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// By descending key.
    #[must_use]
    pub fn backwards(self) -> Self {
        self.direction(Direction::Backwards)
    }

    /// The keys that the page may hold as of an offset.
    pub(crate) fn range(&self, as_of: Offset) -> Range {
        let mut range = Range::of(&self.prefix, self.direction);
        if R::VIEW.is_facts() {
            range.end_behind(&self.prefix, as_of);
        }
        if let Some(id) = &self.after {
            let mut after = vec![R::VIEW as u8];
            R::write_key(id, &mut after);
            range.skip_to_behind(&after);
        }
        range
    }
}

impl Pick<TaskRow> {
    /// The tasks of a job, by index.
    pub fn of_job(job: &JobId) -> Self {
        let mut prefix = vec![TaskRow::VIEW as u8];
        task::write_job_prefix(job.as_str(), &mut prefix);
        Self::within(prefix)
    }

    /// The tasks of all frameworks, by framework and name.
    pub fn of_frameworks() -> Self {
        Self::within(vec![TaskRow::VIEW as u8, task::FRAMEWORKS])
    }

    /// The tasks of a framework, by name.
    pub fn of_framework(framework: &FrameworkId) -> Self {
        let mut prefix = vec![TaskRow::VIEW as u8];
        task::write_framework_prefix(framework.as_str(), &mut prefix);
        Self::within(prefix)
    }
}

impl Pick<FilterRow> {
    /// The filters of a framework, by agent, those that no longer count included.
    pub fn of_framework(framework: &FrameworkId) -> Self {
        let mut prefix = vec![FilterRow::VIEW as u8];
        prefix.extend_from_slice(framework.as_str().as_bytes());
        prefix.push(0);
        Self::within(prefix)
    }
}

/// The keys `lower..upper`, in some order.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) lower: Vec<u8>,
    pub(crate) upper: Vec<u8>,
    pub(crate) direction: Direction,
}

impl Range {
    /// All keys that begin with a prefix.
    pub(crate) fn of(prefix: &[u8], direction: Direction) -> Self {
        Self { lower: prefix.to_vec(), upper: key::after_prefix(prefix), direction }
    }

    /// Leaves out what follows the prefix with an offset above `as_of`: facts of later decisions.
    pub(crate) fn end_behind(&mut self, prefix: &[u8], as_of: Offset) {
        if let Some(end) = as_of.0.checked_add(1) {
            self.upper = [prefix, &end.to_be_bytes()].concat();
        }
    }

    /// Begins behind a key, in the order of the range.
    pub(crate) fn skip_to_behind(&mut self, key: &[u8]) {
        match self.direction {
            Direction::Forwards => self.lower = self.lower.clone().max(key::after(key)),
            Direction::Backwards => self.upper = self.upper.clone().min(key.to_vec()),
        }
    }
}
