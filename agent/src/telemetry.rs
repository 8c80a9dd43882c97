//! Once a second: what the machine and each running task use, sent beside the log as a heartbeat.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use command_log::{
    remote::{Link, protocol::FromAgent},
    telemetry::{SAMPLE_INTERVAL_MS, Sample, TaskUsage},
};
use log_schema::AgentId;
use tokio::{task::spawn_blocking, time::MissedTickBehavior};

use crate::{
    machine::{self, Counters},
    process_tree::{Snapshot, Usage},
    sandbox::{TaskKey, now},
};

const MIB: u64 = 1 << 20;

/// The supervisors of the running tasks, shared with whoever starts and ends them.
pub(crate) type Running = Arc<Mutex<BTreeMap<TaskKey, i32>>>;

/// Sends samples until the link closes.
pub(crate) async fn send(agent: AgentId, directory: PathBuf, running: Running, link: Link) {
    let mut sampler = Sampler { agent, directory, running, before: None };
    let mut due = tokio::time::interval(Duration::from_millis(SAMPLE_INTERVAL_MS));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let (back, sample) = match spawn_blocking(move || sampler.take()).await {
            Ok(taken) => taken,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => return,
            },
        };
        sampler = back;
        let sent = match sample {
            Ok(sample) => link.send(FromAgent::Telemetry { sample }).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no sample this time");
                Ok(())
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

struct Sampler {
    agent: AgentId,
    directory: PathBuf,
    running: Running,
    before: Option<Reading>,
}

/// Counters at one moment; two of them make a sample.
struct Reading {
    at: Instant,
    counters: Counters,
    tasks: BTreeMap<TaskKey, Usage>,
}

impl Sampler {
    fn take(mut self) -> (Self, Result<Sample, machine::Error>) {
        let sample = self.sample();
        (self, sample)
    }

    fn sample(&mut self) -> Result<Sample, machine::Error> {
        let reading = self.read()?;
        let before = self.before.as_ref().unwrap_or(&reading);
        let sample = sample(&self.agent, &self.directory, before, &reading);
        self.before = Some(reading);
        sample
    }

    fn read(&self) -> Result<Reading, machine::Error> {
        let running = self.running.lock().expect("nobody panics while holding the running tasks").clone();
        let snapshot = if running.is_empty() { None } else { Some(Snapshot::take()) };
        let usage = |pid: i32| snapshot.as_ref().map(|snapshot| snapshot.usage(pid)).unwrap_or_default();
        let tasks = running.into_iter().map(|(key, pid)| (key, usage(pid))).collect();
        Ok(Reading { at: Instant::now(), counters: Counters::read()?, tasks })
    }
}

fn sample(agent: &AgentId, directory: &Path, before: &Reading, after: &Reading) -> Result<Sample, machine::Error> {
    let (mem_used_mib, mem_total_mib) = machine::memory_mib()?;
    let (disk_used_mib, disk_total_mib) = machine::disk_mib(directory)?;
    let Counters { net_rx_bytes, net_tx_bytes, .. } = after.counters;
    Ok(Sample {
        agent: agent.clone(),
        time: now(),
        cpu_busy_millis: after.counters.cpu_busy_millis_since(&before.counters),
        cpu_total_millis: machine::cores() * 1000,
        mem_used_mib,
        mem_total_mib,
        disk_used_mib,
        disk_total_mib,
        load1_centi: machine::load1_centi(),
        net_rx_bytes: net_rx_bytes.saturating_sub(before.counters.net_rx_bytes),
        net_tx_bytes: net_tx_bytes.saturating_sub(before.counters.net_tx_bytes),
        tasks: after.tasks.iter().map(|(key, usage)| task_usage(key, usage, before, after)).collect(),
        gateway: None,
    })
}

fn task_usage(key: &TaskKey, usage: &Usage, before: &Reading, after: &Reading) -> TaskUsage {
    let ticks_before = before.tasks.get(key).map_or(0, |usage| usage.cpu_ticks);
    let ticks = usage.cpu_ticks.saturating_sub(ticks_before);
    let elapsed_us = u64::try_from((after.at - before.at).as_micros()).unwrap_or(u64::MAX);
    let used_us = ticks.saturating_mul(1_000_000) / procfs::ticks_per_second();
    TaskUsage {
        task: key.task.clone(),
        incarnation: key.incarnation,
        cpu_millis: used_us.saturating_mul(1000).checked_div(elapsed_us).unwrap_or(0),
        mem_mib: usage.mem_bytes / MIB,
        processes: usage.processes,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use log_schema::{Incarnation, TaskId};

    use super::*;

    #[test]
    fn a_busy_task_is_seen_with_its_cpu_memory_and_processes() {
        let mut child =
            Command::new("sh").args(["-c", "while :; do :; done & while :; do :; done"]).spawn().expect("sh");
        let key = TaskKey { task: TaskId::new("busy.0").expect("a legal id"), incarnation: Incarnation(1) };
        // This process stands for the supervisor: the shell descends from it.
        let me = i32::try_from(std::process::id()).expect("a pid");
        let running: Running = Arc::new(Mutex::new(BTreeMap::from([(key.clone(), me)])));
        let agent = AgentId::new("a1").expect("a legal id");
        let mut sampler = Sampler { agent, directory: "/".into(), running, before: None };
        let deadline = Instant::now() + Duration::from_secs(20);
        let busy = loop {
            let sample = sampler.sample().expect("this machine can be read");
            let usage = sample.tasks.first().expect("one task").clone();
            if usage.cpu_millis > 100 && usage.processes >= 2 || Instant::now() > deadline {
                break usage;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        };
        let family = Snapshot::take().members(i32::try_from(child.id()).expect("a pid"));
        child.kill().expect("a child");
        child.wait().expect("a child");
        for pid in family {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        assert_eq!((busy.task, busy.incarnation), (key.task, key.incarnation));
        assert!(busy.cpu_millis > 100 && busy.processes >= 2);
    }
}
