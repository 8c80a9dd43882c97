//! The parts of one cell, each a process of the real binary, and the brokers beneath them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cell::{Client, binary, events::FIELDS, process, wait_for};

/// Two allocators, two gateways and an agent over Kafka. Dropping it ends them all.
pub(crate) struct Parts {
    root: TempDir,
    bootstrap: String,
    allocators: Vec<(String, Child)>,
    paused: Option<Child>,
    gateways: Vec<Option<Child>>,
    agent: Option<Child>,
    started: usize,
}

impl Parts {
    /// Starts brokers and everything else, and waits until the agent is up.
    pub(crate) fn start(brokers: &str) -> Self {
        let root = tempfile::Builder::new().prefix("quipu-parts-").tempdir().expect("a temporary directory");
        fs::create_dir(root.path().join("results")).expect("an empty directory");
        let owner = std::process::id().to_string();
        let bootstrap = script(root.path(), &["start", "--brokers", brokers, "--for", &owner]);
        let mut parts = Self {
            root,
            bootstrap: bootstrap.trim().to_owned(),
            allocators: Vec::new(),
            paused: None,
            gateways: vec![None, None],
            agent: None,
            started: 0,
        };
        parts.start_allocator();
        wait_for("the cell to have a leader", || parts.messages("allocator-0").contains("leading").then_some(()));
        parts.start_allocator();
        (0..2).for_each(|number| parts.restart_gateway(number));
        parts.start_agent();
        parts
    }

    pub(crate) fn log(&self) -> String {
        format!("kafka://{}/cell", self.bootstrap)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    pub(crate) fn start_allocator(&mut self) {
        let name = format!("allocator-{}", self.started);
        self.started += 1;
        let child = self.spawn(&name, &["allocator", "--log", &self.log(), "--take-over-ms", "1000"]);
        self.allocators.push((name, child));
    }

    pub(crate) fn restart_gateway(&mut self, number: usize) {
        let name = format!("gateway-{number}");
        let port = self.client(number).url().and_then(|url| Some(url.rsplit_once(':')?.1.to_owned()));
        let listen = format!("127.0.0.1:{}", port.unwrap_or_else(|| "0".to_owned()));
        self.gateways[number] = Some(self.spawn(&name, &["gateway", "--log", &self.log(), "--listen", &listen]));
        wait_for("the gateway to be ready", || self.client(number).is_ready().then_some(()));
    }

    fn start_agent(&mut self) {
        let urls: Vec<String> = (0..2).filter_map(|number| self.client(number).url()).collect();
        let arguments = ["agent", "--id", "a1", "--resources", "cpu=16 mem=16Gi", "--gateway", &urls.join(",")];
        self.agent = Some(self.spawn("agent", &arguments));
        wait_for("the agent to be up", || {
            let agents = self.client(1).ask("{ agents { nodes { state } } }", json!({})).ok()?;
            (agents["agents"]["nodes"][0]["state"] == "UP").then_some(())
        });
    }

    /// The process that leads, as the log names it.
    fn leader(&mut self) -> (String, Child) {
        let leader = self.asked("{ cell { log { leader } } }", json!({}))["cell"]["log"]["leader"].take();
        let leader = leader.as_str().expect("somebody leads").to_owned();
        let is_leader = |(_, child): &(String, Child)| leader.ends_with(&format!("-{}", child.id()));
        let at = self.allocators.iter().position(is_leader).expect("one of ours leads");
        self.allocators.remove(at)
    }

    pub(crate) fn epoch(&self) -> u64 {
        let epoch = &self.asked("{ cell { log { epoch } } }", json!({}))["cell"]["log"]["epoch"];
        epoch.as_u64().or_else(|| epoch.as_str()?.parse().ok()).expect("a number")
    }

    pub(crate) fn kill9_leader(&mut self) {
        end(self.leader().1);
    }

    pub(crate) fn pause_leader(&mut self) {
        let (_, child) = self.leader();
        signal(&child, Signal::SIGSTOP);
        self.paused = Some(child);
    }

    pub(crate) fn resume_paused(&mut self) {
        let child = self.paused.take().expect("one is paused");
        signal(&child, Signal::SIGCONT);
        self.allocators.push(("resumed".to_owned(), child));
    }

    pub(crate) fn kill9_gateway(&mut self, number: usize) {
        end(self.gateways[number].take().expect("it runs"));
    }

    pub(crate) fn kill_broker(&self, number: u32) {
        script(self.root.path(), &["kill", &number.to_string()]);
    }

    pub(crate) fn restart_broker(&self, number: u32) {
        script(self.root.path(), &["restart", &number.to_string()]);
    }

    /// Submits a job under its name, again and again until the outcome is known.
    pub(crate) fn run_job(&self, name: &str, count: u32, shell: &str) {
        let results = self.path("results");
        let job = json!({
            "name": name,
            "kind": "BATCH",
            "count": count,
            "resources": "cpu=0.05 mem=32Mi",
            "command": ["sh", "-c", shell],
            "env": [{ "name": "RESULTS", "value": results }],
            "restart": { "on": "FAILURE", "limit": 3, "backoffMs": "50" },
        });
        let payload = wait_for("the job to be accepted", || self.client(1).submit(&job, name).ok());
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
    }

    pub(crate) fn await_end(&self, job: &str) -> String {
        wait_for(&format!("job {job} to end"), || {
            let asked = "query($name: String!) { job(name: $name) { state ended { offset } } }";
            let data = self.client(1).ask(asked, json!({ "name": job })).ok()?;
            let state = data["job"]["state"].as_str()?;
            (!data["job"]["ended"].is_null()).then(|| state.to_owned())
        })
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.root.path().join("results").join(name)).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    pub(crate) fn await_lines(&self, name: &str, count: usize) {
        wait_for(&format!("{count} lines in {name}"), || (self.lines(name).len() >= count).then_some(()));
    }

    pub(crate) fn open_gate(&self, name: &str) {
        fs::write(self.root.path().join("results").join(name), b"").expect("a writable directory");
    }

    /// The events behind a cursor, as one gateway tells them.
    pub(crate) fn events_of(&self, gateway: usize, after: &str) -> Vec<Value> {
        wait_for("the events", || self.try_events_of(gateway, after))
    }

    pub(crate) fn try_events_of(&self, gateway: usize, after: &str) -> Option<Vec<Value>> {
        let asked = format!("query($after: String) {{ events(first: 500, after: $after) {{ nodes {{ {FIELDS} }} }} }}");
        let mut data = self.client(gateway).ask(&asked, json!({ "after": after })).ok()?;
        data["events"]["nodes"].as_array_mut().map(std::mem::take)
    }

    pub(crate) fn assert_audited(&self) {
        let report = self.quipu(&["audit", "verify", "--log", &self.log()]);
        assert_eq!(report["finding"], Value::Null, "{report}");
    }

    /// What a command of the binary prints as JSON.
    pub(crate) fn quipu(&self, arguments: &[&str]) -> Value {
        let ended = process::run(self.command().args(arguments).args(["-o", "json"]), self.root.path(), || {});
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}{}", ended.out, ended.err);
        serde_json::from_str(&ended.out).expect("JSON")
    }

    /// What a command says that has to fail.
    pub(crate) fn quipu_fails(&self, arguments: &[&str]) -> String {
        let ended = process::run(self.command().args(arguments), self.root.path(), || {});
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}{}", ended.out, ended.err);
        ended.err
    }

    /// Runs a cell on one machine in a directory, asks it about the job that was moved, and ends it.
    pub(crate) fn up_briefly(&self, directory: &str) -> Value {
        let name = format!("up-{}", Path::new(directory).file_name().expect("a name").display());
        let child = self.spawn_in(&name, directory.into(), &["up", "--no-agent", "--listen", "127.0.0.1:0"]);
        let client = Client::new(directory.into());
        wait_for("the cell to be up", || client.is_ready().then_some(()));
        let job = client.ask(r#"{ job(name: "moved") { state } }"#, json!({})).expect("an answer");
        end_well(child);
        job
    }

    /// Ends every part in good order; the brokers go on.
    pub(crate) fn stop(&mut self) {
        self.agent.take().into_iter().for_each(end_well);
        self.gateways.iter_mut().filter_map(Option::take).for_each(end_well);
        self.allocators.drain(..).for_each(|(_, child)| end_well(child));
    }

    fn asked(&self, document: &str, variables: Value) -> Value {
        self.client(1).ask(document, variables).expect("an answer")
    }

    fn client(&self, gateway: usize) -> Client {
        Client::new(self.root.path().join(format!("gateway-{gateway}")))
    }

    fn messages(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join(format!("{name}.out"))).unwrap_or_default()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        for name in ["QUIPU_DIR", "QUIPU_GATEWAY", "QUIPU_LOG", "QUIPU_PRINCIPAL", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.current_dir(self.root.path());
        command
    }

    fn spawn(&self, name: &str, arguments: &[&str]) -> Child {
        self.spawn_in(name, self.root.path().join(name), arguments)
    }

    fn spawn_in(&self, name: &str, directory: PathBuf, arguments: &[&str]) -> Child {
        let output = fs::File::options().create(true).append(true).open(self.root.path().join(format!("{name}.out")));
        let output = output.expect("a writable directory");
        let mut command = self.command();
        command.args(arguments).arg("--dir").arg(directory).stdin(Stdio::null());
        command.stdout(output.try_clone().expect("a second handle")).stderr(output);
        command.spawn().expect("the binary is built")
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let entries = fs::read_dir(self.root.path()).into_iter().flatten().flatten();
            for path in
                entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "out"))
            {
                eprintln!("--- {}\n{}", path.display(), fs::read_to_string(&path).unwrap_or_default());
            }
        }
        let running = self.gateways.drain(..).flatten().chain(self.paused.take()).chain(self.agent.take());
        running.chain(self.allocators.drain(..).map(|(_, child)| child)).for_each(end);
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("a child of this process");
}

fn end(mut child: Child) {
    child.kill().expect("a child of this process");
    child.wait().expect("a child of this process");
}

fn end_well(mut child: Child) {
    signal(&child, Signal::SIGTERM);
    let status = child.wait().expect("a child of this process");
    assert!(status.success(), "it ended with {status}");
}

fn script(root: &Path, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../command-log/kafka-dev/kafka.sh");
    let ran = Command::new(script).args(arguments).arg("--dir").arg(root.join("kafka")).output().expect("bash is here");
    assert!(ran.status.success(), "kafka.sh {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}
