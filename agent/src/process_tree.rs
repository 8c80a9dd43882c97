//! Which processes belong to a task, and what they use together.
//!
//! A task's supervisor leads a session of its own, and adopts every orphan below it. So a process
//! belongs to the task when it is in the supervisor's session, or descends from the supervisor.

use std::collections::{BTreeMap, BTreeSet};

use procfs::process::{Stat, all_processes};

/// What the processes of one task use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of the living processes and of their reaped children, in kernel ticks.
    pub cpu_ticks: u64,
    /// Resident memory, in bytes.
    pub mem_bytes: u64,
    /// How many processes, the supervisor not counted.
    pub processes: u32,
}

/// Every process of the machine at one moment.
pub struct Snapshot {
    stats: BTreeMap<i32, Stat>,
    children: BTreeMap<i32, Vec<i32>>,
}

impl Snapshot {
    /// Reads `/proc` once. Processes that end meanwhile are left out.
    pub fn take() -> Self {
        let listed = all_processes().into_iter().flatten();
        let stats: BTreeMap<i32, Stat> =
            listed.filter_map(|process| process.ok()?.stat().ok()).map(|stat| (stat.pid, stat)).collect();
        let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for stat in stats.values() {
            children.entry(stat.ppid).or_default().push(stat.pid);
        }
        Self { stats, children }
    }

    /// The task's processes, given the process id of its supervisor, who is not one of them.
    pub fn members(&self, supervisor: i32) -> BTreeSet<i32> {
        let in_session = self.stats.values().filter(|stat| stat.session == supervisor).map(|stat| stat.pid);
        let mut found: BTreeSet<i32> = in_session.collect();
        let mut open: Vec<i32> = found.iter().copied().chain([supervisor]).collect();
        while let Some(parent) = open.pop() {
            let children = self.children.get(&parent).into_iter().flatten();
            open.extend(children.filter(|child| found.insert(**child)));
        }
        found.remove(&supervisor);
        found
    }

    /// The members that still run: a zombie uses nothing and cannot be killed.
    pub fn alive(&self, supervisor: i32) -> BTreeSet<i32> {
        let mut members = self.members(supervisor);
        members.retain(|pid| self.stats.get(pid).is_some_and(|stat| !is_dead(stat)));
        members
    }

    /// The process group of a process.
    pub fn group(&self, pid: i32) -> Option<i32> {
        self.stats.get(&pid).map(|stat| stat.pgrp)
    }

    /// What the task's processes use together.
    pub fn usage(&self, supervisor: i32) -> Usage {
        let page = procfs::page_size();
        let stats = self.alive(supervisor).into_iter().filter_map(|pid| self.stats.get(&pid));
        stats.fold(Usage::default(), |sum, stat| Usage {
            cpu_ticks: sum.cpu_ticks + stat.utime + stat.stime + reaped_ticks(stat),
            mem_bytes: sum.mem_bytes + stat.rss.saturating_mul(page),
            processes: sum.processes + 1,
        })
    }
}

fn reaped_ticks(stat: &Stat) -> u64 {
    u64::try_from(stat.cutime + stat.cstime).unwrap_or(0)
}

/// When a process started, in ticks since the boot; `None` where there is no such process.
/// Together with the process id and the boot id this names a process for good.
pub fn start_ticks(pid: i32) -> Option<u64> {
    Some(procfs::process::Process::new(pid).ok()?.stat().ok()?.starttime)
}

/// Whether the process that started then still runs. One that is dead and that nobody has reaped does not.
pub fn is_running(pid: i32, start_ticks: u64) -> bool {
    let stat = procfs::process::Process::new(pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.starttime == start_ticks && !is_dead(&stat))
}

fn is_dead(stat: &Stat) -> bool {
    // A process whose first thread ended is shown as a zombie while its other threads run on.
    matches!(stat.state, 'Z' | 'X') && stat.num_threads <= 1
}

/// The kernel's name for the present boot.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
