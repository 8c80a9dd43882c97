//! The versions of one row: what it was, and from which decision on.

use log_schema::Offset;

use super::Scope;
use crate::{
    Error, key,
    row::Row,
    store::{self, VERSION_BYTES},
};

/// One version of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version<R> {
    /// The decision that made it.
    pub since: Offset,
    /// The row; none where the decision ended it.
    pub row: Option<R>,
}

/// What RocksDB appends to a key when it shows versions: the version and eight bytes that begin with the sort.
pub(crate) const FOOTER_BYTES: usize = 8;
/// The sort of a version that says that there is no row.
const DELETED: [u8; 3] = [0x00, 0x07, 0x14];

/// Whether the footer is that of a version that ends its row.
pub(crate) fn is_deleted(footer: &[u8]) -> bool {
    DELETED.contains(&footer[0])
}

impl Scope {
    /// The versions of a row that decisions after `since` made, the newest first, at most `limit`.
    ///
    /// Of a row of facts there is one version; ask with [`Scope::get`].
    pub fn history<R: Row>(&self, id: &R::Id, since: Offset, limit: usize) -> Result<Vec<Version<R>>, Error> {
        let first = since.next();
        self.check_horizon(first)?;
        if first > self.as_of || R::VIEW.is_facts() {
            return Ok(Vec::new());
        }
        self.settle(self.versions(id, first, limit))
    }

    fn versions<R: Row>(&self, id: &R::Id, first: Offset, limit: usize) -> Result<Vec<Version<R>>, Error> {
        let mut key = vec![R::VIEW as u8];
        R::write_key(id, &mut key);
        let mut options = store::reading(self.as_of);
        options.set_iter_start_ts(store::version(first));
        options.set_iterate_lower_bound(key.clone());
        options.set_iterate_upper_bound(key::after(&key));
        let mut iterator = self.store.db().raw_iterator_cf_opt(self.store.rows(), options);
        let mut versions = Vec::new();
        iterator.seek_to_first();
        while let (Some((shown, value)), true) = (iterator.item(), versions.len() < limit) {
            versions.push(read_version(shown, value)?);
            iterator.next();
        }
        iterator.status().map_err(|source| Error::Storage { doing: "read the versions of a row", source })?;
        Ok(versions)
    }
}

/// Reads a version from the key as RocksDB shows it: `key ‖ version ‖ footer`.
fn read_version<R: Row>(shown: &[u8], value: &[u8]) -> Result<Version<R>, Error> {
    let (rest, footer) = shown.split_at(shown.len() - FOOTER_BYTES);
    let since = store::read_offset(&rest[rest.len() - VERSION_BYTES..]).unwrap_or_default();
    let row = if is_deleted(footer) { None } else { Some(store::decode(R::VIEW, value)?) };
    Ok(Version { since, row })
}
