//! The control plane: the log, the allocator and the gateway in one process.

use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use allocator::leader;
use anyhow::Context;
use command_log::{
    Follower, Log,
    embedded::{EmbeddedLog, Options},
    telemetry::{InProcess, Telemetry},
};
use log_schema::{Kind, Offset};
use tokio::sync::watch;

use super::{
    allocator::{Leader, node},
    background_check::BackgroundCheck,
    control::Control,
    layout::Layout,
    open_log,
};

/// A control plane that runs.
pub struct Plane {
    gateway: gateway::RunningGateway,
    leader: Leader,
    log: Arc<dyn Log>,
    /// The log itself, without an archive.
    own: Arc<EmbeddedLog>,
    /// Where what the log has forgotten can be read.
    archive: Option<PathBuf>,
    control: Control,
    /// Where the log ended before this plane.
    began: Offset,
    check: BackgroundCheck,
    stop: watch::Sender<bool>,
}

impl Plane {
    /// Opens the log of a cell, leads it and serves it.
    pub async fn start(
        layout: &Layout,
        listen: SocketAddr,
        silence: Option<Duration>,
        archive: Option<&Path>,
        history_ms: Option<u64>,
    ) -> anyhow::Result<Self> {
        let path = layout.log();
        let log = EmbeddedLog::open(&path, Options::default())
            .with_context(|| format!("could not open the log in {}", path.display()))?;
        // The log lets one process in, and this is the one from now on. Written before anything answers, so that
        // `quipu down` ends every cell that can be reached.
        layout.control_pid().write(i32::try_from(std::process::id())?)?;
        let log = Arc::new(log);
        let began = log.watermarks().await?.high;
        let check = BackgroundCheck::start(Arc::clone(&log));
        let (own, log) = (Arc::clone(&log), open_log::with_archive(log, archive).await?);
        let control = Control::open(layout);
        // There from the beginning, so that an auditor can name it.
        fs::create_dir_all(layout.snapshots()).context("could not make the directory of the snapshots")?;
        let telemetry: Arc<dyn Telemetry> = Arc::new(InProcess::default());
        let (stop, stopped) = watch::channel(false);
        let mut config = gateway::Config::new(Arc::clone(&log), Arc::clone(&telemetry), layout.projections());
        config.listen = listen;
        config.retention_ms = history_ms;
        let gateway = gateway::serve(config).await.context("could not start the gateway")?;
        let config = leader::Config {
            node: node()?,
            snapshots: Some(layout.snapshots()),
            signing_key: Some(layout.signing_key()),
            telemetry,
            take_over_after: None,
            agent_silent_after: silence,
        };
        let leader = Leader::start(Arc::clone(&log), config, stopped)?;
        let archive = archive.map(Path::to_owned);
        Ok(Self { gateway, leader, log, own, archive, control, began, check, stop })
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.gateway.local_addr()
    }

    /// Resolves when the allocator leads: it has read the log, and has claimed its epoch.
    pub async fn leads(&self) -> anyhow::Result<()> {
        let mut follower = Follower::new(Arc::clone(&self.log), self.began);
        loop {
            // Nobody else can append to this log, so a claim after its old end is this leader's.
            let batch = follower.next_batch().await?;
            if batch.iter().any(|stored| stored.record.kind == Kind::Epoch.number()) {
                return Ok(());
            }
        }
    }

    /// Does what the owner of the directory asks for, for ever.
    pub async fn obey(&self) -> Infallible {
        self.control.obey(&self.own, self.archive.as_deref()).await
    }

    /// Resolves when a part has ended by itself, which is never well, or the log is damaged; says which. Of a leader that
    /// ended, [`Self::stop`] says why.
    pub async fn broken(&self) -> anyhow::Error {
        tokio::select! {
            () = self.leader.ended() => anyhow::anyhow!("the allocator ended by itself"),
            halted = self.gateway.halted() => anyhow::Error::from(halted).context("the gateway halted"),
            damage = self.check.damage() => damage.context("the check of the whole log found damage"),
        }
    }

    /// Stops the parts; the error is the one that ended the leader, or else the one that halted the
    /// gateway.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.check.end().await;
        let served = self.gateway.stop().await.context("the gateway halted");
        self.leader.join().await.and(served)
    }
}
