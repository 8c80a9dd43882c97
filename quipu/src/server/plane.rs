//! The control plane: the log, the allocator and the gateway in one process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use allocator::leader;
use anyhow::Context;
use command_log::{
    Log,
    embedded::{EmbeddedLog, Options},
    telemetry::{InProcess, Telemetry},
};
use tokio::sync::watch;

use super::{
    allocator::{Leader, node},
    layout::Layout,
};

/// A control plane that runs.
pub struct Plane {
    gateway: gateway::RunningGateway,
    leader: Leader,
    stop: watch::Sender<bool>,
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
            node: node()?,
            snapshots: Some(layout.snapshots()),
            signing_key: Some(layout.signing_key()),
            telemetry,
            take_over_after: None,
            agent_silent_after: silence,
        };
        let leader = Leader::start(log, config, stopped)?;
        Ok(Self { gateway, leader, stop })
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.gateway.local_addr()
    }

    /// Resolves when a part has ended by itself, which is never well; says which. Of a leader that
    /// ended, [`Self::stop`] says why.
    pub async fn broken(&self) -> anyhow::Error {
        tokio::select! {
            () = self.leader.ended() => anyhow::anyhow!("the allocator ended by itself"),
            halted = self.gateway.halted() => anyhow::Error::from(halted).context("the gateway halted"),
        }
    }

    /// Stops the parts; the error is the one that ended the leader.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.gateway.stop().await.context("the gateway failed")?;
        self.leader.join().await
    }
}
