//! The directories that hold the groups of one agent's tasks: kept while the agent lives, and removed by
//! others when it has ended in a way that left it no time.
//!
//! An agent and each supervisor hold a shared lock on these directories, which the kernel lets go with the last
//! descriptor: the group of a task that is being started is empty for a moment, and not left behind.
//! A directory in which something runs cannot be removed, so only empty ones are at stake.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Layout, Place};

/// How the directories' names begin.
pub const PREFIX: &str = "quipu-tasks.";
/// How often a supervisor makes the directories, at most.
const HOLD_TRIES_MAX: u32 = 64;

impl Layout {
    /// Takes hold of the directories, for as long as the files live. `None`: they were removed meanwhile.
    pub fn hold(&self) -> Option<Vec<File>> {
        let hold = |home: PathBuf| {
            let file = File::open(&home).ok()?;
            // Where the kernel has no such locks nobody can take the directory for one that is left behind.
            let _ = file.lock_shared();
            // Removed and made again in between, the path leads to another directory than the one that is locked.
            let number = |metadata: io::Result<Metadata>| metadata.ok().map(|metadata| metadata.ino());
            (number(file.metadata()) == number(fs::metadata(&home))).then_some(file)
        };
        self.homes().map(hold).collect()
    }

    /// As [`Self::hold`], for a supervisor. Makes the directories again if they were removed since its agent ended.
    pub fn hold_or_make(&self) -> Vec<File> {
        let name = self.homes().next().and_then(|home| Some(home.file_name()?.to_str()?.to_owned()));
        // Each round loses to at most one other supervisor that removed the directories just now.
        for _ in 0..HOLD_TRIES_MAX {
            if let Some(held) = self.hold() {
                return held;
            }
            let Some(name) = &name else { break };
            Self::detect(name);
        }
        Vec::new()
    }

    /// Removes the directories of agents that ended, this one's neighbours.
    pub fn remove_abandoned(&self) {
        for home in self.homes() {
            let neighbours = home.parent().and_then(|parent| fs::read_dir(parent).ok()).into_iter().flatten().flatten();
            neighbours.map(|entry| entry.path()).for_each(|path| remove_if_abandoned(&path));
        }
    }

    /// Removes this layout's own directories, if its agent has ended and no task is left in them.
    pub fn remove_if_abandoned(&self) {
        self.homes().for_each(|home| remove_if_abandoned(&home));
    }

    fn homes(&self) -> impl Iterator<Item = PathBuf> {
        let mut homes: Vec<_> = self.places.iter().map(|Place { directory, .. }| directory.clone()).collect();
        homes.extend(self.unified.clone());
        homes.sort_unstable();
        homes.dedup();
        homes.into_iter()
    }
}

/// Leaves alone what no agent made.
fn remove_if_abandoned(home: &Path) {
    if !home.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
        return;
    }
    let Ok(lock) = File::open(home) else { return };
    if lock.try_lock().is_err() {
        return;
    }
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let _ = fs::remove_dir(entry.path());
    }
    let _ = fs::remove_dir(home);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_agents_that_ended_are_removed_and_others_are_not() {
        let name = |what: &str| format!("{PREFIX}{what}.{}", std::process::id());
        let (gone, here) = (Layout::detect(&name("gone")), Layout::detect(&name("here")));
        let held = here.hold().expect("they were just made");
        for home in gone.homes() {
            fs::create_dir(home.join("web.0.1")).expect("a group");
        }
        here.remove_abandoned();
        assert!(gone.homes().all(|home| !home.exists()), "{gone:?}");
        assert!(here.homes().all(|home| home.exists()), "{here:?}");
        drop(held);
        here.remove_if_abandoned();
        assert!(here.homes().all(|home| !home.exists()), "{here:?}");
    }
}
