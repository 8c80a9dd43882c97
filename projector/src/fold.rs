//! The rows that are being changed: in memory first, then in a write batch.
//!
//! Nothing here knows what an event means. A row that is asked for is taken from the cache, else from
//! the database; at the end of each decision every row that it touched goes into the batch once,
//! under that decision's offset.

use std::sync::Arc;

use log_schema::{Offset, decision::AskedV1};
use rocksdb::WriteBatch;

use crate::{
    Contradiction, Error,
    row::{
        AgentRow, CellRow, FilterRow, FrameworkRow, JobRow, JobSpecRow, Moment, OfferRow, RoleRow, Row, TaskRow,
        TaskRunRow, UsageRow,
    },
    store::{self, Store},
    tally::{self, Tallies},
};

mod table;

pub(crate) use table::Table;

/// Where in the log the event stands that is being applied.
pub(crate) struct Now<'a> {
    /// The decision.
    pub(crate) moment: Moment,
    /// The command that is answered.
    pub(crate) command: Offset,
    /// The place of the event in the decision.
    pub(crate) index: u32,
    /// Who asked, where the decision says so.
    pub(crate) asked: Option<&'a AskedV1>,
}

/// Why an event could not be applied.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The event and the rows disagree.
    Contradiction(Contradiction),
    /// A row could not be read.
    Read(Error),
}

impl From<Contradiction> for Fault {
    fn from(contradiction: Contradiction) -> Self {
        Self::Contradiction(contradiction)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

macro_rules! tables {
    ($($field:ident: $row:ty,)*) => {
        /// Every kind of row that changes, and the batch that they go into.
        pub(crate) struct Tables {
            $(pub(crate) $field: Table<$row>,)*
            pub(crate) batch: Batch,
        }

        impl Tables {
            /// Empty caches over a store, of at most about `rows_max` rows each.
            pub(crate) fn new(store: &Arc<Store>, rows_max: usize, tallies: Tallies) -> Self {
                Self {
                    $($field: Table::new(store.clone(), rows_max),)*
                    batch: Batch::new(store.clone(), tallies),
                }
            }

            /// Puts the rows that the decision at `offset` touched into the batch.
            pub(crate) fn seal(&mut self, offset: Offset) {
                let Self { $($field,)* batch } = self;
                $($field.seal(offset, batch);)*
            }

            /// Forgets rows where there are too many, once the batch is written.
            pub(crate) fn trim(&mut self) {
                $(self.$field.trim();)*
            }
        }
    };
}

tables! {
    agents: AgentRow,
    cell: CellRow,
    filters: FilterRow,
    frameworks: FrameworkRow,
    jobs: JobRow,
    job_specs: JobSpecRow,
    offers: OfferRow,
    roles: RoleRow,
    tasks: TaskRow,
    task_runs: TaskRunRow,
    usage: UsageRow,
}

/// What is written at once.
pub(crate) struct Batch {
    store: Arc<Store>,
    writes: WriteBatch,
    /// What is written adds up to this, this batch included.
    tallies: Tallies,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Batch {
    fn new(store: Arc<Store>, tallies: Tallies) -> Self {
        Self { store, writes: WriteBatch::default(), tallies, key: Vec::new(), value: Vec::new() }
    }

    /// What all adds up to once this batch is written.
    pub(crate) fn tallies(&self) -> Tallies {
        self.tallies
    }

    /// Begins with the decision at an offset.
    pub(crate) fn move_to(&mut self, at: Offset) {
        if let Some((stretch, tally)) = self.tallies.move_to(at) {
            self.store.close_stretch(&mut self.writes, stretch, tally);
        }
    }

    /// What was collected; the batch is empty again.
    pub(crate) fn take(&mut self) -> WriteBatch {
        std::mem::take(&mut self.writes)
    }

    /// How large it is, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.writes.size_in_bytes()
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// A new version of a row; `before` is the hash of the one before. Returns the hash of this one.
    pub(crate) fn put<R: Row>(&mut self, at: Offset, id: &R::Id, row: &R, before: Option<u64>) -> u64 {
        let (key, value) = self.blank(R::VIEW as u8);
        R::write_key(id, key);
        rmp_serde::encode::write_named(value, row).expect("a row can be encoded");
        self.writes.put_cf_with_ts(self.store.rows(), &self.key, store::version(at), &self.value);
        let key = tally::of_key(&self.key);
        let hash = tally::of_row(key, &self.value);
        self.tallies.row(at, key, before, Some(hash));
        hash
    }

    /// From here on there is no such row.
    pub(crate) fn delete<R: Row>(&mut self, at: Offset, id: &R::Id, before: Option<u64>) {
        let (key, _) = self.blank(R::VIEW as u8);
        R::write_key(id, key);
        self.writes.delete_cf_with_ts(self.store.rows(), &self.key, store::version(at));
        self.tallies.row(at, tally::of_key(&self.key), before, None);
    }

    /// From here on a second listing has this key, or has it no more.
    pub(crate) fn list(&mut self, at: Offset, key: &[u8], listed: bool) {
        let hash = tally::of_key(key);
        let entry = Some(tally::of_row(hash, &[]));
        let (before, now) = if listed { (None, entry) } else { (entry, None) };
        self.tallies.row(at, hash, before, now);
        if listed {
            self.writes.put_cf_with_ts(self.store.rows(), key, store::version(at), []);
        } else {
            self.writes.delete_cf_with_ts(self.store.rows(), key, store::version(at));
        }
    }

    /// A fact that has an id.
    pub(crate) fn fact<R: Row>(&mut self, at: Offset, row: &R) {
        let (key, value) = self.blank(R::VIEW as u8);
        R::write_key(&row.id(), key);
        value.extend_from_slice(&at.0.to_be_bytes());
        rmp_serde::encode::write_named(value, row).expect("a row can be encoded");
        self.write_fact();
    }

    /// A fact that `write` makes: it appends to the key and the value, and says whether there is one.
    pub(crate) fn fact_with(&mut self, at: Offset, write: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> bool) {
        self.key.clear();
        self.value.clear();
        self.value.extend_from_slice(&at.0.to_be_bytes());
        if write(&mut self.key, &mut self.value) {
            self.write_fact();
        }
    }

    fn write_fact(&mut self) {
        self.writes.put_cf(self.store.facts(), &self.key, &self.value);
        self.tallies.fact(tally::of_row(tally::of_key(&self.key), &self.value));
    }

    fn blank(&mut self, view: u8) -> (&mut Vec<u8>, &mut Vec<u8>) {
        self.key.clear();
        self.key.push(view);
        self.value.clear();
        (&mut self.key, &mut self.value)
    }
}
