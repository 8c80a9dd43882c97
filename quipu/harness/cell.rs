//! A real cell on this machine, for tests and benches: starts the binary, kills its processes, and asks
//! its gateway as any client would.
//!
//! ```text
//!   ROOT/cell      what `quipu up` keeps
//!       /results   where tasks leave what they did
//!       /up.out    what the control plane prints; shown when a test fails
//! ```
//! Included by path, so that a test and a bench mean the same by "a cell". It knows no part of the
//! cell from inside but for the sandboxes, which say who a task's supervisor is.

#![allow(dead_code, reason = "no including program uses all of it")]

#[path = "cell/client.rs"]
mod client;
#[path = "cell/events.rs"]
pub mod events;
#[path = "cell/process.rs"]
pub mod process;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use agent::sandbox::Sandbox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::client::Client;
use self::process::{Ended, is_alive};

/// How long anything is waited for before the wait counts as a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often what is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The only agent of a cell that was started with [`WITH_AGENT`].
pub const AGENT: &str = "a1";
/// Options of `quipu up` for an agent that offers more than any test needs, on whatever machine.
pub const WITH_AGENT: &[&str] = &["--agent-id", AGENT, "--agent-resources", "cpu=64 mem=64Gi ports=31000-31999"];
/// Options of `quipu up` for a cell without machines.
pub const WITHOUT_AGENT: &[&str] = &["--no-agent"];

/// A cell, its processes and its directory. Dropping it ends and removes them all, tasks too.
pub struct Cell {
    root: TempDir,
    options: Vec<String>,
    up: Option<Child>,
    client: Client,
}

impl Cell {
    /// Starts a cell with options of `quipu up`, and waits until its gateway is ready.
    pub fn start(options: &[&str]) -> Self {
        let mut cell = Self::prepare(options);
        cell.restart();
        cell
    }

    /// A cell that nobody has started yet.
    pub fn prepare(options: &[&str]) -> Self {
        let root = tempfile::Builder::new().prefix("quipu-cell-").tempdir().expect("a temporary directory");
        fs::create_dir(root.path().join("results")).expect("an empty directory");
        let client = Client::new(root.path().join("cell"));
        let options = options.iter().map(ToString::to_string).collect();
        Self { root, options, up: None, client }
    }

    /// Adds options of `quipu up` for the next start.
    pub fn add_options(&mut self, options: &[&str]) {
        self.options.extend(options.iter().map(ToString::to_string));
    }

    /// Starts the control plane (again) and waits until it is ready.
    pub fn restart(&mut self) {
        self.spawn();
        wait_for("the gateway to be ready", || {
            let status = self.up.as_mut().expect("just started").try_wait().expect("a child of this process");
            assert!(status.is_none(), "quipu up ended: {status:?}\n{}", self.messages());
            // A gateway may answer a moment before its process has said who it is, which `quipu down` needs.
            (self.client.is_ready() && self.names_control_plane()).then_some(())
        });
    }

    fn names_control_plane(&self) -> bool {
        let named = fs::read_to_string(self.dir().join("control.pid")).unwrap_or_default();
        named.split_whitespace().next() == Some(&self.control_plane_pid().to_string())
    }

    /// Starts the control plane (again) and waits for nothing.
    pub fn spawn(&mut self) {
        assert!(self.up.is_none(), "the control plane runs already");
        let output = fs::File::options().create(true).append(true).open(self.root.path().join("up.out"));
        let output = output.expect("a writable directory");
        let mut up = self.command(["up", "--listen", "127.0.0.1:0"]);
        up.args(&self.options).stdin(Stdio::null()).stdout(output.try_clone().expect("a second handle")).stderr(output);
        self.up = Some(up.spawn().expect("the binary is built"));
    }

    /// Ends the control plane with SIGKILL. Its agent and its tasks go on.
    pub fn kill9_control_plane(&mut self) {
        let mut up = self.up.take().expect("the control plane runs");
        up.kill().expect("a child of this process");
        up.wait().expect("a child of this process");
    }

    /// Ends the agent with SIGKILL. The control plane, where there is one, starts another.
    pub fn kill9_agent(&self) {
        let pid = self.agent_pid().expect("an agent runs");
        kill9(pid);
        wait_for("the agent to be gone", || (!is_alive(pid)).then_some(()));
    }

    /// Ends the supervisor of a running task with SIGKILL, and says which processes were in its hands.
    pub fn kill9_supervisor(&self, task: &str, incarnation: u64) -> i32 {
        let sandbox = self.sandbox(task, incarnation);
        let program = sandbox.started().expect("readable").expect("the task runs");
        kill9(sandbox.supervisor().expect("readable").expect("a supervisor runs").pid);
        program.pid
    }

    /// Waits until the control plane has ended by itself, and says with which exit code.
    pub fn await_exit(&mut self) -> Option<i32> {
        let mut up = self.up.take().expect("the control plane runs");
        wait_for("the control plane to end", || up.try_wait().expect("a child of this process")).code()
    }

    /// Ends the control plane and the agent in good order; what `audit` reads is complete then.
    pub fn stop(&mut self) {
        let mut down = self.command(["down"]);
        let root = self.root.path().to_owned();
        let ended = process::run(&mut down, &root, || self.reap());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        self.reap();
        assert!(self.up.is_none(), "`quipu down` says that it waits for the control plane");
    }

    /// Ends everything of the cell, tasks too, and says what the command said.
    pub fn down_with_tasks(&mut self, options: &[&str]) -> Ended {
        let mut down = self.command(["down", "--kill-tasks"]);
        let root = self.root.path().to_owned();
        process::run(down.args(options), &root, || self.reap())
    }

    /// Waits until the agent is up and has a link to this gateway.
    pub fn await_agent(&self) {
        wait_for("the agent to be up", || {
            let agent = &self
                .data("query($name: String!) { agent(name: $name) { state connected } }", json!({ "name": AGENT }))["agent"];
            (agent["state"] == "UP" && agent["connected"] == true).then_some(())
        });
    }

    /// Where the gateway listens, once it has said so.
    pub fn url(&self) -> Option<String> {
        self.client.url()
    }

    /// What `quipu up --dir` is given.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("cell")
    }

    /// Where tasks leave what they did.
    pub fn results(&self) -> PathBuf {
        self.root.path().join("results")
    }

    /// The sandbox of one start of a task.
    pub fn sandbox(&self, task: &str, incarnation: u64) -> Sandbox {
        Sandbox::at(self.dir().join(format!("agent/sandboxes/{task}.{incarnation}")))
    }

    /// The process of the control plane.
    pub fn control_plane_pid(&self) -> i32 {
        let up = self.up.as_ref().expect("the control plane runs");
        i32::try_from(up.id()).expect("a process id")
    }

    /// The process of the agent, where one is alive.
    pub fn agent_pid(&self) -> Option<i32> {
        let text = fs::read_to_string(self.dir().join("agent/agent.pid")).ok()?;
        let pid = text.split_whitespace().next()?.parse().ok()?;
        is_alive(pid).then_some(pid)
    }

    /// Runs the binary with this cell as its directory, to its end.
    pub fn quipu<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        process::run(&mut self.command(arguments), self.root.path(), || {})
    }

    /// The binary with this cell as its directory, still to be started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary());
        for name in ["QUIPU_DIR", "QUIPU_GATEWAY", "QUIPU_PRINCIPAL", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.arg("--dir").arg(self.dir()).args(arguments);
        command
    }

    /// Asks the gateway and returns the data; an error of GraphQL fails the test.
    pub fn data(&self, document: &str, variables: Value) -> Value {
        self.ask(document, variables).unwrap_or_else(|why| panic!("{document}: {why}\n{}", self.messages()))
    }

    /// Asks the gateway. An error is one of the connection or of GraphQL, as text.
    pub fn ask(&self, document: &str, variables: Value) -> Result<Value, String> {
        self.client.ask(document, variables)
    }

    /// A handle to ask with while the cell itself is restarted.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Submits a job that has to be accepted.
    pub fn run_job(&self, job: &Value) {
        let name = job["name"].as_str().expect("jobs have names");
        let payload = self.client.submit(job, &format!("job-{name}")).expect("the gateway answers");
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
    }

    /// Waits until a job has ended, and says how: `SUCCEEDED`, `FAILED` or `STOPPED`.
    pub fn await_end(&self, job: &str) -> String {
        wait_for(&format!("job {job} to end"), || {
            let data = self
                .data("query($name: String!) { job(name: $name) { state ended { offset } } }", json!({ "name": job }));
            let state = data["job"]["state"].as_str()?;
            (!data["job"]["ended"].is_null()).then(|| state.to_owned())
        })
    }

    /// Every event of the log by the paged query, as the follower shows them.
    pub fn events(&self, filter: &Value) -> Vec<Value> {
        self.client.events(filter).unwrap_or_else(|why| panic!("{why}\n{}", self.messages()))
    }

    /// The lines of a file that tasks write; none where no task has yet.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.results().join(name)).unwrap_or_default();
        // A line that is being written is none yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(ToOwned::to_owned).collect()
    }

    /// Lets tasks go on that wait for this file.
    pub fn open_gate(&self, name: &str) {
        fs::write(self.results().join(name), b"").expect("a writable directory");
    }

    /// What control plane and agent have printed.
    pub fn messages(&self) -> String {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let (up, agent) = (read(&self.root.path().join("up.out")), read(&self.dir().join("agent.out")));
        format!("--- control plane\n{up}--- agent\n{agent}---")
    }

    /// Lets the kernel forget a control plane that has ended: `quipu down` waits for that.
    fn reap(&mut self) {
        if self.up.as_mut().is_some_and(|up| !matches!(up.try_wait(), Ok(None))) {
            self.up = None;
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.messages());
        }
        let ended = self.down_with_tasks(&[]);
        if ended.code != Some(0) {
            eprintln!("`quipu down --kill-tasks` failed: {ended:?}");
        }
        // Whatever became of that, nothing of this cell's control plane stays.
        if let Some(mut up) = self.up.take() {
            let _ = up.kill();
            let _ = up.wait();
        }
    }
}

/// Looks again and again until there is something; fails the test after a while.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {} s for {what}", PATIENCE.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A batch job of shell tasks, which find the results' directory as `$RESULTS`.
pub fn shell_job(cell: &Cell, name: &str, count: u32, script: &str) -> Value {
    json!({
        "name": name,
        "kind": "BATCH",
        "count": count,
        "resources": "cpu=0.05 mem=32Mi",
        "command": ["sh", "-c", script],
        "env": [{ "name": "RESULTS", "value": cell.results() }],
        "restart": { "on": "FAILURE", "limit": 3, "backoffMs": "50" },
        "killGraceMs": "500",
    })
}

fn kill9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("a process of this cell");
}

/// The binary under test: cargo tells a test; an example lies beside it.
pub fn binary() -> PathBuf {
    if let Some(path) = option_env!("CARGO_BIN_EXE_quipu") {
        return path.into();
    }
    let own = std::env::current_exe().expect("a program");
    own.parent().and_then(Path::parent).expect("examples lie below the binary").join("quipu")
}
