//! `quipu agent`: one machine of a cell.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::Context;
use compact_str::CompactString;
use log_schema::{AgentId, Resources};
use tokio::sync::watch;

use super::{gateway, layout::PidFile, open_log, start_tracing, stop_on_signal};
use crate::cli;

/// How many ended tasks keep their sandboxes, and with them their output.
const ENDED_KEPT_MAX: usize = 1000;

/// A free port of this machine.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Runs the agent until it is told to leave; tasks go on without it.
pub fn run(args: &cli::Agent) -> anyhow::Result<ExitCode> {
    start_tracing("info");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    std::fs::create_dir_all(&args.dir).with_context(|| format!("could not make {}", args.dir.display()))?;
    let pid = PidFile::of_agent(&args.dir);
    pid.write(i32::try_from(std::process::id())?)?;
    runtime.block_on(work(args))?;
    pid.remove();
    Ok(ExitCode::SUCCESS)
}

/// Without a gateway to ask, the agent has one of its own, which nobody else uses.
async fn work(args: &cli::Agent) -> anyhow::Result<()> {
    let shutdown = stop_on_signal()?;
    let Some(log) = &args.log else {
        return Ok(::agent::run(config(args, args.gateway.clone(), shutdown)?).await?);
    };
    let place = open_log::configure(log.clone(), &args.options, false)?;
    let gateway = gateway::start(&place, &args.dir.join("gateway"), ANY_PORT).await?;
    let url = format!("http://{}", gateway.local_addr());
    ::agent::run(config(args, url, shutdown)?).await?;
    Ok(gateway.stop().await?)
}

fn config(args: &cli::Agent, gateway_url: String, shutdown: watch::Receiver<bool>) -> anyhow::Result<::agent::Config> {
    let resources: Option<Resources> = args.resources.as_deref().map(str::parse).transpose()?;
    Ok(::agent::Config {
        id: args.id.as_deref().map_or_else(own_id, |id| Ok(AgentId::new(id)?))?,
        gateway_url,
        token: None,
        directory: args.dir.clone(),
        resources,
        attributes: attributes(&args.attributes)?,
        supervisor_command: vec![std::env::current_exe()?.into_os_string(), OsString::from("supervise")],
        output: ::agent::output::Kept::default(),
        ended_kept_max: ENDED_KEPT_MAX,
        shutdown,
    })
}

/// The host's name, as far as an id may hold it.
pub(super) fn own_id() -> anyhow::Result<AgentId> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").context("could not read the host's name")?;
    let legal = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' };
    Ok(AgentId::new(name.trim().chars().map(legal).collect::<String>())?)
}

fn attributes(pairs: &[String]) -> anyhow::Result<BTreeMap<CompactString, CompactString>> {
    let parse = |pair: &String| {
        let (name, value) =
            pair.split_once('=').with_context(|| format!("{pair:?} is not NAME=VALUE, as in rack=r1"))?;
        Ok((name.into(), value.into()))
    };
    pairs.iter().map(parse).collect()
}
