//! The directory of one incarnation of a task, and the small files through which the agent and the
//! supervisor of that incarnation understand each other, whoever of them dies meanwhile.
//!
//! ```text
//! sandboxes/web.0.1/             task web.0, incarnation 1
//!   stdout.0 …                   the output, see `output`
//!   work/                        where the task runs
//! sandboxes/.control/web.0.1/    closed to other users; nothing in it is named relative to `work`
//!   spec         the agent: what to start
//!   lock         held by the supervisor for as long as it lives; holds who it is
//!   started      the supervisor: the task's process, once the program runs
//!   kill         the agent, for itself and a supervisor that has started nothing: the task is to end
//!   supervisor.log   what the supervisor could not do
//!   end          the supervisor, or the agent in its place: how it ended
//! ```
//!
//! A file is either absent or whole: it is written under another name and renamed. A sandbox is made
//! once: its directory must not exist before. What must be written although the disk is full (`kill`,
//! `started`, `end`) has its space set aside: the file of the other name is there and filled before the task
//! starts.
//!
//! A task that runs as the agent's user can write all of this if it sets out to: permissions cannot stop
//! it. What it cannot do is ask for its own end in the cell's name, see `supervisor::life`.

use std::{
    fmt,
    fs::{self, DirBuilder, File},
    io::{self, Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use log_schema::{Incarnation, Offset, TaskId, TaskState, TimeMs, codec, task::EndV1};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use crate::holder::ProcessName;
use crate::{cgroup, holder, output};

/// The directory beside the sandboxes that holds what agent and supervisors tell each other.
const CONTROL: &str = ".control";
/// The space set aside for a file that must be written later; more than any of them has.
const RECORD_BYTES_MAX: usize = 4096;

/// One start of one task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskKey {
    /// Which task.
    pub task: TaskId,
    /// Which start of it.
    pub incarnation: Incarnation,
}

impl TaskKey {
    /// The name of the sandbox and of the control groups. `~` stands for `/`: no id holds it.
    pub fn directory_name(&self) -> String {
        format!("{}.{}", self.task.as_str().replace('/', "~"), self.incarnation)
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.task, self.incarnation)
    }
}

/// A file of a sandbox could not be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The disk said no.
    #[error("could not {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The file is there but is not what was written.
    #[error("{path} is damaged")]
    Damaged { path: PathBuf, source: codec::Error },
    /// Another process supervises this incarnation.
    #[error("{path} is locked: the incarnation is supervised already")]
    Locked { path: PathBuf },
}

/// What the supervisor is to start: all that it needs to know, so that it asks nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Which start of which task.
    pub key: TaskKey,
    /// The offset of the decision that placed it.
    pub placed_at: Offset,
    /// The last offset that this decision answered.
    pub placed_to: Offset,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Where the program starts.
    pub directory: PathBuf,
    /// Milliseconds between SIGTERM and SIGKILL.
    pub kill_grace_ms: u64,
    /// The task's control groups and limits.
    pub group: cgroup::Group,
    /// What the groups limit.
    pub limits: cgroup::Limits,
    /// How much output is kept.
    pub output: output::Kept,
    /// Held and signed by the agent, which alone may ask for the end of the task.
    pub agent_lock: PathBuf,
}

/// How an incarnation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Finished, failed or killed.
    pub state: TaskState,
    /// Why, and with which code.
    pub end: EndV1,
    /// When, by the machine's clock.
    pub observed: TimeMs,
}

/// Every sandbox below this directory of which something is known, in no order.
pub fn all(root: &Path) -> Vec<Sandbox> {
    let entries = fs::read_dir(root.join(CONTROL)).into_iter().flatten().flatten();
    entries.map(|entry| Sandbox::at(root.join(entry.file_name()))).collect()
}

/// One sandbox.
#[derive(Clone, Debug)]
pub struct Sandbox {
    dir: PathBuf,
    control: PathBuf,
}

impl Sandbox {
    /// The sandbox of a task's incarnation, there or not.
    pub fn of(root: &Path, key: &TaskKey) -> Self {
        Self::at(root.join(key.directory_name()))
    }

    /// The sandbox in this directory.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let root = dir.parent().unwrap_or(Path::new(""));
        let control = root.join(CONTROL).join(dir.file_name().unwrap_or_default());
        Self { dir, control }
    }

    /// Makes the directories. Fails where they exist: an incarnation is never started twice.
    pub fn create(&self) -> Result<(), Error> {
        fs::create_dir(&self.dir).map_err(self.failed("make", ""))?;
        fs::create_dir(self.work()).map_err(self.failed("make", "work"))?;
        let controls = self.control.parent().unwrap_or(Path::new(""));
        let closed = |path: &Path| DirBuilder::new().mode(0o700).recursive(path == controls).create(path);
        let made = closed(controls).and_then(|()| closed(&self.control));
        made.map_err(|source| Error::Io { doing: "make", path: self.control.clone(), source })?;
        self.set_space_aside_for(&["kill"])
    }

    /// The directory with the output and the task's own files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the task runs.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// What the supervisor complained about, as text; seldom there.
    pub fn complaints(&self) -> PathBuf {
        self.control.join("supervisor.log")
    }

    /// Whether anything of it is there.
    pub fn exists(&self) -> bool {
        self.dir.is_dir() || self.is_controlled()
    }

    /// Whether the directory is there through which agent and supervisor talk.
    pub fn is_controlled(&self) -> bool {
        self.control.is_dir()
    }

    /// Removes everything.
    pub fn remove(&self) -> Result<(), Error> {
        for directory in [&self.dir, &self.control] {
            match fs::remove_dir_all(directory) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Io { doing: "remove", path: directory.clone(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What to start.
    pub fn spec(&self) -> Result<Option<Spec>, Error> {
        self.read("spec")
    }

    /// Writes what to start.
    pub fn write_spec(&self, spec: &Spec) -> Result<(), Error> {
        self.write("spec", spec)
    }

    /// The task's process, once the program runs.
    pub fn started(&self) -> Result<Option<ProcessName>, Error> {
        self.read("started")
    }

    /// Says that the program runs.
    pub fn write_started(&self, process: &ProcessName) -> Result<(), Error> {
        self.write("started", process)
    }

    /// How it ended, where it did.
    pub fn ended(&self) -> Result<Option<Ended>, Error> {
        self.read("end")
    }

    /// Says how it ended; the words are on the disk when this returns.
    pub fn write_ended(&self, ended: &Ended) -> Result<(), Error> {
        self.write("end", ended)?;
        let sync = |name: &str| File::open(self.control.join(name)).and_then(|file| file.sync_all());
        sync("end").and_then(|()| sync("")).map_err(self.failed("sync", "end"))
    }

    /// Whether the cell wants the task ended.
    pub fn kill_wanted(&self) -> bool {
        self.control.join("kill").exists()
    }

    /// Notes that the cell wants the task ended, and with which grace where it gave one. A task that runs already is
    /// ended by SIGTERM to its supervisor from the process that holds the agent's lock; this note alone does nothing
    /// then.
    pub fn want_kill(&self, grace_ms: Option<u64>) -> Result<(), Error> {
        // The least that was asked for counts: two signals may reach the supervisor as one.
        let least = [self.kill_grace_ms(), grace_ms].into_iter().flatten().min();
        self.write("kill", &least)
    }

    /// The grace that the cell gave when it wanted the task ended, in milliseconds.
    pub fn kill_grace_ms(&self) -> Option<u64> {
        // What cannot be read says no grace: the task's own is used.
        self.read::<Option<u64>>("kill").ok().flatten().flatten()
    }

    /// Sets space aside for what the supervisor writes when the disk may be full.
    pub fn set_space_aside(&self) -> Result<(), Error> {
        self.set_space_aside_for(&["started", "end"])
    }

    fn set_space_aside_for(&self, names: &[&'static str]) -> Result<(), Error> {
        for &name in names {
            let space = fs::write(self.draft(name), [0; RECORD_BYTES_MAX]);
            space.map_err(self.failed("set space aside for", name))?;
        }
        Ok(())
    }

    /// Takes the lock that whoever acts for this incarnation holds. It is let go with the file.
    pub fn lock(&self) -> Result<File, Error> {
        let path = self.control.join("lock");
        holder::lock(&path).map_err(self.failed("lock", "lock"))?.ok_or(Error::Locked { path })
    }

    /// Writes who holds the lock into it.
    pub fn sign(&self, lock: &File, holder: &ProcessName) -> Result<(), Error> {
        holder::sign(lock, holder).map_err(self.failed("write", "lock"))
    }

    /// Who holds or held the lock; nothing where nobody has signed yet.
    pub fn supervisor(&self) -> Result<Option<ProcessName>, Error> {
        match self.read::<ProcessName>("lock") {
            // The file is written in place: too short means not signed yet.
            Err(Error::Damaged { .. }) => Ok(None),
            other => other,
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, Error> {
        let path = self.control.join(name);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => codec::decode(name, &bytes).map(Some).map_err(|source| Error::Damaged { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { doing: "read", path, source }),
        }
    }

    fn write<T: Serialize>(&self, name: &'static str, value: &T) -> Result<(), Error> {
        let (draft, path) = (self.draft(name), self.control.join(name));
        let write = || -> io::Result<()> {
            // Written over, not made empty first: that would give away the space that was set aside.
            let mut file = File::options().create(true).truncate(false).write(true).open(&draft)?;
            file.write_all(&codec::encode(value))?;
            let written = file.stream_position()?;
            file.set_len(written)?;
            fs::rename(&draft, &path)
        };
        write().map_err(self.failed("write", name))
    }

    fn draft(&self, name: &str) -> PathBuf {
        self.control.join(format!("{name}.draft"))
    }

    fn failed(&self, doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> Error {
        let path = if name.is_empty() || name == "work" { self.dir.join(name) } else { self.control.join(name) };
        move |source| Error::Io { doing, path, source }
    }
}

/// The machine's clock, as the log counts time.
pub fn now() -> TimeMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    TimeMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
