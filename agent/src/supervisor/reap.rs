//! Collecting ended processes, in the kernel's own numbers. Knows nothing of tasks.

use rustix::{
    io::Errno,
    process::{WaitOptions, WaitStatus, wait},
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it. A number, since real-time signals have no names.
    Signal(i32),
    /// The kernel has no record of it.
    Lost,
}

/// One look at the children of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaped {
    /// This one ended and is collected.
    Ended { pid: i32, exit: Exit },
    /// There are children, and none has ended since the last look.
    NothingYet,
    /// There are no children.
    NoChildren,
}

/// Collects one child that ended, without waiting for any.
pub(super) fn reap() -> Reaped {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => return Reaped::Ended { pid: pid.as_raw_pid(), exit: exit(status) },
            Err(Errno::CHILD) => return Reaped::NoChildren,
            Err(Errno::INTR) => {}
            // Another error says nothing about the children, so they must not be given up for it.
            Ok(None) | Err(_) => return Reaped::NothingYet,
        }
    }
}

fn exit(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Lost,
    }
}
