//! One kind of row in memory: those that were asked for lately, and which of them changed.

use std::sync::Arc;

use log_schema::Offset;
use rustc_hash::FxHashMap;

use super::{Batch, Fault};
use crate::{Contradiction, row::Row, store::Store};

/// A cache of the newest version of rows. It writes nothing by itself.
pub(crate) struct Table<R: Row> {
    store: Arc<Store>,
    rows_max: usize,
    places: FxHashMap<R::Id, usize>,
    slots: Vec<Slot<R>>,
    touched: Vec<usize>,
}

/// One row, or the knowledge that there is none.
struct Slot<R: Row> {
    id: R::Id,
    row: Option<R>,
    /// The hash of the row as far as the batch has it.
    hash: Option<u64>,
    /// The key under which a second listing has it, as far as the batch says.
    listed: Option<Vec<u8>>,
    touched: bool,
}

impl<R: Row> Table<R> {
    pub(super) fn new(store: Arc<Store>, rows_max: usize) -> Self {
        Self { store, rows_max, places: FxHashMap::default(), slots: Vec::new(), touched: Vec::new() }
    }

    /// The row, if there is one.
    pub(crate) fn get(&mut self, id: &R::Id) -> Result<Option<&R>, Fault> {
        let place = self.place(id)?;
        Ok(self.slots[place].row.as_ref())
    }

    /// The row, if there is one, to change.
    pub(crate) fn find_mut(&mut self, id: &R::Id) -> Result<Option<&mut R>, Fault> {
        let place = self.place(id)?;
        if self.slots[place].row.is_some() {
            self.touch(place);
        }
        Ok(self.slots[place].row.as_mut())
    }

    /// The row, which must be there.
    pub(crate) fn expect(&mut self, id: &R::Id) -> Result<&R, Fault> {
        self.get(id)?.ok_or_else(|| missing::<R>(id))
    }

    /// The row, which must be there, to change.
    pub(crate) fn must(&mut self, id: &R::Id) -> Result<&mut R, Fault> {
        self.find_mut(id)?.ok_or_else(|| missing::<R>(id))
    }

    /// The row to change, made on first use.
    pub(crate) fn or_insert_with(&mut self, id: &R::Id, make: impl FnOnce() -> R) -> Result<&mut R, Fault> {
        let place = self.place(id)?;
        self.touch(place);
        Ok(self.slots[place].row.get_or_insert_with(make))
    }

    /// The row to change, made on first use.
    pub(crate) fn or_default(&mut self, id: &R::Id) -> Result<&mut R, Fault>
    where
        R: Default,
    {
        self.or_insert_with(id, R::default)
    }

    /// Writes a row, whether there was one or not.
    pub(crate) fn put(&mut self, row: R) -> Result<(), Fault> {
        let place = self.place(&row.id())?;
        self.touch(place);
        self.slots[place].row = Some(row);
        Ok(())
    }

    /// Ends a row, if there is one.
    pub(crate) fn remove(&mut self, id: &R::Id) -> Result<(), Fault> {
        let place = self.place(id)?;
        if self.slots[place].row.take().is_some() {
            self.touch(place);
        }
        Ok(())
    }

    /// Puts every touched row into the batch, once.
    pub(super) fn seal(&mut self, at: Offset, batch: &mut Batch) {
        for place in self.touched.drain(..) {
            let slot = &mut self.slots[place];
            slot.touched = false;
            slot.hash = if let Some(row) = &slot.row {
                Some(batch.put(at, &slot.id, row, slot.hash))
            } else {
                batch.delete::<R>(at, &slot.id, slot.hash);
                None
            };
            let listed = slot.row.as_ref().and_then(R::index);
            if listed != slot.listed {
                if let Some(key) = &slot.listed {
                    batch.list(at, key, false);
                }
                if let Some(key) = &listed {
                    batch.list(at, key, true);
                }
                slot.listed = listed;
            }
        }
    }

    /// Forgets rows of which no more is expected, or all of them, where there are too many. Only
    /// called when everything is written.
    pub(super) fn trim(&mut self) {
        if self.slots.len() <= self.rows_max {
            return;
        }
        self.slots.retain(|slot| slot.row.as_ref().is_some_and(R::is_live));
        if self.slots.len() > self.rows_max / 2 {
            self.slots.clear();
        }
        self.places = self.slots.iter().enumerate().map(|(place, slot)| (slot.id.clone(), place)).collect();
    }

    fn touch(&mut self, place: usize) {
        if !std::mem::replace(&mut self.slots[place].touched, true) {
            self.touched.push(place);
        }
    }

    fn place(&mut self, id: &R::Id) -> Result<usize, Fault> {
        if let Some(place) = self.places.get(id) {
            return Ok(*place);
        }
        let (row, hash) = self.store.newest::<R>(id)?.unzip();
        let listed = row.as_ref().and_then(R::index);
        self.slots.push(Slot { id: id.clone(), row, hash, listed, touched: false });
        self.places.insert(id.clone(), self.slots.len() - 1);
        Ok(self.slots.len() - 1)
    }
}

fn missing<R: Row>(id: &R::Id) -> Fault {
    Contradiction::Missing { view: R::VIEW.name(), id: format!("{id:?}") }.into()
}
