//! The parts that run: the control plane, whole or in parts, the agent, a task's supervisor, and the
//! readers of a whole log.
//!
//! The only place of the project that wires parts together.

pub mod agent;
pub mod allocator;
pub mod audit;
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

use std::io::IsTerminal;

use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Writes what happens to standard error; `RUST_LOG` says how much.
fn start_tracing(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let format = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_target(false);
    // A second call, in tests, changes nothing.
    let _ = format.try_init();
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
