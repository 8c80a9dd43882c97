//! The parts that run: the control plane, whole or in parts, the agent, a task's supervisor, and the
//! readers of a whole log.
//!
//! The only place of the project that wires parts together.

pub mod agent;
pub mod allocator;
pub mod audit;
mod background_check;
mod control;
pub mod down;
pub mod gateway;
mod layout;
mod local_agent;
pub mod log;
mod open_log;
mod plane;
mod progress;
pub mod supervise;
pub mod up;
pub mod whatif;

use std::{io::IsTerminal, time::Duration};

use nix::sys::{
    signal::{SigSet, Signal},
    stat::{Mode, umask},
};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Writes what happens to standard error; `RUST_LOG` says how much.
fn start_tracing(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let format = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_target(false)
        // It would be printed to standard error, by a macro that panics if nobody reads there.
        .log_internal_errors(false);
    // A second call, in tests, changes nothing.
    let _ = format.try_init();
}

/// Frees this process, which is to run for long, of what its starter may have left it with. Its children inherit the
/// result. To be called before a thread is started.
fn let_go_of_what_was_inherited() -> anyhow::Result<()> {
    // Otherwise SIGTERM might never arrive. A limit on the size of files is an error of the write instead of the end.
    let blocked: SigSet = [Signal::SIGXFSZ].into_iter().collect();
    blocked.thread_set_mask()?;
    // What others may not do stays as it was asked for. Its own files this process has to be able to use.
    let others = umask(Mode::empty()) & !Mode::S_IRWXU;
    umask(others);
    Ok(())
}

/// How long a thread that waits for brokers may hold up the end of the program.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Runs a part to its end, on a runtime of its own.
fn run_to_end(part: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(part);
    runtime.shutdown_timeout(LAST_WAIT);
    ended
}

/// Becomes true at the first SIGINT or SIGTERM.
fn stop_on_signal() -> anyhow::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {},
            _ = terminate.recv() => {},
        }
        stop.send_replace(true);
    });
    Ok(stopped)
}
