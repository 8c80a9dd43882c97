//! One task under a real supervisor, for tests; every wait has a deadline.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use agent::{
    cgroup::{Controller, Group, Layout, Limits, TASK_PROCESSES_MAX},
    holder::{self, ProcessName},
    logs,
    output::Kept,
    process_tree::Snapshot,
    sandbox::{Ended, Sandbox, Spec, TaskKey},
};
use command_log::remote::protocol::{ReadFrom, Stream};
use log_schema::{Incarnation, Offset, TaskId};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The supervisor's program.
pub const SUPERVISOR: &str = env!("CARGO_BIN_EXE_quipu-supervise");
const DEADLINE: Duration = Duration::from_secs(20);

/// Looks until `condition` holds; panics with its name at the deadline.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "never true: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Whether a process runs; a zombie does not.
pub fn alive(pid: i32) -> bool {
    let stat = procfs::process::Process::new(pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// Where limits can be set here; says loudly that the test is skipped where they cannot.
pub fn layout_or_skip(controller: Controller) -> Option<Layout> {
    let layout = Layout::detect("quipu-test");
    if layout.enforces(controller) {
        return Some(layout);
    }
    eprintln!("SKIPPED: {}", layout.statement());
    None
}

/// The sum of all times that the shell's `times` tells.
pub fn user_and_system_time(text: &str) -> Duration {
    let time = |word: &str| -> Option<Duration> {
        let (minutes, seconds) = word.strip_suffix('s')?.split_once('m')?;
        let seconds = seconds.replace(',', ".").parse::<f64>().ok()?;
        Some(Duration::from_secs(60 * minutes.parse::<u64>().ok()?) + Duration::from_secs_f64(seconds))
    };
    text.split_whitespace().filter_map(time).sum()
}

/// A task that is about to be, is, or was supervised.
pub struct Supervised {
    pub key: TaskKey,
    pub sandbox: Sandbox,
    root: tempfile::TempDir,
    spec: Spec,
    _agent_lock: File,
    starter: Vec<String>,
    child: Option<Child>,
}

impl Supervised {
    /// A new sandbox and a task without limits.
    pub fn new(task: &str) -> Self {
        Self::in_root(tempfile::tempdir().expect("a directory for tests"), task)
    }

    /// The same in a directory of a certain file system.
    pub fn below(parent: &Path, task: &str) -> Self {
        Self::in_root(tempfile::tempdir_in(parent).expect("a directory for tests"), task)
    }

    fn in_root(root: tempfile::TempDir, task: &str) -> Self {
        let key = TaskKey { task: TaskId::new(task).expect("a legal id"), incarnation: Incarnation(1) };
        let sandbox = Sandbox::of(root.path(), &key);
        sandbox.create().expect("a new sandbox");
        let spec = Spec {
            key: key.clone(),
            placed_at: Offset(0),
            placed_to: Offset(0),
            argv: Vec::new(),
            env: vec![("PATH".into(), std::env::var("PATH").unwrap_or_default())],
            directory: sandbox.work(),
            kill_grace_ms: 1000,
            group: Group::new(Layout::none("not wanted"), key.directory_name()),
            limits: Limits { cpu_millis: 0, mem_mib: 0, processes_max: TASK_PROCESSES_MAX },
            output: Kept::default(),
            agent_lock: root.path().join("agent.lock"),
        };
        let agent_lock = holder::lock(&spec.agent_lock).expect("a file").expect("nobody else has it");
        holder::sign(&agent_lock, &ProcessName::own()).expect("a signature");
        Self { key, sandbox, root, spec, _agent_lock: agent_lock, starter: Vec::new(), child: None }
    }

    pub fn argv(mut self, argv: &[&str]) -> Self {
        self.spec.argv = argv.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts the supervisor through this command, to which it and its arguments are added.
    pub fn through(mut self, starter: &[&str]) -> Self {
        self.starter = starter.iter().map(|&word| word.to_owned()).collect();
        self
    }

    pub fn shell(self, script: &str) -> Self {
        self.argv(&["sh", "-c", script])
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.spec.env.push((name.into(), value.into()));
        self
    }

    pub fn directory(mut self, directory: &str) -> Self {
        self.spec.directory = PathBuf::from(directory);
        self
    }

    pub fn grace_ms(mut self, grace: u64) -> Self {
        self.spec.kill_grace_ms = grace;
        self
    }

    pub fn keeps(mut self, kept: Kept) -> Self {
        self.spec.output = kept;
        self
    }

    pub fn limits(mut self, layout: Layout, cpu_millis: u64, mem_mib: u64) -> Self {
        self.spec.group = self.group(layout);
        self.spec.limits = Limits { cpu_millis, mem_mib, ..self.spec.limits };
        self
    }

    pub fn processes_max(mut self, processes_max: u32) -> Self {
        self.spec.limits.processes_max = processes_max;
        self
    }

    pub fn kill_wanted(self) -> Self {
        self.sandbox.want_kill(None).expect("a file");
        self
    }

    /// The control groups of the task; other runs of the tests have others.
    pub fn group(&self, layout: Layout) -> Group {
        Group::new(layout, format!("{}-{}", self.key.directory_name(), std::process::id()))
    }

    /// Writes the spec and starts the supervisor.
    pub fn start(mut self) -> Self {
        self.sandbox.write_spec(&self.spec).expect("a spec");
        self.child = Some(self.another());
        self
    }

    /// One more supervisor on the same sandbox.
    pub fn another(&self) -> Child {
        let words = self.starter.iter().map(String::as_str).chain([SUPERVISOR]).collect::<Vec<_>>();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(self.sandbox.dir()).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().expect("the supervisor's program")
    }

    pub fn supervisor(&self) -> i32 {
        i32::try_from(self.child.as_ref().expect("started").id()).expect("a pid")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.supervisor()), signal).expect("a supervisor that lives");
    }

    /// What the agent does when the cell wants the task ended.
    pub fn kill(&self) {
        self.sandbox.want_kill(None).expect("a file");
        self.signal(Signal::SIGTERM);
    }

    /// Waits for the supervisor to leave, and reads how the task ended.
    pub fn ended(&mut self) -> Ended {
        let child = self.child.as_mut().expect("started");
        until("the supervisor leaves", || child.try_wait().expect("a child").is_some());
        self.sandbox.ended().expect("readable").expect("an end")
    }

    /// Every process that is still in the task's session or below the supervisor.
    pub fn processes(&self) -> Vec<i32> {
        Snapshot::take().alive(self.supervisor()).into_iter().collect()
    }

    pub fn output(&self, stream: Stream) -> String {
        let (task, incarnation) = (self.key.task.clone(), Some(self.key.incarnation));
        let request = logs::Request { task, incarnation, stream, from: ReadFrom::Byte(0), bytes_max: u32::MAX };
        let chunk = logs::read(self.root.path(), &request).expect("output can be read");
        String::from_utf8_lossy(&chunk.bytes).into_owned()
    }

    pub fn output_holds(&self, words: &str) {
        until(words, || self.output(Stream::Stdout).contains(words));
    }
}
