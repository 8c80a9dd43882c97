//! The directory of one incarnation of a task, and the small files through which the agent and the
//! supervisor of that incarnation understand each other, whoever of them dies meanwhile.
//!
//! ```text
//! sandboxes/web.0.1/        task web.0, incarnation 1
//!   spec         the agent: what to start
//!   lock         held by the supervisor for as long as it lives; holds who it is
//!   started      the supervisor: the task's process, once the program runs
//!   kill         the agent: the cell wants the task ended
//!   supervisor.log   what the supervisor could not do
//!   end          the supervisor, or the agent in its place: how it ended
//!   stdout.0 …   the output, see `output`
//!   work/        where the task runs
//! ```
//!
//! A file is either absent or whole: it is written under another name and renamed. A sandbox is made
//! once: its directory must not exist before.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use log_schema::{Incarnation, Offset, TaskId, TaskState, TimeMs, codec, task::EndV1};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{cgroup, output};

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
}

/// A process by its name for good: no later process has the same three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessName {
    /// The process id.
    pub pid: i32,
    /// When it started, in ticks since the boot.
    pub start_ticks: u64,
    /// Which boot.
    pub boot: String,
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

/// One sandbox.
#[derive(Clone, Debug)]
pub struct Sandbox {
    dir: PathBuf,
}

impl Sandbox {
    /// The sandbox of a task's incarnation, there or not.
    pub fn of(root: &Path, key: &TaskKey) -> Self {
        Self::at(root.join(key.directory_name()))
    }

    /// The sandbox in this directory.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Makes the directory. Fails where it exists: an incarnation is never started twice.
    pub fn create(&self) -> Result<(), Error> {
        fs::create_dir(&self.dir).map_err(self.failed("make", ""))?;
        fs::create_dir(self.work()).map_err(self.failed("make", "work"))
    }

    /// The directory with everything.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the task runs.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// What the supervisor complained about, as text; seldom there.
    pub fn complaints(&self) -> PathBuf {
        self.dir.join("supervisor.log")
    }

    /// Whether the directory is there.
    pub fn exists(&self) -> bool {
        self.dir.is_dir()
    }

    /// Removes everything.
    pub fn remove(&self) -> Result<(), Error> {
        fs::remove_dir_all(&self.dir).map_err(self.failed("remove", ""))
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
        let sync = |name: &str| File::open(self.dir.join(name)).and_then(|file| file.sync_all());
        sync("end").and_then(|()| sync("")).map_err(self.failed("sync", "end"))
    }

    /// Whether the cell wants the task ended.
    pub fn kill_wanted(&self) -> bool {
        self.dir.join("kill").exists()
    }

    /// Says that the cell wants the task ended; the supervisor looks when it gets SIGTERM.
    pub fn want_kill(&self) -> Result<(), Error> {
        fs::write(self.dir.join("kill"), b"").map_err(self.failed("write", "kill"))
    }

    /// Takes the lock that whoever acts for this incarnation holds. It is let go with the file.
    pub fn lock(&self) -> Result<File, Error> {
        let path = self.dir.join("lock");
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(self.failed("open", "lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path }),
            Err(TryLockError::Error(source)) => Err(self.failed("lock", "lock")(source)),
        }
    }

    /// Writes who holds the lock into it.
    pub fn sign(&self, mut lock: &File, holder: &ProcessName) -> Result<(), Error> {
        let write = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(&codec::encode(holder)));
        write.map_err(self.failed("write", "lock"))
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
        let path = self.dir.join(name);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => codec::decode(name, &bytes).map(Some).map_err(|source| Error::Damaged { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { doing: "read", path, source }),
        }
    }

    fn write<T: Serialize>(&self, name: &'static str, value: &T) -> Result<(), Error> {
        let (draft, path) = (self.dir.join(format!("{name}.draft")), self.dir.join(name));
        let write = || -> io::Result<()> {
            let mut file = File::create(&draft)?;
            file.write_all(&codec::encode(value))?;
            fs::rename(&draft, &path)
        };
        write().map_err(self.failed("write", name))
    }

    fn failed(&self, doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> Error {
        let path = self.dir.join(name);
        move |source| Error::Io { doing, path, source }
    }
}

/// The machine's clock, as the log counts time.
pub fn now() -> TimeMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    TimeMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
