//! The unified interface: one hierarchy for all controllers. Knows nothing of tasks.
//!
//! A group with processes cannot hand controllers to groups below it, except for the root group. An
//! agent whose own group was delegated to it therefore moves itself into a leaf beside its tasks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Controller, Limits, create_directory, own_directory, set};

/// The file with the count of out-of-memory kills.
pub(super) const OOM_COUNTS: &str = "memory.events";
/// The group that the agent moves into where its own must be free of processes.
const LEAF: &str = "quipu-agent";
/// The period over which CPU time is counted, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// The least CPU time in a period that the kernel takes, in microseconds.
const CPU_QUOTA_MIN_US: u64 = 1000;
/// The bounds of a CPU weight; 100 is what everybody else has.
const CPU_WEIGHT: (u64, u64) = (1, 10_000);

/// Makes the directory for tasks' groups below the agent's own group.
pub(super) fn home(name: &str) -> io::Result<PathBuf> {
    let own = own()?;
    let home = own.join(name);
    create_directory(&home).map_err(|error| io::Error::other(format!("cgroup v2: {}: {error}", home.display())))?;
    Ok(home)
}

/// The same, with one controller handed down to the tasks' groups.
pub(super) fn home_with(controller: Controller, name: &str) -> io::Result<PathBuf> {
    let own = own()?;
    let available = fs::read_to_string(own.join("cgroup.controllers"))?;
    if !available.split_whitespace().any(|one| one == controller.name()) {
        return Err(io::Error::other("cgroup v2 does not have the controller"));
    }
    let home = home(name)?;
    let hand_down = format!("+{}", controller.name());
    if let Err(error) = set(&own, "cgroup.subtree_control", &hand_down) {
        move_into_leaf(&own).map_err(|_| error)?;
        set(&own, "cgroup.subtree_control", &hand_down)?;
    }
    set(&home, "cgroup.subtree_control", &hand_down)?;
    Ok(home)
}

/// The agent's own group.
pub(super) fn own() -> io::Result<PathBuf> {
    let own = own_directory(|mount| mount.fs_type == "cgroup2", None)
        .map_err(|error| io::Error::other(format!("cgroup v2: {error}")))?;
    // A second agent of the same process, or a restart, finds itself in the leaf already.
    Ok(if own.ends_with(LEAF) { own.parent().map(Path::to_owned).unwrap_or(own) } else { own })
}

fn move_into_leaf(own: &Path) -> io::Result<()> {
    let leaf = own.join(LEAF);
    create_directory(&leaf)?;
    set(&leaf, "cgroup.procs", "0")
}

/// Sets one controller's limit on a group.
pub(super) fn limit(controller: Controller, group: &Path, limits: &Limits) -> io::Result<()> {
    match controller {
        Controller::Memory if limits.mem_mib == 0 => Ok(()),
        Controller::Memory => memory(group, limits.mem_mib),
        Controller::Cpu if limits.cpu_millis == 0 => set(group, "cpu.weight", &CPU_WEIGHT.0.to_string()),
        Controller::Cpu => cpu(group, limits.cpu_millis),
        Controller::Pids => set(group, "pids.max", &limits.processes_max.to_string()),
    }
}

fn memory(group: &Path, mib: u64) -> io::Result<()> {
    set(group, "memory.max", &mib.saturating_mul(1 << 20).to_string())?;
    // Absent where the kernel has no swap. The kernel ends one process, as with the older interface: whether
    // the task can do without that one is for its main process to say.
    let _ = set(group, "memory.swap.max", "0");
    Ok(())
}

fn cpu(group: &Path, millis: u64) -> io::Result<()> {
    let quota = (millis.saturating_mul(CPU_PERIOD_US) / 1000).max(CPU_QUOTA_MIN_US);
    let weight = (millis / 10).clamp(CPU_WEIGHT.0, CPU_WEIGHT.1);
    set(group, "cpu.weight", &weight.to_string())?;
    set(group, "cpu.max", &format!("{quota} {CPU_PERIOD_US}"))
}
