//! Limits on a task's memory, CPU and number of processes, by control groups.
//!
//! Each controller is taken where this machine has it: in the unified hierarchy (v2), or else in its
//! own one (v1), so a hybrid machine works too. Groups are made below the group that the agent itself
//! is in: what confines the agent confines its tasks. Where a controller cannot be used, the task runs
//! without that limit, and [`Layout::statement`] says so in so many words. Nothing here is asynchronous.

mod homes;
pub mod v1;
pub mod v2;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

pub use homes::PREFIX as HOME_PREFIX;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use procfs::process::Process;
use serde::{Deserialize, Serialize};

/// The most processes and threads of one task.
pub const TASK_PROCESSES_MAX: u32 = 4096;
/// How many rounds of killing a group may take; each round ends what the one before raced with.
const KILL_ROUNDS_MAX: u32 = 64;

/// What a group limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// Memory, with the count of out-of-memory kills.
    Memory,
    /// CPU time.
    Cpu,
    /// The number of processes and threads.
    Pids,
}

impl Controller {
    /// Every controller that the agent uses.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    /// The kernel's name of the controller.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }
}

/// Which of the kernel's two interfaces a directory speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interface {
    /// One hierarchy for each controller.
    V1,
    /// One hierarchy for all.
    V2,
}

/// A controller that can be used, and the directory that holds the tasks' groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    controller: Controller,
    interface: Interface,
    directory: PathBuf,
}

/// Where this machine lets the agent set limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    places: Vec<Place>,
    /// A directory of the unified hierarchy, which can kill a whole group at once.
    unified: Option<PathBuf>,
    /// Controllers that cannot be used, and why.
    missing: Vec<(Controller, String)>,
}

/// What one task may use; a zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Memory, in MiB.
    pub mem_mib: u64,
    /// Processes and threads.
    pub processes_max: u32,
}

impl Layout {
    /// Finds out what can be limited, and makes the directory `name` that the groups will be in.
    pub fn detect(name: &str) -> Self {
        let mut layout = Self { unified: v2::home(name).ok(), ..Self::default() };
        for controller in Controller::ALL {
            match place(controller, name) {
                Ok(place) => layout.places.push(place),
                Err(error) => layout.missing.push((controller, error.to_string())),
            }
        }
        layout
    }

    /// No limits at all, for a stated reason.
    pub fn none(why: &str) -> Self {
        let missing = Controller::ALL.iter().map(|controller| (*controller, why.to_owned())).collect();
        Self { missing, ..Self::default() }
    }

    /// Whether a controller's limits hold.
    pub fn enforces(&self, controller: Controller) -> bool {
        self.places.iter().any(|place| place.controller == controller)
    }

    /// The names of the enforced limits, such as `memory-cpu-pids`; `none` where there are none.
    pub fn attribute(&self) -> String {
        let names: Vec<_> = self.places.iter().map(|place| place.controller.name()).collect();
        if names.is_empty() { "none".into() } else { names.join("-") }
    }

    /// One line for people: which limits are enforced, which are not, and why not.
    pub fn statement(&self) -> String {
        let enforced = self.places.iter().map(|place| {
            let interface = match place.interface {
                Interface::V1 => "v1",
                Interface::V2 => "v2",
            };
            format!("{} limits are enforced (cgroup {interface})", place.controller.name())
        });
        let missing = self
            .missing
            .iter()
            .map(|(controller, why)| format!("{} limits are NOT enforced: {why}", controller.name()));
        enforced.chain(missing).collect::<Vec<_>>().join("; ")
    }
}

/// The place of one controller: v2 where the unified hierarchy has it, v1 otherwise.
fn place(controller: Controller, name: &str) -> io::Result<Place> {
    let unified = v2::home_with(controller, name);
    let (interface, directory) = match unified {
        Ok(directory) => (Interface::V2, directory),
        Err(v2_error) => match v1::home(controller, name) {
            Ok(directory) => (Interface::V1, directory),
            Err(v1_error) => return Err(io::Error::other(format!("{v2_error}; {v1_error}"))),
        },
    };
    Ok(Place { controller, interface, directory })
}

/// How many processes and threads more this process's own group may have, where that is limited.
pub(crate) fn processes_left() -> Option<u64> {
    let pids = Controller::Pids;
    let own = v2::own().ok().filter(|own| own.join("pids.max").exists()).or_else(|| v1::own(pids).ok())?;
    let number = |file: &str| fs::read_to_string(own.join(file)).ok()?.trim().parse::<u64>().ok();
    Some(number("pids.max")?.saturating_sub(number("pids.current")?))
}

/// The directory of the agent's own group in the hierarchy mounted with these options, or with this type.
fn own_directory(
    is_it: impl Fn(&procfs::process::MountInfo) -> bool,
    controller: Option<Controller>,
) -> io::Result<PathBuf> {
    let me = Process::myself().map_err(io::Error::other)?;
    let mounts = me.mountinfo().map_err(io::Error::other)?;
    let mount = mounts.into_iter().find(|mount| is_it(mount)).ok_or_else(|| io::Error::other("it is not mounted"))?;
    let groups = me.cgroups().map_err(io::Error::other)?;
    let mine = groups
        .into_iter()
        .find(|group| match controller {
            Some(controller) => group.controllers.iter().any(|name| name == controller.name()),
            None => group.hierarchy == 0,
        })
        .ok_or_else(|| io::Error::other("this process is in no group of it"))?;
    let inside = Path::new(&mine.pathname).strip_prefix(&mount.root).unwrap_or(Path::new(""));
    Ok(mount.mount_point.join(inside))
}

/// The groups of one task, one directory for each hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    layout: Layout,
    name: String,
}

impl Group {
    /// Names the groups of one task; nothing is made yet.
    pub fn new(layout: Layout, name: String) -> Self {
        Self { layout, name }
    }

    /// Makes the groups and sets their limits.
    pub fn create(&self, limits: &Limits) -> io::Result<()> {
        for directory in self.directories() {
            create_directory(&directory)?;
        }
        for Place { controller, interface, directory } in &self.layout.places {
            let group = directory.join(&self.name);
            match interface {
                Interface::V1 => v1::limit(*controller, &group, limits)?,
                Interface::V2 => v2::limit(*controller, &group, limits)?,
            }
        }
        Ok(())
    }

    /// Opens the doors of the groups: a process that writes `0` to each has moved in.
    pub fn doors(&self) -> io::Result<Vec<File>> {
        let open = |directory: PathBuf| File::options().write(true).open(directory.join("cgroup.procs"));
        self.directories().into_iter().map(open).collect()
    }

    /// Whether nobody is in the groups, or there are none.
    pub fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// Sends SIGKILL to every member, again and again until none is left or the rounds are used up.
    pub fn kill(&self) {
        if let Some(unified) = &self.layout.unified {
            let _ = fs::write(unified.join(&self.name).join("cgroup.kill"), "1");
        }
        for _ in 0..KILL_ROUNDS_MAX {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            for member in members {
                let _ = kill(Pid::from_raw(member), Signal::SIGKILL);
            }
            std::thread::yield_now();
        }
    }

    /// How often the kernel ended a member for passing the memory limit.
    pub fn oom_kills(&self) -> u64 {
        let memory = self.layout.places.iter().find(|place| place.controller == Controller::Memory);
        memory.map_or(0, |place| {
            let group = place.directory.join(&self.name);
            let file = match place.interface {
                Interface::V1 => v1::OOM_COUNTS,
                Interface::V2 => v2::OOM_COUNTS,
            };
            counter(&group.join(file), "oom_kill")
        })
    }

    /// Keeps the directory of all groups from being removed, for as long as the files live.
    pub fn hold_home(&self) -> Vec<File> {
        self.layout.hold_or_make()
    }

    /// Removes the directory of all groups, if the agent that made it has ended and this was the last task.
    pub fn remove_home_if_abandoned(&self) {
        self.layout.remove_if_abandoned();
    }

    /// Removes the groups; they must be empty. What is gone already is no error.
    pub fn remove(&self) -> io::Result<()> {
        let results = self.directories().into_iter().map(|directory| match fs::remove_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        });
        results.fold(Ok(()), io::Result::and)
    }

    fn directories(&self) -> BTreeSet<PathBuf> {
        let places = self.layout.places.iter().map(|place| &place.directory);
        places.chain(&self.layout.unified).map(|directory| directory.join(&self.name)).collect()
    }

    /// Every process in the groups.
    pub(crate) fn members(&self) -> BTreeSet<i32> {
        let lists = self.directories().into_iter().filter_map(|d| fs::read_to_string(d.join("cgroup.procs")).ok());
        lists.flat_map(|list| list.lines().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
    }
}

fn create_directory(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// One number of a file of `name number` lines; 0 where it is not there.
fn counter(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// Writes one knob; the error names it.
fn set(group: &Path, knob: &str, value: &str) -> io::Result<()> {
    let file = group.join(knob);
    fs::write(&file, value).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}
