//! `quipu agent`: one machine of a cell.

use std::{collections::BTreeMap, ffi::OsString, process::ExitCode};

use anyhow::Context;
use compact_str::CompactString;
use log_schema::{AgentId, Resources};
use tokio::sync::watch;

use super::{layout::PidFile, start_tracing, stop_on_signal};
use crate::cli;

/// How many ended tasks keep their sandboxes, and with them their output.
const ENDED_KEPT_MAX: usize = 1000;

/// Runs the agent until it is told to leave; tasks go on without it.
pub fn run(args: &cli::Agent) -> anyhow::Result<ExitCode> {
    start_tracing("info");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let config = runtime.block_on(async { config(args, stop_on_signal()?) })?;
    std::fs::create_dir_all(&args.dir).with_context(|| format!("could not make {}", args.dir.display()))?;
    let pid = PidFile::of_agent(&args.dir);
    pid.write(i32::try_from(std::process::id())?)?;
    runtime.block_on(agent::run(config))?;
    pid.remove();
    Ok(ExitCode::SUCCESS)
}

fn config(args: &cli::Agent, shutdown: watch::Receiver<bool>) -> anyhow::Result<agent::Config> {
    let resources: Option<Resources> = args.resources.as_deref().map(str::parse).transpose()?;
    Ok(agent::Config {
        id: args.id.as_deref().map_or_else(own_id, |id| Ok(AgentId::new(id)?))?,
        gateway_url: args.gateway.clone(),
        token: None,
        directory: args.dir.clone(),
        resources,
        attributes: attributes(&args.attributes)?,
        supervisor_command: vec![std::env::current_exe()?.into_os_string(), OsString::from("supervise")],
        output: agent::output::Kept::default(),
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
