//! Keys that belong to no row type, and the ends of ranges of keys.
//!
//! No id holds a byte below the blank, so a zero byte ends an id inside a key.

use log_schema::{Key, Principal};

use crate::row::View;

/// What the facts about one principal's key begin with.
pub(crate) fn write_key_prefix(principal: &Principal, client_key: &Key, key: &mut Vec<u8>) {
    key.push(View::Keys as u8);
    key.extend_from_slice(principal.as_str().as_bytes());
    key.push(0);
    key.extend_from_slice(client_key.as_str().as_bytes());
    key.push(0);
}

/// The first key behind all keys that begin with `prefix`, which never is all 0xff.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while end.last() == Some(&0xff) {
        end.pop();
    }
    *end.last_mut().expect("a prefix begins with a view") += 1;
    end
}

/// The first key behind `key`.
pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
