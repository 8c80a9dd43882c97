//! The older interface: one hierarchy for each controller. Knows nothing of tasks.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Controller, Limits, create_directory, own_directory, set};

/// The file with the count of out-of-memory kills.
pub(super) const OOM_COUNTS: &str = "memory.oom_control";
/// The period over which CPU time is counted, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// The least CPU time in a period that the kernel takes, in microseconds.
const CPU_QUOTA_MIN_US: u64 = 1000;
/// The least share of CPU that the kernel takes.
const CPU_SHARES_MIN: u64 = 2;

/// Makes the directory for tasks' groups below the agent's own group, in the controller's hierarchy.
pub(super) fn home(controller: Controller, name: &str) -> io::Result<PathBuf> {
    let home =
        own(controller).map(|own| own.join(name)).map_err(|error| io::Error::other(format!("cgroup v1: {error}")))?;
    create_directory(&home).map_err(|error| io::Error::other(format!("cgroup v1: {}: {error}", home.display())))?;
    Ok(home)
}

/// The agent's own group in the controller's hierarchy.
pub(super) fn own(controller: Controller) -> io::Result<PathBuf> {
    let is_it = |mount: &procfs::process::MountInfo| {
        mount.fs_type == "cgroup" && mount.super_options.contains_key(controller.name())
    };
    own_directory(is_it, Some(controller))
}

/// Sets one controller's limit on a group.
pub(super) fn limit(controller: Controller, group: &Path, limits: &Limits) -> io::Result<()> {
    match controller {
        Controller::Memory if limits.mem_mib == 0 => Ok(()),
        Controller::Memory => set(group, "memory.limit_in_bytes", &limits.mem_mib.saturating_mul(1 << 20).to_string()),
        Controller::Cpu if limits.cpu_millis == 0 => set(group, "cpu.shares", &CPU_SHARES_MIN.to_string()),
        Controller::Cpu => cpu(group, limits.cpu_millis),
        Controller::Pids => set(group, "pids.max", &limits.processes_max.to_string()),
    }
}

fn cpu(group: &Path, millis: u64) -> io::Result<()> {
    let shares = (millis.saturating_mul(1024) / 1000).max(CPU_SHARES_MIN);
    let quota = (millis.saturating_mul(CPU_PERIOD_US) / 1000).max(CPU_QUOTA_MIN_US);
    set(group, "cpu.shares", &shares.to_string())?;
    set(group, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
    set(group, "cpu.cfs_quota_us", &quota.to_string())
}
