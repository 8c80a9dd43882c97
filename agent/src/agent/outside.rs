//! The agent's edges: its directory, its link, and everything that turns into an [`Input`].

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use command_log::remote::{
    self, Inbound, Link,
    protocol::{FailureCode, FromAgent, FromGateway},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot, watch},
    task::{JoinSet, spawn_blocking},
};

use super::{Agent, Config, Error, Input, sandboxes_on_disk};
use crate::{
    cgroup::{self, Layout},
    filtered::FilteredReader,
    fingerprint,
    holder::{self, ProcessName},
    identity,
    journal::Journal,
    logs, machine, part,
    room::Room,
    start::Starter,
    status::Reports,
    supervisor,
    tasks::Tasks,
    telemetry,
};

/// How many inputs may wait for the loop.
const INPUTS_MAX: usize = 4096;
/// How many readers of tasks' output are served at once.
const LOG_READERS_MAX: usize = 64;
/// The longest wait for a first byte of output that a gateway may ask for.
const LOG_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the agent waits for an earlier one to let go of the directory.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// How often it looks.
const LOCK_LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How often the agent looks whether its directory is there.
const LOOK_FOR_DIRECTORY: Duration = Duration::from_secs(1);
/// How often the directories of control groups are made, at most.
const HOLD_TRIES_MAX: u32 = 8;
/// The most files that the agent lets itself open: one for each running task.
const FILES_MAX: u64 = 65_536;

/// Runs an agent until it is told to leave, or cannot go on. Tasks outlive it, and the next run on
/// the same directory takes them over.
pub async fn run(config: Config) -> Result<(), Error> {
    let (inputs, taken) = mpsc::channel(INPUTS_MAX);
    let _told_to_leave_when_dropped = Leave(inputs.clone());
    let sandboxes = config.directory.join("sandboxes");
    fs::create_dir_all(&sandboxes).map_err(failed("make", &sandboxes))?;
    let agent_lock = lock_path(&config.directory);
    let _in_use = lock_patiently(&agent_lock).await?;
    let identity = identity::take(&config.directory, &config.id)?;
    allow_many_files();

    let journal = open_journal(&config.directory.join("journal"), &sandboxes)?;
    let position = Arc::new(Mutex::new(journal.position()));
    let link_config = remote::Config {
        url: config.gateway_url.clone(),
        url_file: config.gateway_url_file.clone(),
        agent: config.id.clone(),
        secret: identity.secret.clone(),
        run: identity.run,
        token: config.token.clone(),
    };
    let running = telemetry::Running::default();
    let (layout, groups) = hold_groups(&groups_name(&config));
    layout.remove_abandoned();
    let room = Room::find(LOG_READERS_MAX);
    let unmet = supervisor::unmet();
    if !unmet.is_empty() {
        tracing::warn!(
            unmet = unmet.join(", "),
            "tasks do not start from the documented state: this user may not give it"
        );
    }
    tracing::info!(agent = %config.id, limits = layout.statement(), room = room.statement(), "agent starts");
    let capacity = config.resources.clone().map_or_else(|| machine::capacity(&config.directory), Ok)?;
    let reports = Reports::new(config.id.clone()).map_err(|source| Error::Id { source })?;

    let (link, inbound) = Link::open(link_config, Arc::clone(&position))?;
    let mut edges = JoinSet::new();
    let forwarding = forward(inbound, inputs.clone(), link.clone(), sandboxes.clone(), room.readers_max);
    edges.spawn(part::run("what takes from the link", inputs.clone(), forwarding));
    let measuring = telemetry::send(config.id.clone(), config.directory.clone(), Arc::clone(&running), link.clone());
    edges.spawn(part::run("what measures the tasks", inputs.clone(), measuring));
    let watching = watch_directory(config.directory.join(identity::FILE), inputs.clone());
    edges.spawn(part::run("what looks for the directory", inputs.clone(), watching));
    let waiting = leave_when_told(config.shutdown.clone(), inputs.clone());
    edges.spawn(part::run("what waits for the end", inputs.clone(), waiting));

    let mut attributes = machine::attributes();
    attributes.insert("limits".into(), layout.attribute().into());
    attributes.extend(config.attributes);
    let _groups = RemoveGroups { layout: layout.clone(), held: groups };
    let starter = Starter {
        agent: config.id.clone(),
        sandboxes,
        supervisor_command: config.supervisor_command,
        layout,
        output: config.output,
        agent_lock,
    };
    let runtime = Handle::current();
    let agent = Agent {
        id: config.id,
        directory: config.directory,
        identity: identity.secret.identity(),
        strayed: None,
        is_astray: false,
        turned_away: None,
        lost: BTreeMap::new(),
        capacity,
        attributes,
        reader: journal.position().map(FilteredReader::resume),
        journal,
        position,
        jobs: BTreeMap::new(),
        expected: None,
        tasks: Tasks::new(starter, room, running, runtime.clone(), inputs.clone()),
        reports,
        told: BTreeMap::new(),
        held: false,
        ended: VecDeque::new(),
        ended_kept_max: config.ended_kept_max,
        announced: 0,
        link,
        inputs,
        runtime,
    };
    on_a_thread_of_its_own(agent, taken).await
}

async fn on_a_thread_of_its_own(mut agent: Agent, inputs: mpsc::Receiver<Input>) -> Result<(), Error> {
    let (done, over) = oneshot::channel();
    let body = move || {
        agent.adopt();
        let _ = done.send(agent.run(inputs));
    };
    let path = PathBuf::from("thread");
    std::thread::Builder::new().name("agent".into()).spawn(body).map_err(failed("start a", &path))?;
    over.await.expect("the agent's loop returns; a panic in it is a broken invariant")
}

/// The directory of this agent's control groups. Agents of other cells may have the same id on the same
/// machine, so the agent's directory is part of the name.
fn groups_name(config: &Config) -> String {
    let directory = config.directory.canonicalize().unwrap_or_else(|_| config.directory.clone());
    format!("{}{}.{}", cgroup::HOME_PREFIX, config.id, fingerprint::of(directory.as_os_str().as_encoded_bytes(), 4))
}

/// Tells the loop to leave when whoever runs the agent lets go of it.
struct Leave(mpsc::Sender<Input>);

impl Drop for Leave {
    fn drop(&mut self) {
        let _ = self.0.try_send(Input::Shutdown);
    }
}

/// Makes the directories of the control groups and takes hold of them. An agent that starts beside this one may
/// take one that was just made for one that was left behind, hence again.
fn hold_groups(name: &str) -> (Layout, Vec<File>) {
    for _ in 0..HOLD_TRIES_MAX {
        let layout = Layout::detect(name);
        if let Some(held) = layout.hold() {
            return (layout, held);
        }
    }
    (Layout::none("the directories of its control groups were removed again and again"), Vec::new())
}

/// Removes the directories of the control groups when the agent leaves no task behind.
struct RemoveGroups {
    layout: Layout,
    held: Vec<File>,
}

impl Drop for RemoveGroups {
    fn drop(&mut self) {
        self.held.clear();
        self.layout.remove_if_abandoned();
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Directory { doing, path, source }
}

/// Takes the lock of the directory. An agent that is just leaving may hold it for a moment yet, as may a
/// process that is just being started and still has its descriptors.
async fn lock_patiently(path: &Path) -> Result<File, Error> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match lock(path) {
            Err(Error::InUse { .. }) if Instant::now() < deadline => tokio::time::sleep(LOCK_LOOK_AGAIN).await,
            other => return other,
        }
    }
}

fn lock(path: &Path) -> Result<File, Error> {
    let locked = holder::lock(path).map_err(failed("lock", path))?;
    let file = locked.ok_or_else(|| Error::InUse { path: path.to_owned() })?;
    holder::sign(&file, &ProcessName::own()).map_err(failed("sign", path))?;
    Ok(file)
}

fn lock_path(directory: &Path) -> PathBuf {
    directory.join("agent.lock")
}

/// Takes the place of the agent of this directory, for as long as the file is held: supervisors obey this
/// process then. Fails where an agent runs.
pub fn stand_in(directory: &Path) -> Result<File, Error> {
    lock(&lock_path(directory))
}

/// Opens the journal, and adds what only the sandboxes still know.
fn open_journal(path: &Path, sandboxes: &Path) -> Result<Journal, Error> {
    let mut journal = Journal::open(path)?;
    let mut found = sandboxes_on_disk(sandboxes);
    found.retain(|(key, ..)| journal.known(key).is_none());
    if !found.is_empty() {
        tracing::warn!(sandboxes = found.len(), "found sandboxes that the journal does not know");
        journal.begin(&found);
        found.iter().for_each(|(key, ..)| journal.attempted(key));
    }
    Ok(journal)
}

fn allow_many_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let wanted = hard.min(FILES_MAX).max(soft);
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
    }
}

async fn leave_when_told(mut shutdown: watch::Receiver<bool>, inputs: mpsc::Sender<Input>) {
    // An error means that the sender is gone, which tells the same.
    let _ = shutdown.wait_for(|told| *told).await;
    let _ = inputs.send(Input::Shutdown).await;
}

/// Looks for the directory now and then: an agent without one could start nothing, and would swallow every task.
async fn watch_directory(file: PathBuf, inputs: mpsc::Sender<Input>) {
    let mut interval = tokio::time::interval(LOOK_FOR_DIRECTORY);
    loop {
        interval.tick().await;
        if matches!(tokio::fs::metadata(&file).await, Err(error) if error.kind() == std::io::ErrorKind::NotFound) {
            let _ = inputs.send(Input::DirectoryGone).await;
            return;
        }
    }
}

/// Hands on what comes over the link; readers of output are served beside the loop.
async fn forward(
    mut inbound: mpsc::Receiver<Inbound>,
    inputs: mpsc::Sender<Input>,
    link: Link,
    sandboxes: PathBuf,
    readers_max: usize,
) {
    let mut readers = JoinSet::new();
    let room = Arc::new(Semaphore::new(readers_max));
    let mut has_ended = false;
    while let Some(message) = inbound.recv().await {
        has_ended |= matches!(message, Inbound::Ended(_));
        while readers.try_join_next().is_some() {}
        if let Inbound::Message(FromGateway::ReadLog { request, task, incarnation, stream, from, bytes_max, wait_ms }) =
            message
        {
            let wanted = logs::Request { task, incarnation, stream, from, bytes_max };
            let wait = Duration::from_millis(wait_ms.into()).min(LOG_WAIT_MAX);
            readers.spawn(answer(request, wanted, wait, sandboxes.clone(), link.clone(), Arc::clone(&room)));
        } else if inputs.send(Input::Link(message)).await.is_err() {
            return;
        }
    }
    // A link that ends well has said so before, and the agent may have to end its tasks before it follows. One that
    // only falls silent is broken, and the agent would be deaf.
    if !has_ended {
        let _ = inputs.send(Input::Link(Inbound::Ended(remote::Error::Closed))).await;
    }
}

async fn answer(
    request: u64,
    wanted: logs::Request,
    wait: Duration,
    sandboxes: PathBuf,
    link: Link,
    room: Arc<Semaphore>,
) {
    let answer = if let Ok(_place) = room.try_acquire() {
        read(request, wanted, wait, sandboxes).await
    } else {
        let message = "too many readers of output at once; try again when one has ended".to_owned();
        FromAgent::LogFailed { request, code: FailureCode::Unavailable, message }
    };
    let _ = link.send(answer).await;
}

async fn read(request: u64, wanted: logs::Request, wait: Duration, sandboxes: PathBuf) -> FromAgent {
    let reading = spawn_blocking(move || logs::read_or_wait(&sandboxes, &wanted, wait));
    match reading.await {
        Ok(Ok(logs::Chunk { offset, bytes, next_offset, end })) => {
            FromAgent::LogChunk { request, offset, bytes: Bytes::from(bytes), next_offset, end }
        }
        Ok(Err(error @ logs::Error::NotFound { .. })) => {
            FromAgent::LogFailed { request, code: FailureCode::NotFound, message: error.to_string() }
        }
        Ok(Err(error @ (logs::Error::Io { .. } | logs::Error::NotPlain { .. }))) => {
            FromAgent::LogFailed { request, code: FailureCode::Unavailable, message: error.to_string() }
        }
        Err(_) => FromAgent::LogFailed { request, code: FailureCode::Unavailable, message: "reading stopped".into() },
    }
}
