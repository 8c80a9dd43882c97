//! The signals that end `quipu run`: Ctrl-C, SIGTERM, and SIGHUP when the terminal goes away.
//!
//! A signal that whoever started this program had it ignore stays ignored: `nohup quipu run` outlives its
//! terminal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that are listened to.
pub(super) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

/// A signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// Its number; the exit code is 128 more.
    number: u8,
    /// What it is called.
    pub name: &'static str,
}

impl Ending {
    /// The exit code of a program that the signal ended.
    pub fn exit_code(self) -> u8 {
        128 + self.number
    }
}

const INTERRUPT: Ending = Ending { number: 2, name: "Ctrl-C" };
const TERMINATE: Ending = Ending { number: 15, name: "SIGTERM" };
const HANG_UP: Ending = Ending { number: 1, name: "SIGHUP" };

impl Signals {
    /// Listens from now on.
    pub fn listen() -> io::Result<Self> {
        let ignored = ignored()?;
        let listen = |kind, ending: Ending| (!is_in(ignored, ending)).then(|| signal(kind)).transpose();
        Ok(Self {
            interrupt: listen(SignalKind::interrupt(), INTERRUPT)?,
            terminate: listen(SignalKind::terminate(), TERMINATE)?,
            hang_up: listen(SignalKind::hangup(), HANG_UP)?,
        })
    }

    /// The next one. A call that is dropped loses none.
    pub async fn next(&mut self) -> Ending {
        tokio::select! {
            () = came(&mut self.interrupt) => INTERRUPT,
            () = came(&mut self.terminate) => TERMINATE,
            () = came(&mut self.hang_up) => HANG_UP,
        }
    }
}

async fn came(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that this process ignores, as a mask: bit 0 is signal 1.
fn ignored() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    Ok(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0))
}

fn is_in(mask: u64, ending: Ending) -> bool {
    mask >> (ending.number - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!([INTERRUPT, TERMINATE, HANG_UP].map(Ending::exit_code), [130, 143, 129]);
    }

    #[test]
    fn a_mask_names_the_signals_that_are_ignored() {
        assert!(is_in(0b1, HANG_UP) && !is_in(0b1, INTERRUPT) && is_in(0x4002, TERMINATE) && is_in(0x4002, INTERRUPT));
    }
}
