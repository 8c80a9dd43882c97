//! A short name for something too long to be a name.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The first `bytes` bytes of the SHA-256 of `what`, as hexadecimal digits.
pub(crate) fn of(what: &[u8], bytes: usize) -> String {
    Sha256::digest(what).iter().take(bytes).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
