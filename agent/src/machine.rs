//! The machine as `/proc` tells it: what it has, and what is in use.

use std::{collections::BTreeMap, path::Path};

use compact_str::CompactString;
use log_schema::{MiB, MilliCpu, PortRanges, Resources};
use procfs::{Current, CurrentSI, KernelStats, LoadAverage, Meminfo};

/// The ports that an agent hands out where nothing else is configured.
pub const PORTS: (u16, u16) = (31_000, 32_000);
const MIB: u64 = 1 << 20;

/// The machine could not be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// A file of `/proc` is missing or unreadable.
    #[error("could not read {what} of the machine")]
    Proc { what: &'static str, source: procfs::ProcError },
    /// The file system of the sandboxes could not be asked for its size.
    #[error("could not read the size of the file system at {path}")]
    Disk { path: String, source: nix::Error },
}

/// All that the machine has: every core, all memory, the file system of `directory`, and [`PORTS`].
pub fn capacity(directory: &Path) -> Result<Resources, Error> {
    let (_, disk_total) = disk_mib(directory)?;
    Ok(Resources {
        cpu: MilliCpu(cores() * 1000),
        mem: MiB(memory_mib()?.1),
        disk: MiB(disk_total),
        ports: PortRanges::new(vec![PORTS]).expect("one range in order"),
        ..Resources::default()
    })
}

/// What constraints may be written about: the host's name, system, kernel and architecture.
pub fn attributes() -> BTreeMap<CompactString, CompactString> {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let pairs = [
        ("hostname", host.unwrap_or_else(|| "unknown".into())),
        ("os", std::env::consts::OS.into()),
        ("arch", std::env::consts::ARCH.into()),
        ("kernel", kernel.trim().into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Counters that only grow, as of one moment; two of them tell what was used between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Ticks in which some core was busy.
    pub cpu_busy_ticks: u64,
    /// Ticks of all cores together, busy or not.
    pub cpu_ticks: u64,
    /// Bytes received on every interface but loopback.
    pub net_rx_bytes: u64,
    /// Bytes sent on every interface but loopback.
    pub net_tx_bytes: u64,
}

impl Counters {
    /// Reads the counters.
    pub fn read() -> Result<Self, Error> {
        let cpu = KernelStats::current().map_err(|source| Error::Proc { what: "CPU time", source })?.total;
        let idle = cpu.idle + cpu.iowait.unwrap_or(0);
        let kernel = cpu.system + cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0) + cpu.steal.unwrap_or(0);
        let cpu_busy_ticks = cpu.user + cpu.nice + kernel;
        let (received, sent) = network();
        Ok(Self { cpu_busy_ticks, cpu_ticks: cpu_busy_ticks + idle, net_rx_bytes: received, net_tx_bytes: sent })
    }

    /// CPU in use since `before`, in thousandths of a core.
    pub fn cpu_busy_millis_since(&self, before: &Self) -> u64 {
        let busy = self.cpu_busy_ticks.saturating_sub(before.cpu_busy_ticks);
        let all = self.cpu_ticks.saturating_sub(before.cpu_ticks);
        (busy * cores() * 1000).checked_div(all).unwrap_or(0)
    }
}

/// Every interface but loopback. A machine without a readable list has no traffic.
fn network() -> (u64, u64) {
    let devices = procfs::net::dev_status().unwrap_or_default();
    let real = devices.values().filter(|device| device.name != "lo");
    real.fold((0, 0), |(rx, tx), device| (rx + device.recv_bytes, tx + device.sent_bytes))
}

/// How many cores the kernel schedules on.
pub fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

/// Memory as `(used, total)`, in MiB; used is what a new process could not have.
pub fn memory_mib() -> Result<(u64, u64), Error> {
    let memory = Meminfo::current().map_err(|source| Error::Proc { what: "memory", source })?;
    let available = memory.mem_available.unwrap_or(memory.mem_free);
    Ok((memory.mem_total.saturating_sub(available) / MIB, memory.mem_total / MIB))
}

/// Space on the file system of `directory` as `(used, total)`, in MiB.
pub fn disk_mib(directory: &Path) -> Result<(u64, u64), Error> {
    let disk = nix::sys::statvfs::statvfs(directory)
        .map_err(|source| Error::Disk { path: directory.display().to_string(), source })?;
    let unit = disk.fragment_size();
    let total = disk.blocks() * unit;
    Ok((total.saturating_sub(disk.blocks_available() * unit) / MIB, total / MIB))
}

/// The load average over one minute, in hundredths; 0 where it cannot be read.
pub fn load1_centi() -> u64 {
    let text = LoadAverage::current().map(|load| load.one);
    text.map_or(0, |one| centi(&format!("{one:.2}")))
}

/// Reads `1.25` as 125, without a detour over floating point.
fn centi(text: &str) -> u64 {
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_cores_memory_disk_and_a_thousand_ports() {
        let capacity = capacity(Path::new("/")).expect("this machine can be read");
        assert!(capacity.cpu.0 >= 1000 && capacity.mem.0 > 0 && capacity.disk.0 > 0);
        assert_eq!(capacity.ports.count(), 1001);
    }

    #[test]
    fn busy_time_is_told_in_thousandths_of_a_core() {
        let before = Counters::default();
        let after = Counters { cpu_busy_ticks: 50, cpu_ticks: 100, ..before };
        assert_eq!(after.cpu_busy_millis_since(&before), cores() * 500);
        assert_eq!(before.cpu_busy_millis_since(&before), 0);
    }

    #[test]
    fn a_load_is_told_in_hundredths() {
        assert_eq!(centi("1.25"), 125);
        assert_eq!(centi("0.05"), 5);
    }

    #[test]
    fn attributes_name_the_system() {
        let attributes = attributes();
        assert_eq!(attributes["os"], "linux");
        assert!(attributes.contains_key("hostname") && attributes.contains_key("kernel"));
    }
}
