//! Idempotency keys for clients that bring none.

use std::sync::atomic::{AtomicU64, Ordering};

use log_schema::Key;

/// Keys that are unlike those of any other gateway or start.
#[derive(Debug)]
pub(crate) struct Keys {
    seed: u64,
    next: AtomicU64,
}

impl Keys {
    pub(crate) fn new() -> Self {
        use std::hash::{BuildHasher, Hasher};
        // The standard library seeds each state from the system's randomness.
        let seed = std::hash::RandomState::new().build_hasher().finish();
        Self { seed, next: AtomicU64::new(0) }
    }

    pub(crate) fn pick(&self) -> Key {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Key::new(format!("gateway-{:016x}-{number}", self.seed)).expect("letters, digits and dashes make a legal key")
    }
}
