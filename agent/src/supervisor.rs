//! The process that stands over one task and outlives the agent: starts it, keeps its output, ends it
//! when asked, and writes down how it ended.
//!
//! Synchronous and of one thread: it sleeps in `poll` until a signal, output or a deadline wakes it.
//! It asks nobody: all it needs is in the sandbox. It is the parent of every orphan of its task, so the
//! task is over exactly when no child is left.
//!
//! ```text
//! agent ──spawn──> supervisor ──spawn──> task's leader ──> …        one session, the task its own group
//!   │  "running\n" <──┘  ▲ │ stdout, stderr ──> segments
//!   └──── SIGTERM ───────┘ └ end: TERM to the group, grace, KILL to everything; `end` written
//! ```

mod launch;
mod pump;
mod signals;

use std::{
    fs::File,
    io::Write,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use log_schema::{
    TaskState,
    task::{EndReason, EndV1},
};
use nix::{
    sys::{
        prctl,
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, setsid},
};

use crate::{
    process_tree::{self, Snapshot},
    sandbox::{self, Ended, ProcessName, Sandbox, Spec, now},
};
use pump::Pumps;
use signals::{Signals, Woken};

/// What the supervisor says on its standard output when the program runs.
pub const RUNNING: &[u8] = b"running\n";
/// How long output may still come, and processes still end, after everything was killed.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// How long what was killed may take to end before it is killed again.
const KILL_AGAIN: Duration = Duration::from_millis(20);
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

/// Supervises the task whose sandbox is `dir`, to its end.
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
    let signals = Signals::block().map_err(|source| Error::System { doing: "take over signals", source })?;
    // Fails where this process leads a session already, which is as good.
    let _ = setsid();
    prctl::set_child_subreaper(true).map_err(|source| Error::System { doing: "adopt orphans", source })?;
    let lock = sandbox.lock()?;
    let me = ProcessName {
        pid: Pid::this().as_raw(),
        start_ticks: process_tree::start_ticks(Pid::this().as_raw()).unwrap_or(0),
        boot: process_tree::boot_id(),
    };
    sandbox.sign(&lock, &me)?;
    if sandbox.ended()?.is_some() {
        return Err(Error::EndedAlready);
    }
    let spec = sandbox.spec()?.ok_or(Error::NoSpec)?;
    let ended = run(sandbox, &spec, &me, &signals, &lock)?;
    sandbox.write_ended(&ended)?;
    Ok(())
}

/// Starts the task and stays with it. A task that cannot be started has ended, too.
fn run(sandbox: &Sandbox, spec: &Spec, me: &ProcessName, signals: &Signals, _: &File) -> Result<Ended, Error> {
    if sandbox.kill_wanted() {
        return Ok(ended(TaskState::Killed, EndV1::because(EndReason::Requested)));
    }
    let (leader, pumps) = match launch::launch(sandbox, spec) {
        Ok(launched) => launched,
        Err(error) => {
            spec.group.kill();
            let _ = spec.group.remove();
            let message = Some(bounded(format!("{}: {error}", spec.argv.first().map_or("", String::as_str))));
            return Ok(ended(TaskState::Failed, EndV1 { message, ..EndV1::because(launch::whose_fault(&error)) }));
        }
    };
    let start_ticks = process_tree::start_ticks(leader).unwrap_or(0);
    sandbox.write_started(&ProcessName { pid: leader, start_ticks, boot: me.boot.clone() })?;
    // The agent may be gone; it will find the file then.
    let _ = std::io::stdout().write_all(RUNNING).and_then(|()| std::io::stdout().flush());
    let watch = Watch { sandbox, spec, leader: Pid::from_raw(leader), started: Instant::now(), kill: None, exit: None };
    Ok(watch.until_over(signals, pumps))
}

/// A task that runs.
struct Watch<'a> {
    sandbox: &'a Sandbox,
    spec: &'a Spec,
    leader: Pid,
    started: Instant,
    /// When SIGTERM was passed on, and whether the cell had asked for it.
    kill: Option<Kill>,
    /// How the leader ended, and when.
    exit: Option<(WaitStatus, Instant)>,
}

#[derive(Clone, Copy)]
struct Kill {
    requested: bool,
    deadline: Instant,
}

impl Watch<'_> {
    fn until_over(mut self, signals: &Signals, mut pumps: Pumps) -> Ended {
        loop {
            let children_left = self.reap();
            if self.is_over(children_left, &pumps) {
                break;
            }
            if self.exit.is_some() && children_left {
                self.end_everything();
            }
            self.obey_deadline();
            if signals.wait(&mut pumps, self.patience()) == Woken::Asked {
                self.ask();
            }
        }
        pumps.close();
        let oom_kills = self.spec.group.oom_kills();
        let _ = self.spec.group.remove();
        self.verdict(oom_kills)
    }

    /// Collects every child that ended; whether any is left.
    fn reap(&mut self) -> bool {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return true,
                Ok(status) if status.pid() == Some(self.leader) => self.exit = Some((status, Instant::now())),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    fn is_over(&self, children_left: bool, pumps: &Pumps) -> bool {
        let Some((_, at)) = self.exit else { return false };
        at.elapsed() > DRAIN_MAX || (!children_left && pumps.are_dry())
    }

    /// How long to sleep at most.
    fn patience(&self) -> Option<Duration> {
        match (&self.exit, &self.kill) {
            (Some(_), _) => Some(KILL_AGAIN),
            (None, Some(kill)) => Some(kill.deadline.saturating_duration_since(Instant::now())),
            (None, None) => None,
        }
    }

    /// Somebody wants the end: SIGTERM to the whole group, once.
    fn ask(&mut self) {
        let requested = self.sandbox.kill_wanted();
        if let Some(kill) = &mut self.kill {
            kill.requested |= requested;
            return;
        }
        let grace = Duration::from_millis(self.spec.kill_grace_ms);
        let deadline = Instant::now().checked_add(grace).unwrap_or_else(Instant::now);
        self.kill = Some(Kill { requested, deadline });
        let _ = killpg(self.leader, Signal::SIGTERM);
    }

    fn obey_deadline(&mut self) {
        if self.exit.is_none() && self.kill.is_some_and(|kill| Instant::now() >= kill.deadline) {
            self.end_everything();
            self.kill = self.kill.map(|kill| Kill { deadline: Instant::now() + KILL_AGAIN, ..kill });
        }
    }

    /// SIGKILL to the group, to whoever is in the control groups, and to every descendant.
    fn end_everything(&self) {
        if self.exit.is_none() {
            let _ = killpg(self.leader, Signal::SIGKILL);
        }
        self.spec.group.kill();
        for pid in Snapshot::take().alive(Pid::this().as_raw()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn verdict(&self, oom_kills: u64) -> Ended {
        let (exit_code, signal, ran) = match self.exit {
            Some((WaitStatus::Exited(_, code), at)) => (Some(code), None, at - self.started),
            Some((WaitStatus::Signaled(_, signal, _), at)) => (None, Some(signal as i32), at - self.started),
            Some((_, at)) => (None, None, at - self.started),
            None => (None, None, self.started.elapsed()),
        };
        let (state, reason) = self.reason(exit_code, oom_kills);
        let message = (reason == EndReason::Signalled && self.kill.is_some())
            .then(|| "its supervisor got SIGTERM from somebody other than the agent".to_owned());
        let ran_ms = u64::try_from(ran.as_millis()).ok();
        ended(state, EndV1 { exit_code, signal, ran_ms, message, ..EndV1::because(reason) })
    }

    fn reason(&self, exit_code: Option<i32>, oom_kills: u64) -> (TaskState, EndReason) {
        match (self.kill, exit_code) {
            (Some(Kill { requested: true, .. }), _) => (TaskState::Killed, EndReason::Requested),
            (None, Some(0)) => (TaskState::Finished, EndReason::Exited),
            (None, _) if oom_kills > 0 => (TaskState::Failed, EndReason::OutOfMemory),
            (None, Some(_)) => (TaskState::Failed, EndReason::Exited),
            (Some(_), _) | (None, None) => (TaskState::Failed, EndReason::Signalled),
        }
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
