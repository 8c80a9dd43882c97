//! How many tasks the agent's own limits leave room for. Knows nothing of what tasks ask for.
//!
//! A start that fails for want of a descriptor or a process would be the task's failure in the eyes of the
//! cell, though the task has no part in it. So an agent starts no more than it can hold.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use procfs::process::{LimitValue, Process, all_processes};
use rustix::process::geteuid;

use crate::{cgroup, tasks::STARTS_AT_ONCE_MAX};

/// What a running task takes of the agent: the descriptor of its supervisor's process.
const FILES_OF_A_TASK: u64 = 1;
/// What a start takes while it is made: pipes, the sandbox's files, and the same again in the new process.
const FILES_OF_A_START: u64 = 8;
/// The part of the limit that is kept for the link, the journal and readers of output, as a divisor.
const FILES_KEPT_DIVISOR: u64 = 8;
/// The bounds of that part.
const FILES_KEPT: (u64, u64) = (12, 160);
/// A supervisor and a main process; more are the task's own affair.
const PROCESSES_OF_A_TASK: u64 = 2;
/// Processes and threads kept for the agent itself.
const PROCESSES_KEPT: u64 = 32;

/// The agent's bounds, found out once at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Tasks that are started and have not ended.
    pub(crate) tasks_max: usize,
    /// Starts that are made at once.
    pub(crate) starts_max: usize,
    /// Readers of output at once.
    pub(crate) readers_max: usize,
    /// Which limit that follows from.
    pub(crate) bound_by: &'static str,
}

impl Room {
    /// What this process has room for, of at most so many readers at once.
    pub(crate) fn find(readers_max: usize) -> Self {
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(RLIM_INFINITY, |(soft, _)| soft);
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, |listed| listed.count() as u64);
        let by_files = Self::of_files(files, open, readers_max);
        let by_processes = processes_left().map(|left| left.saturating_sub(PROCESSES_KEPT) / PROCESSES_OF_A_TASK);
        match by_processes.map(small) {
            Some(tasks_max) if tasks_max < by_files.tasks_max => {
                Self { tasks_max: tasks_max.max(1), bound_by: "processes", ..by_files }
            }
            _ => by_files,
        }
    }

    fn of_files(limit: u64, open: u64, readers_max: usize) -> Self {
        let kept = (limit / FILES_KEPT_DIVISOR).clamp(FILES_KEPT.0, FILES_KEPT.1);
        let free = limit.saturating_sub(open).saturating_sub(kept);
        // A quarter for starts: they are many only when the tasks are.
        let starts_max = small(free / 4 / FILES_OF_A_START).clamp(1, STARTS_AT_ONCE_MAX);
        let for_tasks = free.saturating_sub(starts_max as u64 * FILES_OF_A_START);
        let tasks_max = small(for_tasks / FILES_OF_A_TASK).max(1);
        let readers_max = small(kept / 4).clamp(1, readers_max);
        Self { tasks_max, starts_max, readers_max, bound_by: "open files" }
    }

    /// One line for people.
    pub(crate) fn statement(&self) -> String {
        let Self { tasks_max, starts_max, readers_max: _, bound_by } = self;
        format!(
            "at most {tasks_max} tasks at once and {starts_max} of them starting, by this process's limit on {bound_by}"
        )
    }
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// How many processes and threads more the control group and the user of this process may have.
fn processes_left() -> Option<u64> {
    let of_group = cgroup::processes_left();
    // The kernel does not hold root to it.
    let of_user = if geteuid().is_root() { None } else { user_processes_left() };
    of_group.into_iter().chain(of_user).min()
}

fn user_processes_left() -> Option<u64> {
    let me = geteuid().as_raw();
    let LimitValue::Value(limit) = Process::myself().ok()?.limits().ok()?.max_processes.soft_limit else { return None };
    let mine = all_processes().ok()?.flatten().filter(|process| process.uid().is_ok_and(|uid| uid == me));
    let used: u64 = mine.filter_map(|process| u64::try_from(process.stat().ok()?.num_threads).ok()).sum();
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_on_files_leaves_room_for_few_tasks_and_never_for_none() {
        let tasks = |limit| Room::of_files(limit, 22, 64).tasks_max as u64;
        assert_eq!([16, 64, 128, 1024].map(tasks), [1, 22, 74, 746]);
        for limit in [64, 128, 256, 1024, 65_536] {
            let Room { tasks_max, starts_max, .. } = Room::of_files(limit, 22, 64);
            let used = 22 + tasks_max as u64 * FILES_OF_A_TASK + starts_max as u64 * FILES_OF_A_START;
            assert!(used + FILES_KEPT.0 <= limit, "{limit}: {used}");
        }
    }

    #[test]
    fn this_process_has_room_and_says_by_what_it_is_bound() {
        let room = Room::find(64);
        assert!(room.tasks_max >= 1 && (1..=16).contains(&room.starts_max) && (1..=64).contains(&room.readers_max));
        assert!(room.statement().contains("by this process's limit on"), "{}", room.statement());
    }
}
