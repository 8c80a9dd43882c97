//! `quipu down`: ends what `quipu up` started, this machine's tasks too if asked.

use std::{process::ExitCode, time::{Duration, Instant}};

use anyhow::bail;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::layout::{Layout, PidFile};
use crate::cli;

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends the control plane, then the agent, then the tasks.
pub fn run(args: &cli::Down) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&args.dir);
    let control = end(&layout.control_pid(), "control plane")?;
    let agent = end(&layout.agent_pid(), "agent")?;
    let tasks = if args.kill_tasks { agent::sandbox::end_all(&layout.agent())? } else { 0 };
    if args.kill_tasks {
        println!("ended {tasks} tasks");
    }
    if !(control || agent || tasks > 0) {
        println!("nothing runs in {}", layout.root().display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks a process to end and waits for it; says whether one ran.
fn end(file: &PidFile, what: &str) -> anyhow::Result<bool> {
    let Some(pid) = file.running() else { return Ok(false) };
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    let begun = Instant::now();
    while file.running() == Some(pid) {
        if begun.elapsed() > PATIENCE {
            bail!("the {what} (process {pid}) has not ended within {} s; it may be stuck: look at its output", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    println!("ended the {what} (process {pid})");
    Ok(true)
}
