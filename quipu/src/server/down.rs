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
use crate::{cli, command::count, output};

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest grace of a task: its job may say an hour, and who waits here wants the cell down.
const GRACE_MS_MAX: u64 = 10_000;
/// The most tasks that are named in one message.
const NAMED_MAX: usize = 10;

/// Ends the control plane, then the agent, then the tasks.
pub fn run(args: &cli::Down) -> anyhow::Result<ExitCode> {
    let layout = Layout::new(&args.dir);
    let control = end(&layout.control_pid(), "control plane")?;
    let agent = end(&layout.agent_pid(), "agent")?;
    let tasks = if args.kill_tasks { end_tasks(&layout, args.force)? } else { 0 };
    if args.kill_tasks {
        output::say(&format!("ended {}", count(tasks as u64, "task")));
    }
    if !(control || agent || tasks > 0) {
        output::say(&format!("nothing runs in {}", layout.root().display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends every task whose processes still run; returns how many did.
fn end_tasks(layout: &Layout, force: bool) -> anyhow::Result<usize> {
    if sandbox::all(&layout.sandboxes()).is_empty() {
        return Ok(0);
    }
    // Supervisors take the request from nobody else.
    let _agent = agent::stand_in(&layout.agent())?;
    let running = supervisors(layout)?;
    let mut longest_ms = 0;
    for (sandbox, pid) in &running {
        let own_ms = sandbox.spec()?.map_or(GRACE_MS_MAX, |spec| spec.kill_grace_ms);
        let grace_ms = if force { 0 } else { own_ms.min(GRACE_MS_MAX) };
        longest_ms = longest_ms.max(grace_ms);
        sandbox.want_kill(Some(grace_ms))?;
        // One that has ended meanwhile needs no signal; one that was stopped must go on to act on it.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGTERM);
        let _ = kill(Pid::from_raw(*pid), Signal::SIGCONT);
    }
    if !running.is_empty() {
        let grace = if longest_ms == 0 { "SIGKILL at once".into() } else { format!("SIGKILL after {longest_ms} ms") };
        output::notice(&format!("waiting for {} to end: {grace}", names(&running)));
    }
    let begun = Instant::now();
    loop {
        let left = supervisors(layout)?;
        if left.is_empty() {
            break;
        }
        if begun.elapsed() > PATIENCE {
            bail!(
                "{} has not ended within {} s, although SIGKILL was sent: a process of it may hang in the kernel; look \
                 at it with `ps`, and run the command again",
                names(&left),
                PATIENCE.as_secs()
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(running.len() + end_abandoned(layout)?)
}

/// Ends what is left of tasks whose supervisors died while no agent was there to see it.
fn end_abandoned(layout: &Layout) -> anyhow::Result<usize> {
    let mut ended = 0;
    for sandbox in sandbox::all(&layout.sandboxes()) {
        if sandbox.supervisor()?.is_some() && sandbox.ended()?.is_none() {
            agent::end_abandoned(&sandbox);
            ended += 1;
        }
    }
    Ok(ended)
}

/// Which tasks these are, with the processes that stay with them.
fn names(running: &[(Sandbox, i32)]) -> String {
    let name = |sandbox: &Sandbox| {
        let spec = sandbox.spec().ok().flatten();
        spec.map_or_else(|| sandbox.dir().display().to_string(), |spec| spec.key.task.to_string())
    };
    let named: Vec<_> = running.iter().take(NAMED_MAX).map(|(one, pid)| format!("{} ({pid})", name(one))).collect();
    let more = running.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
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
