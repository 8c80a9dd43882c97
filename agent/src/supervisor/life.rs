//! From the running program to the end of all that it started.
//!
//! ```text
//! running ──asked, or the main process ended──> ending: TERM to all ──grace──> KILL to all, again and again
//!                                                  └── all ended ──> over <── all ended, or DRAIN_MAX ──┘
//! ```
//!
//! The end that is told is the end of the main process. Whatever else ends, and how, is at most a note.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use log_schema::{
    TaskState,
    task::{EndReason, EndV1},
};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{
    ended,
    memory::KernelKills,
    pump::Pumps,
    reap::{Exit, Reaped, reap},
    signals::{Signals, Woken},
};
use crate::{
    holder,
    process_tree::Snapshot,
    sandbox::{Ended, Sandbox, Spec},
};

/// How long output may still come, and processes still end, after everything was killed.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// How long what was killed may take to end before it is killed again.
const KILL_AGAIN: Duration = Duration::from_millis(20);

/// A task that runs.
pub(super) struct Life<'a> {
    spec: &'a Spec,
    leader: Pid,
    started: Instant,
    ending: Option<Ending>,
    /// Who asked for the end while the main process ran.
    stop: Stop,
    /// Whether there were children at the last look, whose ends wake the supervisor.
    has_children: bool,
    /// How the main process ended, and when.
    exit: Option<(Exit, Instant)>,
    /// When no process was left.
    gone: Option<Instant>,
    kills: Arc<KernelKills>,
}

/// All of the task is to end.
#[derive(Clone, Copy)]
struct Ending {
    /// When the grace is over.
    deadline: Instant,
    /// When everything was killed for the first time.
    killed: Option<Instant>,
}

/// Who asked for the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Nobody,
    /// Somebody with the right to send signals, who is not the agent.
    Stranger,
    Cell,
}

impl<'a> Life<'a> {
    /// The life of a program that was started just now.
    pub(super) fn new(spec: &'a Spec, leader: i32, kills: Arc<KernelKills>) -> Self {
        let leader = Pid::from_raw(leader);
        let (ending, stop, started) = (None, Stop::Nobody, Instant::now());
        Self { spec, leader, started, ending, stop, has_children: true, exit: None, gone: None, kills }
    }

    /// Stays with the task until it is over, and says how it ended.
    pub(super) fn until_over(mut self, sandbox: &Sandbox, signals: &Signals, mut pumps: Pumps) -> Ended {
        loop {
            let anyone_left = self.collect();
            if self.exit.is_some() && anyone_left {
                // What the main process leaves behind ends with it, with the same grace.
                self.begin_to_end(self.own_grace());
            }
            if self.is_over(anyone_left, &pumps) {
                break;
            }
            self.obey_deadline();
            if let Woken::Asked { sender } = signals.wait(&mut pumps, self.patience()) {
                self.ask(sender, sandbox);
            }
        }
        pumps.close();
        let oom_kills = self.spec.group.oom_kills();
        let _ = self.spec.group.remove();
        self.verdict(oom_kills)
    }

    /// Collects every child that ended; whether any process of the task is left.
    fn collect(&mut self) -> bool {
        loop {
            match reap() {
                Reaped::Ended { pid, exit } if pid == self.leader.as_raw() => self.exit = Some((exit, Instant::now())),
                Reaped::Ended { .. } => {}
                Reaped::NothingYet => return true,
                Reaped::NoChildren => break,
            }
        }
        self.has_children = false;
        // Without children there is no main process, whether or not the kernel said how it ended.
        self.exit.get_or_insert((Exit::Lost, Instant::now()));
        // Orphans are children here, so only a process that joined from outside can be left.
        let anyone_left = !self.spec.group.is_empty();
        if !anyone_left {
            self.gone.get_or_insert_with(Instant::now);
        }
        anyone_left
    }

    fn is_over(&self, anyone_left: bool, pumps: &Pumps) -> bool {
        let is_past = |since: Option<Instant>| since.is_some_and(|at| at.elapsed() > DRAIN_MAX);
        let is_drained = !anyone_left && (pumps.are_dry() || is_past(self.gone));
        // What SIGKILL does not end hangs in the kernel: its end is not worth waiting for.
        let is_hopeless = is_past(self.ending.and_then(|ending| ending.killed));
        self.exit.is_some() && (is_drained || is_hopeless)
    }

    /// How long to sleep at most. Ends of children wake it, but not the ends of others, nor what hangs.
    fn patience(&self) -> Option<Duration> {
        match self.ending {
            Some(Ending { killed: Some(_), .. }) => Some(KILL_AGAIN),
            Some(Ending { deadline, .. }) => {
                let left = deadline.saturating_duration_since(Instant::now());
                Some(if self.has_children { left } else { left.min(KILL_AGAIN) })
            }
            None => self.exit.map(|_| KILL_AGAIN),
        }
    }

    /// Somebody wants the end of the task.
    fn ask(&mut self, sender: i32, sandbox: &Sandbox) {
        let is_agent = self.is_agent(sender);
        // The end of a main process that has ended cannot be asked for any more.
        if self.exit.is_none() && self.stop != Stop::Cell {
            self.stop = if is_agent { Stop::Cell } else { Stop::Stranger };
        }
        // Only the agent brings another grace than the task's own: the note in the sandbox is the cell's.
        let given = if is_agent { sandbox.kill_grace_ms() } else { None };
        self.begin_to_end(given.map_or_else(|| self.own_grace(), Duration::from_millis));
    }

    fn own_grace(&self) -> Duration {
        Duration::from_millis(self.spec.kill_grace_ms)
    }

    /// Whether a signal came from the agent. The kernel names the sender, so the task cannot pretend.
    fn is_agent(&self, sender: i32) -> bool {
        holder::is_held_by(&self.spec.agent_lock, sender)
            && !Snapshot::take().members(Pid::this().as_raw()).contains(&sender)
    }

    /// SIGTERM to every process of the task, once. Asked again, a grace can be cut, and never grows.
    fn begin_to_end(&mut self, grace: Duration) {
        let deadline = Instant::now().checked_add(grace).unwrap_or_else(Instant::now);
        if let Some(ending) = &mut self.ending {
            ending.deadline = ending.deadline.min(deadline);
            return;
        }
        self.ending = Some(Ending { deadline, killed: None });
        // The group first and at once: a shell that waits for its child must not see that end alone.
        // After the main process is collected the number may be another group's.
        let in_group = self.exit.is_none().then_some(self.leader);
        if let Some(group) = in_group {
            let _ = killpg(group, Signal::SIGTERM);
            let _ = killpg(group, Signal::SIGCONT);
        }
        for pid in self.family(in_group) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            // A stopped process could not act on it.
            let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
        }
    }

    /// The processes of the task that are in no group, or in another than this.
    fn family(&self, group: Option<Pid>) -> impl Iterator<Item = i32> {
        let processes = Snapshot::take();
        let mut family = processes.alive(Pid::this().as_raw());
        family.extend(self.spec.group.members());
        family.retain(|pid| group.is_none_or(|group| processes.group(*pid) != Some(group.as_raw())));
        family.into_iter()
    }

    fn obey_deadline(&mut self) {
        let now = Instant::now();
        let Some(ending) = self.ending.as_mut().filter(|ending| now >= ending.deadline) else { return };
        ending.killed.get_or_insert(now);
        ending.deadline = now + KILL_AGAIN;
        self.end_everything();
    }

    /// SIGKILL to the group, to all in the control groups, and to every descendant.
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
        let (exit, at) = self.exit.unwrap_or((Exit::Lost, Instant::now()));
        let (exit_code, signal) = match exit {
            Exit::Code(code) => (Some(code), None),
            Exit::Signal(signal) => (None, Some(signal)),
            Exit::Lost => (None, None),
        };
        let (state, reason) = reason(self.stop, exit, self.kills.recent(oom_kills));
        let ran_ms = u64::try_from((at - self.started).as_millis()).ok();
        let message = self.note(exit, reason, oom_kills);
        ended(state, EndV1 { exit_code, signal, ran_ms, message, ..EndV1::because(reason) })
    }

    fn note(&self, exit: Exit, reason: EndReason, oom_kills: u64) -> Option<String> {
        let stranger = (self.stop == Stop::Stranger)
            .then(|| "its supervisor got SIGTERM from somebody other than the agent".to_owned());
        let lost = (exit == Exit::Lost).then(|| "the kernel did not say how the main process ended".to_owned());
        let others = (oom_kills > 0 && reason != EndReason::OutOfMemory).then(|| {
            let processes = if oom_kills == 1 { "one process".to_owned() } else { format!("{oom_kills} processes") };
            format!("the kernel ended {processes} of the task for passing the memory limit")
        });
        let notes: Vec<_> = [stranger, lost, others].into_iter().flatten().collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// The state and the reason follow from how the main process ended, and from who asked for it.
fn reason(stop: Stop, exit: Exit, recent_oom_kills: u64) -> (TaskState, EndReason) {
    match (stop, exit) {
        (Stop::Cell, _) => (TaskState::Killed, EndReason::Requested),
        (Stop::Nobody, Exit::Code(0)) => (TaskState::Finished, EndReason::Exited),
        (Stop::Nobody, Exit::Code(_)) => (TaskState::Failed, EndReason::Exited),
        // The kernel's only way to enforce the limit; a process that exits was not ended by it.
        (Stop::Nobody, Exit::Signal(number)) if number == Signal::SIGKILL as i32 && recent_oom_kills > 0 => {
            (TaskState::Failed, EndReason::OutOfMemory)
        }
        (Stop::Nobody | Stop::Stranger, _) => (TaskState::Failed, EndReason::Signalled),
    }
}
