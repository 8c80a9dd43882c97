//! A cell over Kafka whose parts are processes of their own, each of the real binary, and the brokers
//! beneath them. What has died is started again in its own directory.
//!
//! Included by path beside `cell.rs`, so that stories, chaos and benches mean the same by "the parts".

#![allow(dead_code, reason = "no including program uses all of it")]

#[path = "parts/brokers.rs"]
mod brokers;
#[path = "parts/part.rs"]
mod part;
#[path = "parts/questions.rs"]
mod questions;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use command_log::kafka;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::questions::number;
use self::{brokers::Brokers, part::Part};
use crate::cell::{Client, binary, wait_for};

/// What a cell over Kafka is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// One, or three.
    pub brokers: u32,
    /// Who may lead.
    pub allocators: usize,
    /// Who may be asked.
    pub gateways: usize,
    /// Options of every allocator.
    pub allocator: &'static [&'static str],
    /// Options of the agent, where there is one.
    pub agent: Option<&'static [&'static str]>,
}

/// Two allocators that miss a leader soon, two gateways and an agent.
pub const STORY: Shape = Shape {
    brokers: 1,
    allocators: 2,
    gateways: 2,
    allocator: &["--take-over-ms", "1000"],
    agent: Some(&["--id", "a1", "--resources", "cpu=16 mem=16Gi"]),
};

/// The parts of one cell over Kafka. Dropping it ends them all.
pub struct Parts {
    root: TempDir,
    shape: Shape,
    /// Options of every allocator and gateway that is started from now on.
    options: Vec<String>,
    brokers: Brokers,
    allocators: Vec<Part>,
    /// Allocators that have died and were not started again.
    dead: Vec<String>,
    paused: Option<Part>,
    gateways: Vec<Option<Part>>,
    agent: Option<Part>,
}

impl Parts {
    /// Starts brokers and everything else, and waits until the agent is up, if there is to be one.
    pub fn start(shape: Shape) -> Self {
        let root = tempfile::Builder::new().prefix("quipu-parts-").tempdir().expect("a temporary directory");
        fs::create_dir(root.path().join("results")).expect("an empty directory");
        let mut parts = Self {
            brokers: Brokers::start(root.path().join("kafka"), shape.brokers),
            root,
            shape,
            options: Vec::new(),
            allocators: Vec::new(),
            dead: (0..shape.allocators).rev().map(|number| format!("allocator-{number}")).collect(),
            paused: None,
            gateways: (0..shape.gateways).map(|_| None).collect(),
            agent: None,
        };
        parts.start_allocator();
        wait_for("the cell to have a leader", || parts.leading());
        while !parts.dead.is_empty() {
            parts.start_allocator();
        }
        (0..shape.gateways).for_each(|number| parts.restart_gateway(number));
        if let Some(options) = shape.agent {
            parts.start_agent(options);
        }
        parts
    }

    /// The address of the log.
    pub fn log(&self) -> String {
        format!("kafka://{}/cell", self.brokers.bootstrap())
    }

    /// The log, for whoever opens it beside the cell.
    pub fn config(&self) -> kafka::Config {
        kafka::Config::parse(&self.log()).expect("a legal address")
    }

    /// A path below the directory of this cell.
    pub fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    /// Removes what a part has kept below the directory of this cell.
    pub fn forget(&self, name: &str) {
        fs::remove_dir_all(self.root.path().join(name)).expect("it was kept");
    }

    /// Gives options to every allocator and gateway that is started from now on.
    pub fn add_options(&mut self, options: &[&str]) {
        self.options.extend(options.iter().map(ToString::to_string));
    }

    /// Starts an allocator: the one that died first, or else one more.
    pub fn start_allocator(&mut self) {
        let name =
            self.dead.pop().unwrap_or_else(|| format!("allocator-{}", self.allocators.len() + self.paused_len()));
        let log = self.log();
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let arguments = [&["allocator", "--log", &log], self.shape.allocator, &options].concat();
        let allocator = self.spawn(&name, &arguments);
        self.allocators.push(allocator);
    }

    /// Starts a gateway, at the same address where it ran before, and waits until it is ready.
    pub fn restart_gateway(&mut self, number: usize) {
        let name = format!("gateway-{number}");
        let port = self.client(number).url().and_then(|url| Some(url.rsplit_once(':')?.1.to_owned()));
        let listen = format!("127.0.0.1:{}", port.unwrap_or_else(|| "0".to_owned()));
        let log = self.log();
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let arguments = [&["gateway", "--log", &log, "--listen", &listen][..], &options].concat();
        self.gateways[number] = Some(self.spawn(&name, &arguments));
        wait_for("the gateway to be ready", || {
            let gateway = self.gateways[number].as_mut().expect("just started");
            assert!(gateway.runs(), "the gateway ended: {}", gateway.messages());
            self.client(number).is_ready().then_some(())
        });
    }

    fn start_agent(&mut self, options: &[&str]) {
        let urls: Vec<String> = self.clients().iter().filter_map(Client::url).collect();
        let urls = urls.join(",");
        self.agent = Some(self.spawn("agent", &[&["agent", "--gateway", &urls], options].concat()));
        wait_for("the agent to be up", || {
            let agents = self.clients()[0].ask("{ agents { nodes { state connected } } }", json!({})).ok()?;
            (agents["agents"]["nodes"][0]["state"] == "UP").then_some(())
        });
    }

    /// Where in the list the allocator is that leads, as far as anybody says.
    fn leading(&self) -> Option<usize> {
        let claims = self.allocators.iter().enumerate().filter_map(|(at, part)| Some((part.epoch_led()?, at)));
        let newest_dead = self.paused.iter().filter_map(Part::epoch_led).max();
        claims.max().filter(|(epoch, _)| newest_dead.is_none_or(|dead| dead < *epoch)).map(|(_, at)| at)
    }

    /// Takes the allocator out that leads; waits until one does.
    fn take_leader(&mut self) -> Part {
        let at = wait_for("somebody to lead", || self.leading());
        self.allocators.remove(at)
    }

    /// Ends the allocator that leads with SIGKILL.
    pub fn kill9_leader(&mut self) {
        let leader = self.take_leader();
        self.bury(leader);
    }

    /// Ends an allocator that does not lead with SIGKILL, if there is one.
    pub fn kill9_stand_by(&mut self) -> bool {
        let leads = self.leading();
        let stand_by = (0..self.allocators.len()).find(|at| leads != Some(*at));
        stand_by.map(|at| self.allocators.remove(at)).map(|part| self.bury(part)).is_some()
    }

    fn bury(&mut self, part: Part) {
        self.dead.insert(0, part.name().to_owned());
        part.kill9();
    }

    /// Stops the allocator that leads with SIGSTOP.
    pub fn pause_leader(&mut self) {
        let leader = self.take_leader();
        leader.pause();
        self.paused = Some(leader);
    }

    /// Lets the allocator go on that was paused.
    pub fn resume_paused(&mut self) {
        let part = self.paused.take().expect("one is paused");
        part.resume();
        self.allocators.push(part);
    }

    /// How many allocators run that do not lead.
    pub fn stand_bys(&self) -> usize {
        self.allocators.len().saturating_sub(1)
    }

    /// Waits until every allocator but the leader has read the log and stands by.
    pub fn await_stand_bys(&self) {
        wait_for("the others to stand by", || {
            let leads = self.leading()?;
            let others = self.allocators.iter().enumerate().filter(|(at, _)| *at != leads);
            others.map(|(_, part)| part).all(Part::stands_by).then_some(())
        });
    }

    /// The processes of allocators and gateways.
    pub fn control_plane_pids(&self) -> Vec<i32> {
        self.gateways.iter().flatten().chain(&self.allocators).map(Part::pid).collect()
    }

    /// Ends a gateway with SIGKILL.
    pub fn kill9_gateway(&mut self, number: usize) {
        self.gateways[number].take().expect("it runs").kill9();
    }

    /// The brokers.
    pub fn brokers(&self) -> &Brokers {
        &self.brokers
    }

    /// Starts whatever is down, or paused, and waits until it serves.
    pub fn restart_all(&mut self) {
        self.brokers.restart_all();
        if self.paused.is_some() {
            self.resume_paused();
        }
        while self.allocators.len() < self.shape.allocators {
            self.start_allocator();
        }
        for number in 0..self.gateways.len() {
            if self.gateways[number].is_none() {
                self.restart_gateway(number);
            }
        }
    }

    /// Ends every part in good order; the brokers go on, or stay down.
    pub fn stop(&mut self) {
        self.agent.take().into_iter().for_each(Part::end_well);
        self.gateways.iter_mut().filter_map(Option::take).for_each(Part::end_well);
        self.allocators.drain(..).for_each(Part::end_well);
    }

    /// A client of one gateway.
    pub fn client(&self, gateway: usize) -> Client {
        Client::new(self.root.path().join(format!("gateway-{gateway}")))
    }

    /// A client of each gateway.
    pub fn clients(&self) -> Vec<Client> {
        (0..self.gateways.len()).map(|number| self.client(number)).collect()
    }

    fn paused_len(&self) -> usize {
        usize::from(self.paused.is_some())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        for name in ["QUIPU_DIR", "QUIPU_GATEWAY", "QUIPU_LOG", "QUIPU_PRINCIPAL", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.current_dir(self.root.path());
        command
    }

    fn spawn(&self, name: &str, arguments: &[&str]) -> Part {
        self.spawn_in(name, self.root.path().join(name), arguments)
    }

    fn spawn_in(&self, name: &str, directory: PathBuf, arguments: &[&str]) -> Part {
        let mut command = self.command();
        command.args(arguments).arg("--dir").arg(directory);
        Part::spawn(name, self.root.path(), &mut command)
    }

    /// Runs a cell on one machine in a directory, asks it about the job that was moved, and ends it.
    pub fn up_briefly(&self, directory: &str) -> Value {
        let name = format!("up-{}", Path::new(directory).file_name().expect("a name").display());
        let up = self.spawn_in(&name, directory.into(), &["up", "--no-agent", "--listen", "127.0.0.1:0"]);
        let client = Client::new(directory.into());
        wait_for("the cell to be up", || client.is_ready().then_some(()));
        let job = client.ask(r#"{ job(name: "moved") { state } }"#, json!({})).expect("an answer");
        up.end_well();
        job
    }

    fn show_messages(&self) {
        let entries = fs::read_dir(self.root.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut outputs: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "out")).collect();
        outputs.sort();
        for path in outputs {
            eprintln!("--- {}\n{}", path.display(), fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_messages();
        }
        let running = self.gateways.drain(..).flatten().chain(self.paused.take()).chain(self.agent.take());
        running.chain(self.allocators.drain(..)).for_each(Part::kill9);
    }
}
