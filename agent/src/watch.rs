//! Watching one supervisor: when its program runs, when it is gone, and how the task ended.
//!
//! A process descriptor tells that a supervisor is gone, whoever its parent is and without asking again
//! and again. When one leaves no end behind, this module ends what is left of the task and writes the
//! end in its place, holding the sandbox's lock, so that a late supervisor starts nothing.

use std::{
    fs::{self, File},
    os::fd::OwnedFd,
    process::ChildStdout,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use log_schema::{
    TaskState,
    task::{EndReason, EndV1},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rustix::process::{Pid as RawPid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use tokio::{
    io::{AsyncReadExt, Interest, unix::AsyncFd},
    net::unix::pipe,
    task::spawn_blocking,
};

use crate::{
    journal::Begun,
    process_tree::{self, Snapshot},
    sandbox::{self, Ended, ProcessName, Sandbox, now},
    supervisor::RUNNING,
};

/// How often an adopted supervisor that has not started its program yet is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long the processes of a task may take to end after SIGKILL.
const SWEEP_MAX: Duration = Duration::from_secs(2);
/// The longest complaint of a supervisor that is passed on, in bytes.
const COMPLAINT_BYTES_MAX: usize = 400;

/// A living supervisor. Its number cannot be mistaken for a later process's.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    pub(crate) pid: i32,
    descriptor: Arc<OwnedFd>,
    /// This agent asked it to end the task.
    asked: Arc<AtomicBool>,
}

impl Supervisor {
    /// Takes hold of a child, or of a process whose name is checked by the caller afterwards.
    pub(crate) fn open(pid: i32) -> rustix::io::Result<Self> {
        let raw = RawPid::from_raw(pid).ok_or(rustix::io::Errno::SRCH)?;
        let descriptor = Arc::new(pidfd_open(raw, PidfdFlags::NONBLOCK)?);
        Ok(Self { pid, descriptor, asked: Arc::default() })
    }

    /// Takes hold of the process with this name, if it lives.
    pub(crate) fn find(name: &ProcessName) -> Option<Self> {
        let found = Self::open(name.pid).ok()?;
        // Looked up after it was taken hold of: a process that came later has another start.
        let same =
            process_tree::start_ticks(name.pid) == Some(name.start_ticks) && name.boot == process_tree::boot_id();
        same.then_some(found)
    }

    /// Asks for the end of the task. A supervisor that is gone needs no asking.
    pub(crate) fn ask_to_end(&self) {
        self.asked.store(true, Ordering::Relaxed);
        let _ = pidfd_send_signal(&*self.descriptor, rustix::process::Signal::TERM);
    }

    /// The descriptor as the runtime waits for it. Nothing is read from it: it is readable once the process is
    /// gone. It is shared, not duplicated, since an agent has one of these for each running task.
    #[expect(unsafe_code, reason = "the runtime has no safe interface to a descriptor that others hold too")]
    fn watched(&self) -> Option<AsyncFd<Arc<OwnedFd>>> {
        // SAFETY: the result holds the descriptor open by its share in it, and nothing changes which
        // descriptor an `OwnedFd` behind an `Arc` is.
        unsafe { AsyncFd::register_with_interest(Arc::clone(&self.descriptor), Interest::READABLE) }.ok()
    }

    /// Waits until the supervisor is gone, and lets the kernel forget it where it is a child.
    async fn gone(&self) {
        if let Some(watched) = self.watched() {
            let _ = watched.readable().await;
        }
        let _ = waitid(WaitId::PidFd(std::os::fd::AsFd::as_fd(&*self.descriptor)), WaitIdOptions::EXITED);
    }
}

/// How the watcher learns that the program runs.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The supervisor says so on its standard output.
    Pipe(ChildStdout),
    /// A file of the sandbox says so, sooner or later.
    File,
}

/// Waits until the program runs. False: the supervisor ended without that.
pub(crate) async fn running(sandbox: &Sandbox, supervisor: &Supervisor, notice: Notice) -> bool {
    match notice {
        Notice::Pipe(stdout) => read_running(stdout).await,
        Notice::File => {
            let started = async {
                while !matches!(sandbox.started(), Ok(Some(_))) {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            tokio::select! {
                () = started => true,
                () = supervisor.gone() => matches!(sandbox.started(), Ok(Some(_))),
            }
        }
    }
}

async fn read_running(stdout: ChildStdout) -> bool {
    let Ok(mut pipe) = pipe::Receiver::from_owned_fd(stdout.into()) else { return false };
    let mut said = [0; RUNNING.len()];
    pipe.read_exact(&mut said).await.is_ok() && said == RUNNING
}

/// Waits until the supervisor is gone, and says how the task ended. A supervisor that ends before it starts the
/// program was kept from it by the machine, as by a full disk.
pub(crate) async fn ended(sandbox: Sandbox, supervisor: Supervisor) -> Ended {
    supervisor.gone().await;
    // Not read from the sandbox: a task that ends its supervisor could have written that.
    let kill_wanted = supervisor.asked.load(Ordering::Relaxed);
    settled(sandbox, None, Unsigned::MachineFault, kill_wanted).await
}

/// The end of a start without a living supervisor: what is written, or written now.
async fn settled(sandbox: Sandbox, lock: Option<File>, unsigned: Unsigned, kill_wanted: bool) -> Ended {
    let settling = spawn_blocking(move || settle(&sandbox, lock, unsigned, kill_wanted));
    settling.await.unwrap_or_else(|_| died("the agent failed while it ended what was left of the task"))
}

/// Takes the lock if it is not held already, and ends what is left before it writes the end.
fn settle(sandbox: &Sandbox, lock: Option<File>, unsigned: Unsigned, kill_wanted: bool) -> Ended {
    if !sandbox.exists() {
        return died("the sandbox is gone");
    }
    let lock = lock.map_or_else(|| sandbox.lock(), Ok);
    if let Err(error) = &lock {
        tracing::warn!(%error, "a supervisor is gone, but its lock cannot be had");
    }
    if let Ok(Some(ended)) = sandbox.ended() {
        return ended;
    }
    sweep(sandbox);
    let ended = end_in_place_of_the_supervisor(sandbox, unsigned, kill_wanted);
    if let Err(error) = sandbox.write_ended(&ended) {
        tracing::error!(error = &error as &dyn std::error::Error, "an end is not on the disk");
    }
    ended
}

/// Ends what is left of a start whose supervisor is gone, and writes its end: for who holds the agent's lock and runs
/// no agent.
pub fn end_abandoned(sandbox: &Sandbox) {
    settle(sandbox, None, Unsigned::MachineFault, sandbox.kill_wanted());
}

fn end_in_place_of_the_supervisor(sandbox: &Sandbox, unsigned: Unsigned, kill_wanted: bool) -> Ended {
    if kill_wanted {
        return killed();
    }
    let complaint = fs::read_to_string(sandbox.complaints()).unwrap_or_default();
    let complaint: String = complaint.trim().chars().take(COMPLAINT_BYTES_MAX / 4).collect();
    let supervisor = sandbox.supervisor().ok().flatten();
    if supervisor.is_none() && complaint.is_empty() {
        match unsigned {
            Unsigned::NeverBegan => return never_began(),
            Unsigned::InDoubt => return died("the machine was started anew while the task was to begin"),
            Unsigned::MachineFault => {}
        }
    }
    let unstarted = match unsigned {
        Unsigned::MachineFault => EndReason::MachineFault,
        Unsigned::NeverBegan | Unsigned::InDoubt => EndReason::SupervisorDied,
    };
    let booted = supervisor.is_none_or(|name| name.boot == process_tree::boot_id());
    match (complaint.is_empty(), booted, sandbox.started()) {
        (false, _, Ok(None)) => without_supervisor(unstarted, &complaint),
        (false, ..) => died(&complaint),
        (true, false, _) => died("the machine was started anew"),
        (true, true, Ok(Some(_))) => died("the supervisor of the task died"),
        (true, true, _) => without_supervisor(unstarted, "the supervisor died before the program ran"),
    }
}

/// Ends every process of a start whose supervisor is gone.
fn sweep(sandbox: &Sandbox) {
    let spec = sandbox.spec().ok().flatten();
    let deadline = Instant::now() + SWEEP_MAX;
    loop {
        if let Some(spec) = &spec {
            spec.group.kill();
        }
        let left = leftovers(sandbox);
        for pid in &left {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        if (left.is_empty() && spec.as_ref().is_none_or(|spec| spec.group.is_empty())) || Instant::now() > deadline {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    if let Some(spec) = spec {
        let _ = spec.group.remove();
    }
}

/// Members of the dead supervisor's session. While there is one, the kernel gives the session's number
/// to nobody else; so where the number is another process's, or the machine was booted since, none is left.
fn leftovers(sandbox: &Sandbox) -> Vec<i32> {
    let Ok(Some(name)) = sandbox.supervisor() else { return Vec::new() };
    let taken = process_tree::start_ticks(name.pid).is_some_and(|ticks| ticks != name.start_ticks);
    if taken || name.boot != process_tree::boot_id() {
        return Vec::new();
    }
    Snapshot::take().alive(name.pid).into_iter().collect()
}

/// The end of a task that the cell wanted ended.
pub(crate) fn killed() -> Ended {
    Ended { state: TaskState::Killed, end: EndV1::because(EndReason::Requested), observed: now() }
}

fn died(message: &str) -> Ended {
    without_supervisor(EndReason::SupervisorDied, message)
}

fn without_supervisor(reason: EndReason, message: &str) -> Ended {
    let end = EndV1 { message: Some(message.to_owned()), ..EndV1::because(reason) };
    Ended { state: TaskState::Failed, end, observed: now() }
}

/// What follows where no supervisor signed the lock of a sandbox. A supervisor signs before it starts
/// the program, so nothing of the task ran then, if what was written is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsigned {
    /// Its supervisor was seen alive, and ended. If it complained before the program ran, the machine kept it
    /// from its work, as a full disk does.
    MachineFault,
    /// The agent that was to start it ended first.
    NeverBegan,
    /// The machine ended: a signature may have been lost with it.
    InDoubt,
}

/// The end of a start of which nothing ran.
fn never_began() -> Ended {
    let message = Some("the agent ended before it could begin the task".to_owned());
    let end = EndV1 { message, ..EndV1::because(EndReason::NeverBegan) };
    Ended { state: TaskState::Failed, end, observed: now() }
}

/// What a sandbox tells about its supervisor.
enum Found {
    /// It lives.
    Alive(Supervisor),
    /// There is none, and there will be none for as long as this lock is held.
    Gone(File),
    /// Somebody holds the lock but has not said who it is yet.
    Unsigned,
}

/// Looks for the supervisor of a sandbox: whoever holds the lock lives.
fn find(sandbox: &Sandbox) -> Result<Found, sandbox::Error> {
    match sandbox.lock() {
        Err(sandbox::Error::Locked { .. }) => {
            let found = sandbox.supervisor()?.and_then(|name| Supervisor::find(&name));
            Ok(found.map_or(Found::Unsigned, Found::Alive))
        }
        other => other.map(Found::Gone),
    }
}

/// Finds the supervisor that an earlier agent started; `Err` is the end of a task that has none.
pub(crate) async fn adopt(sandbox: &Sandbox, begun: Begun) -> Result<Supervisor, Ended> {
    let unsigned = if begun.is_of_earlier_boot { Unsigned::InDoubt } else { Unsigned::NeverBegan };
    // It waited for its turn. Whether its sandbox was made meanwhile makes no difference.
    if !begun.attempted && !begun.is_of_earlier_boot {
        return Err(if sandbox.kill_wanted() { killed() } else { never_began() });
    }
    let kill_wanted = sandbox.kill_wanted();
    loop {
        match find(sandbox) {
            Ok(Found::Alive(supervisor)) => return Ok(supervisor),
            Ok(Found::Gone(lock)) => return Err(settled(sandbox.clone(), Some(lock), unsigned, kill_wanted).await),
            Ok(Found::Unsigned) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(_) => return Err(settled(sandbox.clone(), None, unsigned, kill_wanted).await),
        }
    }
}
