//! `quipu gateway`: serves clients and agents from projections of its own.

use std::{fs, net::SocketAddr, path::Path, process::ExitCode, sync::Arc};

use ::gateway::{Config, RunningGateway, serve};
use anyhow::Context;
use command_log::kafka::{self, KafkaTelemetry};

use super::{layout::Layout, let_go_of_what_was_inherited, open_log, run_to_end, start_tracing, stop_on_signal};
use crate::{
    cli::{self, server::KafkaOptions},
    memory, output,
};

/// Runs a gateway until it is told to stop.
pub fn run(args: &cli::Gateway) -> anyhow::Result<ExitCode> {
    let_go_of_what_was_inherited()?;
    start_tracing("info");
    memory::require_room()?;
    run_to_end(serve_until_stopped(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve_until_stopped(args: &cli::Gateway) -> anyhow::Result<()> {
    let mut stop = stop_on_signal()?;
    let place = open_log::configure(args.log.log.clone(), &args.log.options, true)?;
    let gateway = start(&place, &args.log.options, &args.dir, args.listen, args.history.history.0).await?;
    let url = format!("http://{}", gateway.local_addr());
    Layout::new(&args.dir).write_gateway_url(&url)?;
    output::say(&format!("gateway of {place}: {url}/graphql"));
    tokio::select! {
        _ = stop.wait_for(|stopped| *stopped) => gateway.stop().await.context("the gateway halted"),
        halted = gateway.halted() => Err(halted).context("the gateway halted"),
    }
}

/// Starts a gateway of a log in Kafka, with its projections below a directory.
pub(super) async fn start(
    place: &kafka::Config,
    options: &KafkaOptions,
    dir: &Path,
    listen: SocketAddr,
    retention_ms: Option<u64>,
) -> anyhow::Result<RunningGateway> {
    fs::create_dir_all(dir).with_context(|| format!("could not make {}", dir.display()))?;
    let log = open_log::shared(place, options).await?;
    let telemetry = Arc::new(KafkaTelemetry::open(place).await?);
    let mut config = Config::new(log, telemetry, Layout::new(dir).projections());
    config.listen = listen;
    config.retention_ms = retention_ms;
    place.cell().clone_into(&mut config.cell);
    serve(config).await.context("could not start the gateway")
}
