//! What a bench runs on: one cell, with its log on this machine or in Kafka. Both are asked alike.

use serde_json::{Value, json};

use crate::{
    cell::{AGENT, Cell, Client, WITH_AGENT, events::Follower, process::cpu_ms, wait_for},
    parts::{Parts, Shape},
};

/// A cell whose machines come over the agents' link and never speak again.
const SILENT_MACHINES: &[&str] = &["--no-agent", "--agent-silent-ms", "0"];
/// The same over Kafka, with as many allocators as it takes.
const SILENT_SHAPE: Shape =
    Shape { brokers: 1, allocators: 1, gateways: 1, allocator: &["--agent-silent-ms", "0"], agent: None };
/// A cell over Kafka with an agent that offers what [`WITH_AGENT`] does.
const AGENT_SHAPE: Shape = Shape {
    allocator: &[],
    agent: Some(&["--id", AGENT, "--resources", "cpu=64 mem=64Gi ports=31000-31999"]),
    ..SILENT_SHAPE
};

/// Where the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// In RocksDB, in the one process of the control plane.
    Embedded,
    /// In Kafka, and every part a process.
    Kafka,
}

/// A cell that is measured.
pub enum Bed {
    Machine(Box<Cell>),
    Parts(Box<Parts>),
}

impl Bed {
    /// A cell with a real agent, which is up.
    pub fn with_agent(log: Log) -> Self {
        match log {
            Log::Embedded => {
                let cell = Cell::start(WITH_AGENT);
                cell.await_agent();
                Self::Machine(Box::new(cell))
            }
            Log::Kafka => Self::Parts(Box::new(Parts::start(AGENT_SHAPE))),
        }
    }

    /// A cell that waits for machines.
    pub fn without_agent(log: Log) -> Self {
        match log {
            Log::Embedded => Self::Machine(Box::new(Cell::start(SILENT_MACHINES))),
            Log::Kafka => Self::Parts(Box::new(over_kafka(1))),
        }
    }

    pub fn client(&self) -> Client {
        match self {
            Self::Machine(cell) => cell.client(),
            Self::Parts(parts) => parts.client(0),
        }
    }

    /// The CPU time of the control plane so far, in milliseconds; that of brokers is not among it.
    pub fn cpu_ms(&self) -> u64 {
        let pids = match self {
            Self::Machine(cell) => vec![cell.control_plane_pid()],
            Self::Parts(parts) => parts.control_plane_pids(),
        };
        pids.into_iter().map(|pid| cpu_ms(pid).expect("it runs")).sum()
    }

    /// The log, decided again, is what it was.
    pub fn audit(self) {
        match self {
            Self::Machine(mut cell) => audit(&mut cell),
            Self::Parts(mut parts) => {
                parts.stop();
                parts.assert_audited();
            }
        }
    }
}

/// Follows a cell's events, and waits until the stream is open.
pub fn follow(client: &Client, fields: &str, names: &[&str]) -> Follower {
    let follower = Follower::over(std::slice::from_ref(client), fields, json!({ "names": names }));
    wait_for("the subscription", || (follower.connections() > 0).then_some(()));
    follower
}

/// A cell over Kafka that waits for machines.
pub fn over_kafka(allocators: usize) -> Parts {
    Parts::start(Shape { allocators, ..SILENT_SHAPE })
}

pub fn audit(cell: &mut Cell) {
    cell.stop();
    let audit = cell.quipu(["audit", "verify", "--log", &cell.dir().display().to_string()]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.out, audit.err);
}

pub fn job(name: &str, count: u32, resources: &str) -> Value {
    json!({
        "name": name, "kind": "BATCH", "count": count, "resources": resources, "command": ["true"],
        "restart": { "on": "NEVER" },
    })
}

/// Submits a job that has to be accepted.
pub fn accept(client: &Client, job: &Value) {
    let name = job["name"].as_str().expect("jobs have names");
    let payload = client.submit(job, &format!("job-{name}")).expect("the gateway answers");
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
}
