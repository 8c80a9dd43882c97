//! `quipu down`: ends what `quipu up` started, this machine's tasks too if asked.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use agent::{
    process_tree::is_running,
    sandbox::{self, Sandbox},
};
use anyhow::bail;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::layout::{Layout, PidFile};
use crate::{cli, output};

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends the control plane, then the agent, then the tasks.
pub fn run(args: &cli::Down) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&args.dir);
    let control = end(&layout.control_pid(), "control plane")?;
    let agent = end(&layout.agent_pid(), "agent")?;
    let tasks = if args.kill_tasks { end_tasks(&layout)? } else { 0 };
    if args.kill_tasks {
        output::say(&format!("ended {tasks} tasks"));
    }
    if !(control || agent || tasks > 0) {
        output::say(&format!("nothing runs in {}", layout.root().display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends every task whose supervisor still runs; returns how many did.
fn end_tasks(layout: &Layout) -> anyhow::Result<usize> {
    let running = supervisors(layout)?;
    if running.is_empty() {
        return Ok(0);
    }
    // Supervisors take the request from nobody else.
    let _agent = agent::stand_in(&layout.agent())?;
    for (sandbox, pid) in &running {
        sandbox.want_kill(None)?;
        // One that has ended meanwhile needs no signal.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGTERM);
    }
    let begun = Instant::now();
    while !supervisors(layout)?.is_empty() {
        if begun.elapsed() > PATIENCE {
            bail!("{} tasks have not ended within {} s", supervisors(layout)?.len(), PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(running.len())
}

/// The sandboxes whose tasks run, with their supervisors.
fn supervisors(layout: &Layout) -> anyhow::Result<Vec<(Sandbox, i32)>> {
    let mut running = Vec::new();
    for sandbox in sandbox::all(&layout.sandboxes()) {
        let Some(named) = sandbox.supervisor()? else { continue };
        if is_running(named.pid, named.start_ticks) {
            running.push((sandbox, named.pid));
        }
    }
    Ok(running)
}

/// Asks a process to end and waits for it; says whether one ran.
fn end(file: &PidFile, what: &str) -> anyhow::Result<bool> {
    let Some((pid, started)) = file.named().filter(|(pid, started)| is_running(*pid, *started)) else {
        return Ok(false);
    };
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    let begun = Instant::now();
    // The file may go before the process does, which still has to let go of the log.
    while is_running(pid, started) {
        if begun.elapsed() > PATIENCE {
            bail!(
                "the {what} (process {pid}) has not ended within {} s; it may be stuck: look at its output",
                PATIENCE.as_secs()
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
    output::say(&format!("ended the {what} (process {pid})"));
    Ok(true)
}
