//! The control plane: the log, the allocator and the gateway in one process.
//!
//! The allocator has a thread and a runtime of its own: deciding is work for the processor, and must
//! not hold up the gateway's clients.

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};

use allocator::leader;
use anyhow::Context;
use command_log::{
    Log,
    embedded::{EmbeddedLog, Options},
    telemetry::{InProcess, Telemetry},
};
use log_schema::Principal;
use tokio::sync::watch;

use super::layout::Layout;

/// A control plane that runs.
pub struct Plane {
    gateway: gateway::RunningGateway,
    leader: JoinHandle<anyhow::Result<()>>,
    stop: watch::Sender<bool>,
    /// True when the leader has ended, by itself or not.
    leader_ended: watch::Receiver<bool>,
}

impl Plane {
    /// Opens the log of a cell, leads it and serves it.
    pub async fn start(layout: &Layout, listen: SocketAddr, silence: Option<Duration>) -> anyhow::Result<Self> {
        let path = layout.log();
        let log = EmbeddedLog::open(&path, Options::default())
            .with_context(|| format!("could not open the log in {}", path.display()))?;
        let log: Arc<dyn Log> = Arc::new(log);
        let telemetry: Arc<dyn Telemetry> = Arc::new(InProcess::default());
        let (stop, stopped) = watch::channel(false);
        let mut config = gateway::Config::new(Arc::clone(&log), Arc::clone(&telemetry), layout.projections());
        config.listen = listen;
        let gateway = gateway::serve(config).await.context("could not start the gateway")?;
        let config = leader::Config {
            node: Principal::new(format!("allocator-{}", std::process::id()))?,
            snapshots: Some(layout.snapshots()),
            telemetry,
            take_over_after: None,
            agent_silent_after: silence,
        };
        let (leader, leader_ended) = start_leader(log, config, stopped)?;
        Ok(Self { gateway, leader, stop, leader_ended })
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.gateway.local_addr()
    }

    /// Resolves when a part has ended by itself: something is wrong with the log.
    pub async fn broken(&self) {
        let mut leader_ended = self.leader_ended.clone();
        tokio::select! {
            // An error means that the leader's thread is gone, which is an end too.
            _ = leader_ended.wait_for(|ended| *ended) => {},
            halted = self.gateway.halted() => tracing::error!(error = &halted as &dyn std::error::Error, "the gateway halted"),
        }
    }

    /// Stops the parts; the error is the one that ended the leader.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.gateway.stop().await.context("the gateway failed")?;
        let ended = tokio::task::spawn_blocking(|| self.leader.join()).await?;
        ended.map_err(|_| anyhow::anyhow!("the allocator panicked: an invariant is broken; see the messages above"))?
    }
}

type Leader = (JoinHandle<anyhow::Result<()>>, watch::Receiver<bool>);

fn start_leader(log: Arc<dyn Log>, config: leader::Config, stop: watch::Receiver<bool>) -> anyhow::Result<Leader> {
    let (ended, leader_ended) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lead = move || {
        // Dropped when the thread ends, by a panic too, which ends the wait for it.
        let ended = ended;
        let result = runtime.block_on(leader::lead(log, config, stop));
        ended.send_replace(true);
        result.context("the allocator stopped")
    };
    let thread = std::thread::Builder::new().name("allocator".into()).spawn(lead)?;
    Ok((thread, leader_ended))
}
