//! The agent: one loop on a thread of its own that obeys decisions and reports what became of them.
//!
//! ```text
//! link ─┐                                    ┌─> supervisors
//! watchers ─┼─> Input ─> loop ─> journal ─> ─┤
//! timers ─┘                                  └─> reports ─> link
//! ```
//!
//! The loop may block on the disk, never on the network. It knows no clock but for what it reports, and
//! decides nothing: each step follows from the log, from the journal, or from a process's end.

mod obey;
mod outside;
mod reconcile;

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    path::PathBuf,
    time::Duration,
};

use command_log::remote::{self, Inbound, Link, SharedPosition, protocol::FromGateway};
use compact_str::CompactString;
use log_schema::{AgentId, AgentIdentity, JobId, Key, Offset, Resources, TaskState, job::RunSpecV1};
pub use outside::{run, stand_in};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

use crate::{
    filtered::{self, FilteredReader},
    identity,
    journal::{self, Journal},
    machine, output, sandbox,
    sandbox::{Ended, TaskKey, now},
    start::Placement,
    status::{Report, Reports, Status},
    tasks::{self, Tasks},
    watch::Supervisor,
};
use reconcile::Expected;

/// How long a batch of reports that was not taken waits before it is sent again.
const RETRY: Duration = Duration::from_millis(200);
/// The most inputs that are taken before reports are sent.
const INPUTS_AT_ONCE_MAX: usize = 256;

/// The most ends that are remembered because the cell may not have read them yet.
const TOLD_MAX: usize = 16_384;

/// How an agent is set up.
#[derive(Debug)]
pub struct Config {
    /// Its name in the cell.
    pub id: AgentId,
    /// The gateway's address, `http://HOST:PORT`.
    pub gateway_url: String,
    /// A file that says where the gateway is now, read again before each connection: that of a cell on this machine.
    pub gateway_url_file: Option<PathBuf>,
    /// What it proves itself with, where the gateway asks for it.
    pub token: Option<String>,
    /// Where its journal and its sandboxes are.
    pub directory: PathBuf,
    /// What it offers to the cell; what the machine has, where absent.
    pub resources: Option<Resources>,
    /// Attributes beside those of the machine, and in their place.
    pub attributes: BTreeMap<CompactString, CompactString>,
    /// How a supervisor is started: a program and arguments, to which the sandbox is added.
    pub supervisor_command: Vec<OsString>,
    /// How much output of each task is kept.
    pub output: output::Kept,
    /// How many ended tasks keep their sandboxes.
    pub ended_kept_max: usize,
    /// The agent leaves when this becomes true or its sender is gone; tasks go on.
    pub shutdown: watch::Receiver<bool>,
}

/// Why an agent stopped.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The id is too long to sign commands with.
    #[error("the agent's id cannot be used")]
    Id { source: log_schema::id::Error },
    /// The agent's directory cannot be used.
    #[error("could not {doing} {path}")]
    Directory { doing: &'static str, path: PathBuf, source: std::io::Error },
    /// The directory is not this agent's.
    #[error("the agent's directory cannot be used")]
    Identity(#[from] identity::Error),
    /// Nothing can be started without it; tasks end by themselves when their sandboxes are gone.
    #[error("the agent's directory {path} was deleted while the agent ran, and its tasks with it")]
    DirectoryGone { path: PathBuf },
    /// A part of this program panicked: going on would be going on without it.
    #[error("an invariant of the agent is broken: {what}")]
    Broken { what: String },
    /// Another agent runs on the directory.
    #[error("another agent uses {path}")]
    InUse { path: PathBuf },
    /// The machine cannot be read.
    #[error("could not find out what the machine has")]
    Machine(#[from] machine::Error),
    /// The journal cannot be read.
    #[error("the agent does not know what it did before")]
    Journal(#[from] journal::Error),
    /// The link ended for good.
    #[error("the link to the cell ended")]
    Link(#[from] remote::Error),
    /// What came over the link is not a log.
    #[error("the agent does not obey what it was sent")]
    View(#[from] filtered::Error),
}

/// Everything that the loop hears of.
#[derive(Debug)]
pub(crate) enum Input {
    /// Something came over the link, or happened to it.
    Link(Inbound),
    /// The batch of reports that was under way is in the log, or is not.
    Appended(Result<Vec<Offset>, remote::Error>),
    /// Time to send reports again.
    Retry,
    /// The supervisor of a task was started, or found.
    Supervised { key: TaskKey, supervisor: Supervisor },
    /// A start takes long; others need not wait for it.
    Slow { key: TaskKey },
    /// The program of a task runs.
    Running { key: TaskKey },
    /// A task ended.
    Ended { key: TaskKey, ended: Ended },
    /// The agent's directory was deleted.
    DirectoryGone,
    /// A task beside the loop panicked.
    Broken { what: String },
    /// The agent is to leave; tasks go on.
    Shutdown,
}

/// The agent's state, owned by its loop.
pub(crate) struct Agent {
    id: AgentId,
    directory: PathBuf,
    identity: AgentIdentity,
    /// How far it had obeyed a course of the log that the cell lost; said with the next report.
    strayed: Option<Offset>,
    /// The cell lost a part of its log, and has not said yet what it takes to be here.
    is_astray: bool,
    /// The link ended for good because another agent has the name; the agent ends when its tasks have ended.
    turned_away: Option<remote::Error>,
    /// Starts of the lost part that are ending, each with a start of the same number that waits for it.
    lost: BTreeMap<TaskKey, Option<Box<Placement>>>,
    capacity: Resources,
    attributes: BTreeMap<CompactString, CompactString>,
    journal: Journal,
    /// Absent until an agent without a memory has heard how far the cell is.
    reader: Option<FilteredReader>,
    position: SharedPosition,
    /// What the jobs of this connection run.
    jobs: BTreeMap<JobId, RunSpecV1>,
    expected: Option<Expected>,
    tasks: Tasks,
    reports: Reports,
    /// Ends that are in the log behind what the cell had answered when it last said what it expects.
    told: BTreeMap<TaskKey, Offset>,
    /// Reports wait for [`Input::Retry`].
    held: bool,
    /// Starts whose end the cell knows, oldest first; they keep their sandboxes for a while.
    ended: VecDeque<TaskKey>,
    ended_kept_max: usize,
    /// How often this agent said what it has; makes each time a command of its own.
    announced: u64,
    link: Link,
    inputs: mpsc::Sender<Input>,
    runtime: Handle,
}

impl Agent {
    /// Takes inputs until the agent is to leave or cannot go on.
    pub(crate) fn run(mut self, mut inputs: mpsc::Receiver<Input>) -> Result<(), Error> {
        while let Some(first) = inputs.blocking_recv() {
            let more = std::iter::from_fn(|| inputs.try_recv().ok()).take(INPUTS_AT_ONCE_MAX);
            for input in std::iter::once(first).chain(more) {
                if matches!(input, Input::Shutdown) {
                    self.tasks.leave();
                    self.journal.sync();
                    return Ok(());
                }
                self.take(input)?;
            }
            // Not at once: a supervisor that is being looked for has not been told yet.
            if self.tasks.are_none()
                && let Some(error) = self.turned_away.take()
            {
                return Err(error.into());
            }
            self.tell();
        }
        Ok(())
    }

    fn take(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Link(inbound) => self.heard(inbound),
            Input::Appended(result) => {
                self.appended(result);
                Ok(())
            }
            Input::Supervised { key, supervisor } => {
                self.tasks.supervised(&key, supervisor);
                Ok(())
            }
            Input::Slow { key } => {
                self.tasks.is_slow(&key);
                self.start_next();
                Ok(())
            }
            Input::Running { key } => {
                self.running(key);
                self.start_next();
                Ok(())
            }
            Input::Ended { key, ended: _ } if self.lost.contains_key(&key) => {
                self.lost_ended(&key);
                self.start_next();
                Ok(())
            }
            Input::Ended { key, ended } => {
                self.task_ended(key, ended);
                self.start_next();
                Ok(())
            }
            Input::Retry => {
                self.held = false;
                Ok(())
            }
            Input::DirectoryGone => Err(Error::DirectoryGone { path: self.directory.clone() }),
            Input::Broken { what } => Err(Error::Broken { what }),
            Input::Shutdown => Ok(()),
        }
    }

    fn heard(&mut self, inbound: Inbound) -> Result<(), Error> {
        match inbound {
            Inbound::Connected(from) => {
                tracing::info!(agent = %self.id, "connected to the gateway");
                if from.is_none() {
                    self.reader = None;
                }
                // What jobs run is told anew on each connection.
                self.jobs.clear();
                self.announce();
            }
            Inbound::Disconnected(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no connection to the gateway");
            }
            Inbound::OutOfRange => {
                tracing::warn!("the gateway cannot go on from where this agent was; starting afresh");
            }
            Inbound::Ended(error @ remote::Error::IdentityTaken { .. }) => self.turned_away(error),
            Inbound::Ended(error) => return Err(error.into()),
            Inbound::Strayed(position) => self.stray(position),
            Inbound::Message(FromGateway::Expected { epoch, to, chain, tasks }) => {
                self.expect(epoch, to.map(|to| (to, chain)), tasks);
            }
            Inbound::Message(FromGateway::Records(records)) => self.obey(&records)?,
            Inbound::Message(
                FromGateway::Watermarks { .. }
                | FromGateway::Appended { .. }
                | FromGateway::Failed { .. }
                | FromGateway::ReadLog { .. },
            ) => {}
        }
        Ok(())
    }

    /// The cell has another agent under this name. It gave up what runs here as lost and may have placed it again,
    /// so nothing of it may run on.
    fn turned_away(&mut self, error: remote::Error) {
        let alive = self.tasks.alive();
        if !alive.is_empty() {
            tracing::error!(
                agent = %self.id,
                error = &error as &dyn std::error::Error,
                tasks = alive.len(),
                "another agent took this one's name; ending the tasks of this one, which the cell has given up"
            );
        }
        alive.into_iter().for_each(|key| self.kill(key, None));
        self.turned_away = Some(error);
    }

    /// Says what this agent has, as a command of its own each time.
    fn announce(&mut self) {
        self.announced += 1;
        let key = Key::new(format!("report:{}:{}", now(), self.announced)).expect("words and numbers make a key");
        let (capacity, attributes) = (self.capacity.clone(), self.attributes.clone());
        let (identity, strayed) = (self.identity.clone(), self.strayed.take());
        let tasks_max = self.tasks.room();
        self.reports.add(Report::Agent { key, capacity, attributes, tasks_max, identity, strayed });
    }

    fn running(&mut self, key: TaskKey) {
        self.tasks.runs(&key);
        if self.lost.contains_key(&key) {
            return;
        }
        let begun = self.journal.known(&key);
        if begun.is_none_or(|begun| begun.reported < Some(TaskState::Running)) {
            let placed_at = begun.map(|begun| begun.at);
            self.reports.add(Report::Status(Status::running(key, now(), placed_at)));
        }
    }

    fn task_ended(&mut self, key: TaskKey, ended: Ended) {
        self.tasks.ended(&key);
        tracing::debug!(%key, state = %ended.state, "a task ended");
        let placed_at = self.journal.known(&key).map(|begun| begun.at);
        self.reports.add(Report::Status(Status::ended(key, ended, placed_at)));
    }

    /// Sends the next batch of reports, unless one is under way.
    fn tell(&mut self) {
        // What waits may be about starts that the cell has lost; it is sorted out first.
        if self.held || self.is_astray {
            return;
        }
        let Some(batch) = self.reports.next_batch() else { return };
        let (link, inputs) = (self.link.clone(), self.inputs.clone());
        self.runtime.spawn(async move {
            let appended = link.append(batch).await;
            let _ = inputs.send(Input::Appended(appended)).await;
        });
    }

    fn appended(&mut self, result: Result<Vec<Offset>, remote::Error>) {
        match result {
            Ok(offsets) => self.reported(&offsets),
            // The link says by itself that and why it ended.
            Err(remote::Error::Closed) => {}
            Err(error) if error.is_transient() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "reports were not taken; sending them again");
                self.reports.again();
                self.held = true;
                let inputs = self.inputs.clone();
                self.runtime.spawn(async move {
                    tokio::time::sleep(RETRY).await;
                    let _ = inputs.send(Input::Retry).await;
                });
            }
            Err(error) => {
                let dropped = self.reports.done();
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    ?dropped,
                    "reports are not wanted and were dropped"
                );
            }
        }
    }

    fn reported(&mut self, offsets: &[Offset]) {
        for (report, at) in self.reports.done().into_iter().zip(offsets) {
            let Report::Status(Status { key, state, .. }) = report else { continue };
            if state.is_terminal() {
                if self.told.len() >= TOLD_MAX {
                    // A cell that has not answered so many may hear some of them twice.
                    self.told.pop_first();
                }
                self.told.insert(key.clone(), *at);
            }
            let Some(begun) = self.journal.known(&key) else { continue };
            self.journal.reported(&key, state);
            let first_end = state.is_terminal() && begun.reported.is_none_or(|before| !before.is_terminal());
            if first_end {
                self.keep_ended(key);
            }
        }
    }

    /// Keeps the sandbox of an ended start, and removes the oldest where there are too many.
    fn keep_ended(&mut self, key: TaskKey) {
        self.ended.push_back(key);
        while self.ended.len() > self.ended_kept_max {
            let Some(oldest) = self.ended.pop_front() else { break };
            self.journal.removed(&oldest);
            self.tasks.remove_sandbox(&oldest);
        }
    }

    /// Makes what a supervisor needs; the error says how the task ended before it began. Nothing is made that the
    /// journal could not note.
    fn prepare(&mut self, key: &TaskKey) -> Result<(), Ended> {
        self.journal.secure().map_err(|error| tasks::cannot_start(&error.into()))?;
        self.tasks.prepare(key)?;
        self.journal.attempted(key);
        self.journal.secure().map_err(|error| tasks::cannot_start(&error.into()))
    }

    /// Takes over what an earlier agent left: everything whose end the cell does not know yet.
    fn adopt(&mut self) {
        let mut known: Vec<_> = self.journal.begun().map(|(key, begun)| (begun.at, key.clone(), *begun)).collect();
        known.sort_unstable_by_key(|(at, ..)| *at);
        for (_, key, begun) in known {
            if begun.reported.is_some_and(TaskState::is_terminal) {
                self.keep_ended(key);
            } else {
                self.tasks.adopt(key, begun);
            }
        }
    }
}

/// The starts whose sandboxes are on the disk, with the decision that placed each.
fn sandboxes_on_disk(root: &std::path::Path) -> Vec<(TaskKey, Offset, Offset)> {
    let specs = sandbox::all(root).into_iter().filter_map(|sandbox| sandbox.spec().ok().flatten());
    specs.map(|spec| (spec.key, spec.placed_at, spec.placed_to)).collect()
}
