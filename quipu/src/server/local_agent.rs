//! The agent that `quipu up` keeps beside the control plane: a process of its own, which outlives it.

use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;

use super::layout::Layout;
use crate::exit::Failure;

/// How often it is looked whether the agent still runs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the agent is started with.
#[derive(Clone, Debug)]
pub struct LocalAgent {
    /// The cell's directory.
    pub layout: Layout,
    /// The gateway's address.
    pub gateway_url: String,
    /// Its name; the host's, where absent.
    pub id: Option<String>,
    /// What it offers; all that the machine has, where absent.
    pub resources: Option<String>,
}

impl LocalAgent {
    /// Keeps an agent running for as long as this is polled. One that runs already is left alone.
    pub async fn keep(self) -> anyhow::Result<()> {
        let mut child: Option<Child> = None;
        loop {
            // Reaps a child that has ended; one of an earlier control plane is not ours to reap.
            if let Some(status) = child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                tracing::warn!(%status, "the agent ended; starting it again");
                child = None;
            }
            if child.is_none() && self.layout.agent_pid().running().is_none() {
                child = Some(self.start()?);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn start(&self) -> anyhow::Result<Child> {
        let path = self.layout.agent_output();
        let output = OpenOptions::new().create(true).append(true).open(&path);
        let output = output.with_context(|| format!("could not open {}", path.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("agent").arg("--gateway").arg(&self.gateway_url).arg("--dir").arg(self.layout.agent());
        // The agent outlives this control plane, and the next one may listen elsewhere.
        command.arg("--cell").arg(self.layout.root());
        command.args(self.id.iter().flat_map(|id| ["--id", id]));
        command.args(self.resources.iter().flat_map(|resources| ["--resources", resources]));
        // A group of its own: Ctrl-C at the control plane is not meant for it.
        command.process_group(0).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        command.spawn().context("could not start the agent")
    }
}

/// Refuses a name that is not the one that the cell's agent has: its directory, and what runs there, is that agent's.
pub fn check_id(layout: &Layout, asked: Option<&str>) -> anyhow::Result<()> {
    let directory = layout.agent();
    let (Some(asked), Some(owner)) = (asked, ::agent::identity::owner(&directory)?) else { return Ok(()) };
    if owner.as_str() == asked {
        return Ok(());
    }
    let what = format!("the agent of this cell is {owner}, not {asked}: {} is its directory", directory.display());
    let root = layout.root().display();
    let hint = format!("leave --agent-id out; for a second agent: quipu agent --id {asked} --dir DIR --cell {root}");
    Err(Failure::new(what).hint(hint).into())
}
