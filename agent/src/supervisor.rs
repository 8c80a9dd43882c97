//! The process that stands over one task and outlives the agent: starts it, keeps its output, ends it
//! when asked, and writes down how it ended.
//!
//! Synchronous and of one thread: it sleeps in `poll` until a signal, output or a deadline wakes it.
//! It asks nobody: all it needs is in the sandbox's control directory. It is the parent of every orphan of
//! its task, so the task is over exactly when no child is left.
//!
//! ```text
//! agent ──spawn──> supervisor ──spawn──> task's leader ──> …        one session, the task its own group
//!   │  "running\n" <──┘  ▲ │ stdout, stderr ──> segments
//!   └──── SIGTERM ───────┘ └ end: TERM to all, grace, KILL to all; `end` written
//! ```
//!
//! - `ground`: the state that a program starts from. `life`: from there to the end of all that it started.
//! - The space for `started` and `end` is set aside before the start. Should the end not be writable all
//!   the same, the supervisor keeps it and writes again until it is.

mod ground;
mod home;
mod launch;
mod life;
mod memory;
mod pump;
mod reap;
mod signals;

use std::{io::Write, path::Path, process::ExitCode, sync::Arc, time::Duration};

pub use ground::unmet;
use log_schema::{
    TaskState,
    task::{EndReason, EndV1},
};
use nix::{sys::prctl, unistd::setsid};

use crate::{
    holder::ProcessName,
    sandbox::{self, Ended, Sandbox, Spec, now},
};
use life::Life;
use memory::KernelKills;
use signals::Signals;

/// What the supervisor says on its standard output when the program runs.
pub const RUNNING: &[u8] = b"running\n";
/// How long the supervisor waits before it tries again to write what it could not.
const WRITE_AGAIN: Duration = Duration::from_millis(200);
/// The longest message in an end, in bytes.
const MESSAGE_BYTES_MAX: usize = 512;

/// The supervisor cannot do its work. Nothing of the task runs then.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// A file of the sandbox.
    #[error("could not use the sandbox")]
    Sandbox(#[from] sandbox::Error),
    /// There is nothing to start.
    #[error("the sandbox holds no spec")]
    NoSpec,
    /// Somebody else has answered for this incarnation.
    #[error("the incarnation has ended already")]
    EndedAlready,
    /// The kernel said no.
    #[error("could not {doing}")]
    System { doing: &'static str, source: nix::Error },
}

/// Supervises the task whose sandbox is `dir`, to its end. The whole life of a process: it closes every
/// descriptor but the standard streams, and takes over all signals.
pub fn main(dir: &Path) -> ExitCode {
    match supervise(&Sandbox::at(dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("supervisor of {}: {error}{source}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn supervise(sandbox: &Sandbox) -> Result<(), Error> {
    ground::let_go_of_what_was_inherited();
    let signals = Signals::block().map_err(|source| Error::System { doing: "take over signals", source })?;
    // Fails where this process leads a session already, which is as good.
    let _ = setsid();
    prctl::set_child_subreaper(true).map_err(|source| Error::System { doing: "adopt orphans", source })?;
    let lock = sandbox.lock()?;
    sandbox.sign(&lock, &ProcessName::own())?;
    if sandbox.ended()?.is_some() {
        return Err(Error::EndedAlready);
    }
    let spec = sandbox.spec()?.ok_or(Error::NoSpec)?;
    sandbox.set_space_aside()?;
    // Before the group is made: an agent that ends now, or another task's supervisor, would remove the empty group.
    let home = spec.group.hold_home();
    let ended = run(sandbox, &spec, &signals);
    drop(home);
    keep_until_written(sandbox, &ended);
    spec.group.remove_home_if_abandoned();
    Ok(())
}

/// Starts the task and stays with it. A task that cannot be started has ended, too.
fn run(sandbox: &Sandbox, spec: &Spec, signals: &Signals) -> Ended {
    // Nothing of the task runs yet, so only the agent can have written this.
    if sandbox.kill_wanted() {
        return ended(TaskState::Killed, EndV1::because(EndReason::Requested));
    }
    let (leader, pumps) = match launch::launch(sandbox, spec) {
        Ok(launched) => launched,
        Err(error) => {
            spec.group.kill();
            let _ = spec.group.remove();
            let message = Some(bounded(format!("{}: {error}", spec.argv.first().map_or("", String::as_str))));
            return ended(TaskState::Failed, EndV1 { message, ..EndV1::because(launch::whose_fault(&error)) });
        }
    };
    if let Err(error) = sandbox.write_started(&ProcessName::of(leader)) {
        // Costs a later agent the news that the task runs, which is no reason to end the task.
        eprintln!("{error}");
    }
    // The agent may be gone; it will find the file then.
    let _ = std::io::stdout().write_all(RUNNING).and_then(|()| std::io::stdout().flush());
    let kills = Arc::new(KernelKills::default());
    let (group, seen) = (spec.group.clone(), Arc::clone(&kills));
    if let Err(error) = home::watch(sandbox.dir(), move || seen.look(group.oom_kills())) {
        eprintln!("cannot see whether the sandbox stays: {error}");
    }
    Life::new(spec, leader, kills).until_over(sandbox, signals, pumps)
}

/// Writes how the task ended. This process is the only one that knows, so it stays until that is written,
/// or until the sandbox is removed and with it all who could ask.
fn keep_until_written(sandbox: &Sandbox, ended: &Ended) {
    let mut complained = false;
    while let Err(error) = sandbox.write_ended(ended) {
        // Written, but perhaps not yet on the disk; or nobody is left who could read it.
        if matches!(sandbox.ended(), Ok(Some(_))) || !sandbox.is_controlled() {
            break;
        }
        if !complained {
            eprintln!("{error}; trying until it can be written");
            complained = true;
        }
        std::thread::park_timeout(WRITE_AGAIN);
    }
}

fn ended(state: TaskState, end: EndV1) -> Ended {
    Ended { state, end, observed: now() }
}

fn bounded(mut message: String) -> String {
    let cut = (0..=MESSAGE_BYTES_MAX.min(message.len())).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    message.truncate(cut);
    message
}
