//! Waiting for a signal, output or a deadline, whichever comes first.

use std::{os::fd::AsFd, time::Duration};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use super::pump::Pumps;

/// The code of a signal that came from `kill` and its like.
const SI_USER: i32 = 0;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// This process sent SIGTERM: the task is to end.
    Asked {
        /// As the kernel saw it; 0 where a process pretended to be another.
        sender: i32,
    },
    /// Anything else: a child changed, output came, or time is up.
    Otherwise,
}

/// The blocked signals.
pub(super) struct Signals {
    descriptor: SignalFd,
}

impl Signals {
    /// Blocks the signals for this process and opens the descriptor. Children must unblock them.
    pub(super) fn block() -> nix::Result<Self> {
        // All that can be blocked: no signal of the task, and no limit on its files, ends the supervisor.
        SigSet::all().thread_block()?;
        let read: SigSet = [Signal::SIGTERM, Signal::SIGCHLD].into_iter().collect();
        let descriptor = SignalFd::with_flags(&read, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { descriptor })
    }

    /// Sleeps, for `patience` at most, then moves whatever output there is.
    pub(super) fn wait(&self, pumps: &mut Pumps, patience: Option<Duration>) -> Woken {
        let mut waited = vec![PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        waited.extend(pumps.pipes().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        let timeout = patience.map_or(PollTimeout::NONE, |patience| {
            // Rounded up: a deadline that is not yet reached must not spin.
            let millis = patience.as_micros().div_ceil(1000);
            i32::try_from(millis).ok().and_then(|millis| PollTimeout::try_from(millis).ok()).unwrap_or(PollTimeout::MAX)
        });
        // An interrupted poll is a short one.
        let _ = poll(&mut waited, timeout);
        pumps.pump();
        self.read()
    }

    fn read(&self) -> Woken {
        let mut woken = Woken::Otherwise;
        while let Ok(Some(signal)) = self.descriptor.read_signal() {
            if signal.ssi_signo == Signal::SIGTERM as u32 {
                // Only with this code the kernel itself filled in the sender.
                let sender = if signal.ssi_code == SI_USER { signal.ssi_pid } else { 0 };
                woken = Woken::Asked { sender: i32::try_from(sender).unwrap_or(0) };
            }
        }
        woken
    }
}
