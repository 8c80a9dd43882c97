//! `quipu allocator`: decides, or stands by to.

use std::{fs, process::ExitCode, sync::Arc, thread::JoinHandle, time::Duration};

use ::allocator::leader;
use anyhow::Context;
use command_log::{Log, kafka::KafkaTelemetry};
use log_schema::Principal;
use tokio::sync::watch;

use super::{
    LAST_WAIT, layout::Layout, let_go_of_what_was_inherited, open_log, run_to_end, start_tracing, stop_on_signal,
};
use crate::{cli, memory, output};

/// Runs an allocator until it is told to stop.
pub fn run(args: &cli::Allocator) -> anyhow::Result<ExitCode> {
    let_go_of_what_was_inherited()?;
    start_tracing("info");
    memory::require_room()?;
    run_to_end(allocate(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn allocate(args: &cli::Allocator) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let layout = Layout::new(&args.dir);
    fs::create_dir_all(layout.root()).with_context(|| format!("could not make {}", layout.root().display()))?;
    let place = open_log::configure(args.log.log.clone(), &args.log.options, true)?.for_decisions();
    let log = open_log::shared(&place, &args.log.options).await?;
    let config = leader::Config {
        node: node()?,
        snapshots: Some(layout.snapshots()),
        signing_key: Some(layout.signing_key()),
        telemetry: Arc::new(KafkaTelemetry::open(&place).await?),
        take_over_after: Some(Duration::from_millis(args.take_over_ms)),
        agent_silent_after: silence(args.agent_silent_ms),
    };
    output::say(&format!("allocator {} of {place}", config.node));
    let leader = Leader::start(log, config, stop)?;
    leader.ended().await;
    leader.join().await
}

/// How an allocator is named in the epochs that it claims.
pub(super) fn node() -> anyhow::Result<Principal> {
    Ok(Principal::new(format!("allocator-{}-{}", super::agent::own_id()?, std::process::id()))?)
}

/// The silence of an agent that is tolerated; 0 tolerates any.
pub(super) fn silence(millis: u64) -> Option<Duration> {
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// An allocator that leads or stands by, with a thread and a runtime of its own: deciding is work for
/// the processor, and must not hold up anybody's clients.
pub(super) struct Leader {
    thread: JoinHandle<anyhow::Result<()>>,
    /// True when it has ended, by itself or not.
    ended: watch::Receiver<bool>,
}

impl Leader {
    /// Starts it; it ends when `stop` says so.
    pub fn start(log: Arc<dyn Log>, config: leader::Config, stop: watch::Receiver<bool>) -> anyhow::Result<Self> {
        let (ended, has_ended) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let lead = move || {
            // Dropped when the thread ends, by a panic too, which ends the wait for it.
            let ended = ended;
            let result = runtime.block_on(leader::lead(log, config, stop));
            runtime.shutdown_timeout(LAST_WAIT);
            ended.send_replace(true);
            result.context("the allocator stopped")
        };
        let thread = std::thread::Builder::new().name("allocator".into()).spawn(lead)?;
        Ok(Self { thread, ended: has_ended })
    }

    /// Resolves when it has ended.
    pub async fn ended(&self) {
        // An error means that the thread is gone, which is an end too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Waits for its end, and says why it ended.
    pub async fn join(self) -> anyhow::Result<()> {
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        ended.map_err(|_| anyhow::anyhow!("the allocator panicked: an invariant is broken; see the messages above"))?
    }
}
