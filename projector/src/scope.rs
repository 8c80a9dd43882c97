//! Rows as of one offset: one scope, one moment.

use std::sync::Arc;

use log_schema::Offset;
use rocksdb::{DBRawIterator, ReadOptions};

use crate::{
    Error,
    row::{CellRow, Row, UsageRow, View},
    store::{self, Store},
};

mod answer;
mod history;
mod listing;
mod pick;

pub use answer::{DECISIONS_IN_FLIGHT_MAX, Timeline};
pub use history::Version;
pub(crate) use history::{FOOTER_BYTES, is_deleted};
pub(crate) use pick::Range;
pub use pick::{Direction, PAGE_ROWS_DEFAULT, Page, Pick};

/// How many rows one page looks at, whatever its filter lets through.
pub const SCAN_ROWS_MAX: usize = 100_000;

/// The rows as of one offset. Clones are cheap; all answers of one scope are of the same moment.
///
/// A scope that falls below the horizon while it is held gives [`Error::Trimmed`] from then on.
#[derive(Clone)]
pub struct Scope {
    pub(crate) store: Arc<Store>,
    pub(crate) as_of: Offset,
}

impl Scope {
    pub(crate) fn new(store: Arc<Store>, as_of: Offset) -> Result<Self, Error> {
        let scope = Self { store, as_of };
        scope.check_horizon(scope.as_of)?;
        Ok(scope)
    }

    /// The offset of which all answers are.
    pub fn offset(&self) -> Offset {
        self.as_of
    }

    /// The row with this id.
    pub fn get<R: Row>(&self, id: &R::Id) -> Result<Option<R>, Error> {
        self.settle(self.store.read(id, self.as_of))
    }

    /// The totals of the cell.
    pub fn usage(&self) -> Result<UsageRow, Error> {
        Ok(self.get(&())?.unwrap_or_default())
    }

    /// What holds for the whole cell.
    pub fn cell(&self) -> Result<CellRow, Error> {
        Ok(self.get(&())?.unwrap_or_default())
    }

    /// Some rows in the order of their keys.
    pub fn page<R: Row>(&self, pick: &Pick<R>) -> Result<Page<R>, Error> {
        self.page_where(pick, |_| true)
    }

    /// Some of the rows that `wanted` lets through, in the order of their keys.
    ///
    /// Looks at [`SCAN_ROWS_MAX`] rows at most: a page may hold fewer rows than its limit and still
    /// have a next one.
    pub fn page_where<R: Row>(&self, pick: &Pick<R>, wanted: impl Fn(&R) -> bool) -> Result<Page<R>, Error> {
        let mut page = Page { rows: Vec::new(), next: None };
        let (mut seen, mut last) = (0, None);
        self.scan(R::VIEW, &pick.range(self.as_of), |_, bytes| {
            if page.rows.len() >= pick.limit || seen >= pick.looks {
                page.next = last.take();
                return Ok(false);
            }
            let row: R = store::decode(R::VIEW, bytes)?;
            seen += 1;
            last = Some(row.id());
            if wanted(&row) {
                page.rows.push(row);
            }
            Ok(true)
        })?;
        Ok(page)
    }

    /// Shows keys and rows of a range to `visit`, until it returns false.
    pub(crate) fn scan(
        &self,
        view: View,
        range: &Range,
        visit: impl FnMut(&[u8], &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.settle(self.try_scan(view, range, visit))
    }

    fn try_scan(
        &self,
        view: View,
        range: &Range,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        if range.lower >= range.upper {
            return Ok(());
        }
        let mut iterator = self.iterator(view, range);
        match range.direction {
            Direction::Forwards => iterator.seek_to_first(),
            Direction::Backwards => iterator.seek_to_last(),
        }
        while let Some((key, value)) = iterator.item() {
            let seen = if view.is_facts() { self.store.visible(value, self.as_of) } else { Some(value) };
            if let Some(value) = seen
                && !visit(key, value)?
            {
                break;
            }
            match range.direction {
                Direction::Forwards => iterator.next(),
                Direction::Backwards => iterator.prev(),
            }
        }
        iterator.status().map_err(|source| Error::Storage { doing: "scan rows", source })
    }

    fn iterator(&self, view: View, range: &Range) -> DBRawIterator<'_> {
        let mut options = if view.is_facts() { ReadOptions::default() } else { store::reading(self.as_of) };
        options.set_iterate_lower_bound(range.lower.clone());
        options.set_iterate_upper_bound(range.upper.clone());
        let family = if view.is_facts() { self.store.facts() } else { self.store.rows() };
        self.store.db().raw_iterator_cf_opt(family, options)
    }

    /// Whether `asked` is still kept.
    pub(crate) fn check_horizon(&self, asked: Offset) -> Result<(), Error> {
        let horizon = self.store.horizon();
        if asked < horizon { Err(Error::Trimmed { asked, horizon }) } else { Ok(()) }
    }

    /// An answer, unless the horizon passed this scope while it was made.
    fn settle<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        self.check_horizon(self.as_of)?;
        self.store.settle(answer)
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("as_of", &self.as_of).finish_non_exhaustive()
    }
}
