//! The end of a task whose sandbox was deleted: no agent will ever find it again, and no `kill` can reach it.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How often the sandbox is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The thread only looks.
const STACK_BYTES: usize = 64 * 1024;

/// Sends this process SIGTERM once the directory is gone, also if another one is in its place. To be called when
/// the program was started: no thread may be there while the supervisor forks. `at_each_look` is called once a second.
pub(super) fn watch(sandbox: &Path, at_each_look: impl Fn() + Send + 'static) -> io::Result<()> {
    let (path, first) = (sandbox.to_owned(), name(sandbox)?);
    // The signal wakes the supervisor's own loop, which ends the task as on any SIGTERM: with its grace.
    // Not inotify: a user has 128 instances of it, and a machine has more tasks.
    let look = move || {
        while !is_gone(&path, first) {
            at_each_look();
            std::thread::park_timeout(LOOK_EVERY);
        }
        eprintln!("the sandbox is gone; ending the task");
        let _ = kill(Pid::this(), Signal::SIGTERM);
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(look).map(drop)
}

fn name(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// An error of any other kind tells nothing: a file system may be away for a while.
fn is_gone(path: &Path, first: (u64, u64)) -> bool {
    match name(path) {
        Ok(found) => found != first,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
