//! Heartbeats and usage samples: what an agent sees of its machine, once a second.
//!
//! Telemetry is beside the log, never in it: no decision reads a sample, a sample may be lost, and
//! nothing here is kept for longer than the newest sample of each agent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use log_schema::{AgentId, Incarnation, TaskId, TimeMs};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many samples a slow subscriber may be behind before it loses the oldest.
pub const SAMPLES_BEHIND_MAX: usize = 1024;
/// How often an agent sends a sample, in milliseconds.
pub const SAMPLE_INTERVAL_MS: u64 = 1000;

/// One look at a machine. A sample is a heartbeat too: whoever sent it was alive at `time`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Whose machine.
    pub agent: AgentId,
    /// When, by the agent's clock.
    pub time: TimeMs,
    /// CPU in use since the sample before, in thousandths of a core.
    pub cpu_busy_millis: u64,
    /// All the CPU there is, in thousandths of a core.
    pub cpu_total_millis: u64,
    /// Memory that is not available to a new process, in MiB.
    pub mem_used_mib: u64,
    /// All the memory there is, in MiB.
    pub mem_total_mib: u64,
    /// Used space on the disk of the sandboxes, in MiB.
    pub disk_used_mib: u64,
    /// All the space on that disk, in MiB.
    pub disk_total_mib: u64,
    /// The load average over one minute, in hundredths.
    pub load1_centi: u64,
    /// Bytes received since the sample before, on every interface but loopback.
    pub net_rx_bytes: u64,
    /// Bytes sent since the sample before, on every interface but loopback.
    pub net_tx_bytes: u64,
    /// What each running task uses, in order of task.
    pub tasks: Vec<TaskUsage>,
    /// Where the gateway that the agent is connected to listens, and its name after a `#`; that gateway adds it.
    #[serde(default)]
    pub gateway: Option<String>,
}

/// What one task uses, its whole process tree together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskUsage {
    /// Which task.
    pub task: TaskId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// CPU in use since the sample before, in thousandths of a core.
    pub cpu_millis: u64,
    /// Resident memory, in MiB.
    pub mem_mib: u64,
    /// How many processes.
    pub processes: u32,
}

/// Where samples go, and where whoever draws a machine's usage takes them from.
pub trait Telemetry: Send + Sync {
    /// Hands a sample on. Never waits and never fails: a lost sample is followed by the next one.
    fn publish(&self, sample: Sample);

    /// Every sample published from now on; a subscriber that is too slow loses the oldest.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Sample>>;

    /// The newest sample of one agent.
    fn latest(&self, agent: &AgentId) -> Option<Arc<Sample>>;

    /// The newest sample of every agent, in order of agent.
    fn latest_all(&self) -> Vec<Arc<Sample>>;
}

/// Telemetry within one process: `quipu up`, and the tests.
#[derive(Debug)]
pub struct InProcess {
    sender: broadcast::Sender<Arc<Sample>>,
    latest: Mutex<BTreeMap<AgentId, Arc<Sample>>>,
}

impl Default for InProcess {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(SAMPLES_BEHIND_MAX), latest: Mutex::default() }
    }
}

impl InProcess {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<AgentId, Arc<Sample>>> {
        self.latest.lock().expect("nobody panics while holding the newest samples")
    }
}

impl Telemetry for InProcess {
    fn publish(&self, sample: Sample) {
        let sample = Arc::new(sample);
        self.lock().insert(sample.agent.clone(), Arc::clone(&sample));
        // An error means that nobody listens, which is fine.
        let _ = self.sender.send(sample);
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Sample>> {
        self.sender.subscribe()
    }

    fn latest(&self, agent: &AgentId) -> Option<Arc<Sample>> {
        self.lock().get(agent).cloned()
    }

    fn latest_all(&self) -> Vec<Arc<Sample>> {
        self.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(agent: &str, time: u64) -> Sample {
        Sample {
            agent: AgentId::new(agent).expect("a legal id"),
            time: TimeMs(time),
            cpu_busy_millis: 1500,
            cpu_total_millis: 2000,
            mem_used_mib: 512,
            mem_total_mib: 1024,
            disk_used_mib: 10,
            disk_total_mib: 100,
            load1_centi: 42,
            net_rx_bytes: 1,
            net_tx_bytes: 2,
            tasks: Vec::new(),
            gateway: None,
        }
    }

    #[test]
    fn the_newest_sample_of_each_agent_is_kept() {
        let telemetry = InProcess::default();
        let mut heard = telemetry.subscribe();
        for published in [sample("a1", 1), sample("a2", 2), sample("a1", 3)] {
            telemetry.publish(published);
        }
        let times: Vec<_> = telemetry.latest_all().iter().map(|sample| sample.time.0).collect();
        assert_eq!(times, [3, 2]);
        assert_eq!(heard.try_recv().expect("a first sample").time, TimeMs(1));
        assert!(telemetry.latest(&AgentId::new("a3").expect("a legal id")).is_none());
    }
}
