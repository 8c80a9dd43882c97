//! One process of the binary: started with a file for what it prints, and ended well or badly.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::cell::wait_for;

/// What an allocator prints when it leads, and when it does not.
const LEADING: &str = "leading epoch=";
const STANDING_BY: &str = "standing by epoch=";

/// A process that runs.
pub struct Part {
    name: String,
    output: PathBuf,
    child: RefCell<Child>,
}

impl Part {
    /// Starts it. Each start has a file of its own for what is printed.
    pub fn spawn(name: &str, root: &Path, command: &mut Command) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let started = STARTED.fetch_add(1, Ordering::Relaxed);
        let output = root.join(format!("{started:04}-{name}.out"));
        let file = fs::File::options().create(true).append(true).open(&output).expect("a writable directory");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a second handle")).stderr(file);
        let child = RefCell::new(command.spawn().expect("the binary is built"));
        Self { name: name.to_owned(), output, child }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.borrow().id()).expect("a process id")
    }

    /// Whether it has not ended.
    pub fn runs(&self) -> bool {
        self.child.borrow_mut().try_wait().expect("a child of this process").is_none()
    }

    /// What it has printed since it was started.
    pub fn messages(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// The newest epoch that it claimed.
    pub fn epoch_led(&self) -> Option<u64> {
        let messages = self.messages();
        let (_, rest) = messages.rsplit_once(LEADING)?;
        rest.split_whitespace().next()?.parse().ok()
    }

    /// Whether the newest that it says of leading is that it does not.
    pub fn stands_by(&self) -> bool {
        let messages = self.messages();
        messages.rfind(STANDING_BY).is_some_and(|at| messages.rfind(LEADING).is_none_or(|led| led < at))
    }

    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub fn kill9(self) {
        let mut child = self.child.into_inner();
        child.kill().expect("a child of this process");
        child.wait().expect("a child of this process");
    }

    /// Asks it to end, and waits until it has, and well.
    pub fn end_well(self) {
        self.signal(Signal::SIGTERM);
        let ended = || self.child.borrow_mut().try_wait().expect("a child of this process");
        let status = wait_for(&format!("{} to end", self.name), ended);
        assert!(status.success(), "{} ended with {status}: {}", self.name, self.messages());
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("a child of this process");
    }
}
