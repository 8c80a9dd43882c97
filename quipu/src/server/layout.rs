//! Where a cell keeps things: the folders and small files of its directory.
//!
//! ```text
//!   DIR/log           the command log, the only truth
//!      /snapshots     the allocator's memory now and then, which saves time at start-up, and
//!                     signed checkpoints, which an auditor compares
//!      /signing-key   what they are signed with; whoever has it can speak for the cell
//!      /projections   what the gateway serves; rebuilt from the log when it is deleted
//!      /agent         the sandboxes of this machine's tasks
//!      /agent.out     what the agent prints
//!      /gateway-url   where the gateway listens, for the CLI
//!      /control.pid   who runs; the agent's is in its own directory
//!      /control.sock  where the control plane takes what only the owner of the directory may ask
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use command_log::whole_file;

/// The directory of one cell.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below a directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The command log.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The allocator's snapshots.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// What checkpoints are signed with.
    pub fn signing_key(&self) -> PathBuf {
        self.root.join("signing-key")
    }

    /// The gateway's projections.
    pub fn projections(&self) -> PathBuf {
        self.root.join("projections")
    }

    /// The agent's directory.
    pub fn agent(&self) -> PathBuf {
        self.root.join("agent")
    }

    /// The sandboxes of this machine's tasks.
    pub fn sandboxes(&self) -> PathBuf {
        self.agent().join("sandboxes")
    }

    /// What the agent prints.
    pub fn agent_output(&self) -> PathBuf {
        self.root.join("agent.out")
    }

    /// Where the gateway listens.
    pub fn gateway_url(&self) -> PathBuf {
        self.root.join("gateway-url")
    }

    /// Says where the gateway listens. Whoever reads it meanwhile finds the old address or the new one.
    pub fn write_gateway_url(&self, url: &str) -> anyhow::Result<()> {
        let written = whole_file::write(&self.gateway_url(), format!("{url}\n").as_bytes());
        written.context("could not say where the gateway listens")
    }

    /// The process of the control plane.
    pub fn control_pid(&self) -> PidFile {
        PidFile(self.root.join("control.pid"))
    }

    /// The name of the socket of the control plane.
    pub const CONTROL_SOCKET: &str = "control.sock";

    /// The process of the agent.
    pub fn agent_pid(&self) -> PidFile {
        PidFile::of_agent(&self.agent())
    }
}

/// Names a process in a way that a later process with the same number is not mistaken for it.
#[derive(Clone, Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// The process of the agent with this directory.
    pub fn of_agent(directory: &Path) -> Self {
        Self(directory.join("agent.pid"))
    }

    /// Writes the number of a process and its time of start.
    pub fn write(&self, pid: i32) -> io::Result<()> {
        let started = agent::process_tree::start_ticks(pid).unwrap_or(0);
        whole_file::write(&self.0, format!("{pid} {started}\n").as_bytes())
    }

    /// The process, if it still runs.
    pub fn running(&self) -> Option<i32> {
        self.named().filter(|(pid, started)| agent::process_tree::is_running(*pid, *started)).map(|(pid, _)| pid)
    }

    /// The process that is named, and when it started.
    pub fn named(&self) -> Option<(i32, u64)> {
        let text = fs::read_to_string(&self.0).ok()?;
        let mut words = text.split_whitespace();
        let pid: i32 = words.next()?.parse().ok()?;
        let started: u64 = words.next()?.parse().ok()?;
        Some((pid, started))
    }

    /// Says that nobody runs.
    pub fn remove(&self) {
        // A file that is not there says the same.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_while_it_runs_and_not_after() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = PidFile(directory.path().join("x.pid"));
        assert_eq!(file.running(), None);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        file.write(pid).expect("written");
        assert_eq!(file.running(), Some(pid));
        child.kill().expect("killed");
        while file.running().is_some() {
            std::thread::yield_now();
        }
        child.wait().expect("dead, and reaped only now");
        assert_eq!(file.running(), None);
    }
}
