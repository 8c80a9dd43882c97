//! The state that a task's program starts from: the same one, whoever started the cell and from wherever.
//! `docs/reference/task-environment.md` is its description for people.
//!
//! What confines the agent and cannot be left (control groups, CPU affinity, namespaces, capabilities)
//! confines its tasks too. What this user may not give a task (less niceness, higher limits) is as near as
//! the kernel lets it be, and [`unmet`] says so.

use std::{fs::File, io::Write};

use nix::{
    libc,
    sys::{
        resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit},
        signal::SigSet,
        stat::{Mode, umask},
    },
};
use rustix::process::{getpriority_process, setpriority_process};

/// The mask of the modes of new files.
const UMASK: Mode = Mode::from_bits_truncate(0o022);
/// The niceness, in the kernel's numbers.
const NICENESS: i32 = 0;
/// The capability to lower one's niceness.
const SYS_NICE: u64 = 1 << 23;
/// The capability to raise one's highest limits.
const SYS_RESOURCE: u64 = 1 << 24;
/// Signals have the numbers from one to this.
const SIGNAL_MAX: libc::c_int = 64;
/// The first descriptor that is not a standard stream.
const FIRST_OTHER_DESCRIPTOR: libc::c_uint = 3;
/// The size of the kernel's set of signals, in bytes.
const SIGNAL_SET_BYTES: usize = 8;
/// More than the kernel's record of how a signal is handled has, in words of 8 bytes. All zeros: by default.
const SIGNAL_ACTION_WORDS: usize = 8;

/// What a process may use at most: what it begins with, and what it may raise that to. Limits that are
/// not listed (pending signals) are those of the machine.
const LIMITS: [(Resource, &str, u64, u64); 14] = [
    (Resource::RLIMIT_AS, "address space", RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_CORE, "core file size", 0, RLIM_INFINITY),
    (Resource::RLIMIT_CPU, "CPU time", RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_DATA, "data size", RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_FSIZE, "file size", RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_LOCKS, "file locks", RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_MEMLOCK, "locked memory", 8 << 20, 8 << 20),
    (Resource::RLIMIT_MSGQUEUE, "message queues", 819_200, 819_200),
    (Resource::RLIMIT_NICE, "niceness", 0, 0),
    (Resource::RLIMIT_NOFILE, "open files", 1024, 524_288),
    // The number of processes is limited by the task's control group, not by what its user runs elsewhere.
    (Resource::RLIMIT_NPROC, "processes of one user", RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_RTPRIO, "real-time priority", 0, 0),
    (Resource::RLIMIT_RTTIME, "real-time CPU time", RLIM_INFINITY, RLIM_INFINITY),
    (Resource::RLIMIT_STACK, "stack size", 8 << 20, RLIM_INFINITY),
];

/// Frees this process of what it has from its starter and would trip over: descriptors, which it would keep
/// open for as long as the task runs; ends of children that nobody collects; a limit on files.
pub(super) fn let_go_of_what_was_inherited() {
    close_others();
    default_signal(libc::SIGCHLD);
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_FSIZE) {
        let _ = setrlimit(Resource::RLIMIT_FSIZE, hard, hard);
    }
}

/// Brings this process, which is about to become the task's program, into the documented state. Safe
/// between fork and exec: makes system calls only.
pub(super) fn enter() {
    (1..=SIGNAL_MAX).for_each(default_signal);
    let _ = SigSet::empty().thread_set_mask();
    umask(UMASK);
    schedule_as_usual();
    let _ = setpriority_process(None, NICENESS);
    for (resource, _, soft, hard) in LIMITS {
        limit(resource, soft, hard);
    }
    let _ = File::options().write(true).open("/proc/self/oom_score_adj").and_then(|mut file| file.write_all(b"0"));
}

/// What a task of this process's user will not start with, in words; nothing where all is as documented.
pub fn unmet() -> Vec<String> {
    let may = capabilities();
    let niceness = getpriority_process(None).ok().filter(|niceness| *niceness > NICENESS && may & SYS_NICE == 0);
    let nice = niceness.map(|niceness| format!("niceness {niceness} instead of {NICENESS}"));
    let lower = LIMITS.into_iter().filter(|_| may & SYS_RESOURCE == 0).filter_map(|(resource, name, _, hard)| {
        let (_, has) = getrlimit(resource).ok()?;
        (has < hard).then(|| format!("a highest limit of {has} on {name}"))
    });
    nice.into_iter().chain(lower).collect()
}

/// The effective capabilities, one bit each. Not the user's number: root may have been left without them.
fn capabilities() -> u64 {
    procfs::process::Process::myself().and_then(|me| me.status()).map_or(0, |status| status.capeff)
}

fn limit(resource: Resource, soft: u64, hard: u64) {
    if setrlimit(resource, soft, hard).is_err()
        && let Ok((_, highest)) = getrlimit(resource)
    {
        let hard = hard.min(highest);
        let _ = setrlimit(resource, soft.min(hard), hard);
    }
}

#[expect(unsafe_code, reason = "the kernel's records of real-time signals have no safe interface")]
fn default_signal(number: libc::c_int) {
    let action = [0_u64; SIGNAL_ACTION_WORDS];
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads a record from an array that is larger, and writes nothing. Zeros stand for
    // the default, so no handler is named. SIGKILL and SIGSTOP are refused, which is as good.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, number, action.as_ptr(), none, SIGNAL_SET_BYTES);
    }
}

#[expect(unsafe_code, reason = "no dependency wraps these calls")]
fn schedule_as_usual() {
    const BY_THIS_PROCESS: libc::c_int = 1;
    // SAFETY: all fields of the record are numbers, for which zero is legal. The calls change attributes
    // of this process, and read nothing but this record.
    unsafe {
        let parameters: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters);
        libc::syscall(libc::SYS_ioprio_set, BY_THIS_PROCESS, 0, 0);
        libc::personality(0);
    }
}

/// Closes every descriptor but the standard streams. Those that this program opens later close by themselves
/// when a child becomes its program.
#[expect(unsafe_code, reason = "no dependency closes descriptors that no value owns")]
fn close_others() {
    // SAFETY: called before this process opens anything, so no value owns one of these descriptors.
    let done = unsafe { libc::syscall(libc::SYS_close_range, FIRST_OTHER_DESCRIPTOR, libc::c_uint::MAX, 0) };
    if done == 0 {
        return;
    }
    // A kernel before 5.9 does not know the call.
    let listed = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers: Vec<libc::c_int> = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > libc::STDERR_FILENO) {
        // SAFETY: as above. The descriptor of the listing itself is closed already, which does no harm.
        unsafe {
            libc::close(number);
        }
    }
}
