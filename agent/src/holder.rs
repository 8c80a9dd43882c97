//! A lock file that says who holds it.
//!
//! The lock tells whether the holder lives, the words in the file which process it is. Processes name
//! each other for good by it: no later process has the same number, start and boot.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
};

use log_schema::codec;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::process_tree;

/// A process by its name for good: no later process has the same three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessName {
    /// The process id.
    pub pid: i32,
    /// When it started, in ticks since the boot.
    pub start_ticks: u64,
    /// Which boot.
    pub boot: String,
}

impl ProcessName {
    /// The name of a process that runs now.
    pub fn of(pid: i32) -> Self {
        Self { pid, start_ticks: process_tree::start_ticks(pid).unwrap_or(0), boot: process_tree::boot_id() }
    }

    /// The name of this process.
    pub fn own() -> Self {
        Self::of(Pid::this().as_raw())
    }
}

/// Opens the file and takes its lock, which is let go with the file. `None`: somebody else has it.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    // Not cut to nothing: who fails to get the lock must leave the holder's name alone.
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes who holds the lock into it.
pub fn sign(mut lock: &File, holder: &ProcessName) -> io::Result<()> {
    // Written over, not made empty first: on a full disk there might be no room for it again.
    let words = codec::encode(holder);
    lock.rewind().and_then(|()| lock.write_all(&words)).and_then(|()| lock.set_len(words.len() as u64))
}

/// Whether this process signed the lock and still holds it.
pub(crate) fn is_held_by(path: &Path, pid: i32) -> bool {
    let mut bytes = Vec::new();
    let Ok(mut file) = File::open(path) else { return false };
    let is_locked = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    is_locked
        && file.read_to_end(&mut bytes).is_ok()
        && codec::decode::<ProcessName>("lock", &bytes).is_ok_and(|holder| holder == ProcessName::of(pid))
}
