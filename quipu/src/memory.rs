//! Memory: who gives it out, and what is said where there is not enough.
//!
//! RocksDB is C++. Where it gets no memory or no thread it throws, nothing of it catches, and the process would end
//! with "terminate called after throwing an instance of 'std::bad_alloc'", which tells an operator nothing.

use std::ffi::c_void;

use nix::{
    libc,
    sys::resource::{Resource, getrlimit},
};

use crate::exit::Failure;

/// The allocator's state is millions of small things; this gives them out in half of the usual time.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How the program ends then: what was asked for failed.
const EXIT_FAILED: i32 = 1;

/// The address space without which no log is opened: caches and arenas are set aside long before they are used.
const ADDRESS_SPACE_MIN: u64 = 2 * 1024 * 1024 * 1024;

const NO_ROOM: &str = "error: the store got no memory or no thread from the system, and cannot go on\n\
    hint: raise the limits of the process (`ulimit -v`, `ulimit -u`, the control group), or free memory, and start again; \
    what was acked is kept\n";

/// Refuses a limit that is too low before anything is opened.
pub(crate) fn require_room() -> anyhow::Result<()> {
    let (limit, _) = getrlimit(Resource::RLIMIT_AS)?;
    if limit >= ADDRESS_SPACE_MIN {
        return Ok(());
    }
    let mebi = |bytes: u64| bytes / (1024 * 1024);
    let what = format!(
        "the address space of this process is limited to {} MiB, and the store of a log needs {} MiB",
        mebi(limit),
        mebi(ADDRESS_SPACE_MIN)
    );
    Err(Failure::new(what)
        .hint("raise the limit (`ulimit -v`); to bound what is really used, use a control group")
        .into())
}

/// Has what C++ throws and does not catch said in words.
#[expect(unsafe_code, reason = "the runtime of C++ is told by a function of its own")]
pub(crate) fn explain_uncaught() {
    // SAFETY: std::set_terminate of the C++ library that RocksDB is linked with; it takes such a function, from any thread.
    unsafe { set_terminate(end_in_words) };
}

#[expect(unsafe_code, reason = "this is the name that C++ gives it")]
unsafe extern "C" {
    #[link_name = "_ZSt13set_terminatePFvvE"]
    fn set_terminate(handler: extern "C" fn()) -> Option<extern "C" fn()>;
}

/// Allocates nothing: there may be nothing left. What was thrown is not asked for: a thread that could not be started
/// ends in here without an exception. RocksDB returns every other error.
#[expect(unsafe_code, reason = "nothing may be allocated, and nothing more of the process may run")]
extern "C" fn end_in_words() {
    // SAFETY: writes bytes that are there, and ends the process without running anything more of it.
    unsafe {
        libc::write(libc::STDERR_FILENO, NO_ROOM.as_ptr().cast::<c_void>(), NO_ROOM.len());
        libc::_exit(EXIT_FAILED);
    }
}
