//! A few readers, each kept where it stopped, for whoever goes on there.

use std::sync::Mutex;

use log_schema::Offset;

/// How many are kept.
const KEPT: usize = 4;

/// Readers by the offset that each would read next, the one that was kept last at the end.
pub(crate) struct Kept<R>(Mutex<Vec<(Offset, R)>>);

impl<R> Default for Kept<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R> Kept<R> {
    /// Takes a reader that stopped here, if there is one.
    pub fn take(&self, at: Offset) -> Option<R> {
        let mut kept = self.0.lock().expect("no holder of the lock panics");
        let found = kept.iter().position(|(next, _)| *next == at)?;
        Some(kept.remove(found).1)
    }

    /// Keeps a reader where it stopped; the oldest goes if there are too many.
    pub fn keep(&self, next: Offset, reader: R) {
        let mut kept = self.0.lock().expect("no holder of the lock panics");
        kept.push((next, reader));
        if kept.len() > KEPT {
            let oldest = kept.remove(0);
            drop(kept);
            // Closing a reader may take a while.
            drop(oldest);
        }
    }
}
