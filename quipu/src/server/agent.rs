//! `quipu agent`: one machine of a cell.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitCode,
};

use ::gateway::RunningGateway;
use anyhow::Context;
use compact_str::CompactString;
use log_schema::{AgentId, Resources};
use tokio::sync::watch;

use super::{
    gateway,
    layout::{Layout, PidFile},
    let_go_of_what_was_inherited, open_log, run_to_end, start_tracing, stop_on_signal,
};
use crate::{cli, exit::Failure};

/// How many ended tasks keep their sandboxes, and with them their output.
const ENDED_KEPT_MAX: usize = 1000;

/// For how long the agent's own gateway keeps the past, which nobody asks it for.
const HISTORY_MS: u64 = 60 * 60 * 1000;

/// A free port of this machine.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Runs the agent until it is told to leave; tasks go on without it.
pub fn run(args: &cli::Agent) -> anyhow::Result<ExitCode> {
    let_go_of_what_was_inherited()?;
    start_tracing("info");
    std::fs::create_dir_all(&args.dir).with_context(|| format!("could not make {}", args.dir.display()))?;
    let pid = PidFile::of_agent(&args.dir);
    if let Some(other) = pid.running() {
        let what = format!("an agent works in {} already: process {other}", args.dir.display());
        return Err(Failure::new(what).hint("end that one first, or use another directory").into());
    }
    if let Err(error) = pid.write(i32::try_from(std::process::id())?) {
        // A full disk: the tasks that run need their agent more than the agent needs to be found by its number.
        tracing::warn!(error = &error as &dyn std::error::Error, "could not note which process this agent is");
    }
    let ended = run_to_end(work(args));
    pid.remove();
    ended.map(|()| ExitCode::SUCCESS)
}

/// Without a gateway to ask, the agent has one of its own, which nobody else uses.
async fn work(args: &cli::Agent) -> anyhow::Result<()> {
    let shutdown = stop_on_signal()?;
    let Some(log) = &args.log else {
        return Ok(::agent::run(config(args, args.gateway.clone(), shutdown)?).await?);
    };
    let place = open_log::configure(log.clone(), &args.options, false)?;
    let gateway = gateway::start(&place, &args.options, &args.dir.join("gateway"), ANY_PORT, Some(HISTORY_MS)).await?;
    let url = format!("http://{}", gateway.local_addr());
    let config = config(args, url, shutdown)?;
    beside(gateway, async { Ok(::agent::run(config).await?) }).await
}

/// Works beside a gateway of its own, and ends with it: an agent whose gateway reads no further would
/// hear of nothing any more, and go on as if nothing happened.
async fn beside(gateway: RunningGateway, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::select! {
        worked = work => worked?,
        halted = gateway.halted() => return Err(halted).context("the agent's own gateway halted"),
    }
    Ok(gateway.stop().await?)
}

fn config(args: &cli::Agent, gateway_url: String, shutdown: watch::Receiver<bool>) -> anyhow::Result<::agent::Config> {
    let resources: Option<Resources> = args.resources.as_deref().map(str::parse).transpose()?;
    Ok(::agent::Config {
        id: id(args.id.as_deref(), &args.dir)?,
        gateway_url,
        gateway_url_file: args.cell.as_ref().map(|cell| Layout::new(cell).gateway_url()),
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

/// The name that is asked for; else that of the directory, which a host keeps when it gets another name.
pub(super) fn id(asked: Option<&str>, directory: &Path) -> anyhow::Result<AgentId> {
    match (asked, ::agent::identity::owner(directory)?) {
        (Some(asked), _) => Ok(AgentId::new(asked)?),
        (None, Some(owner)) => Ok(owner),
        (None, None) => own_id(),
    }
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use command_log::{Log, memory::MemoryLog, telemetry::InProcess};
    use log_schema::{Kind, Record};

    use super::*;

    /// Long enough for any machine; nothing waits this long unless it is broken.
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn gateway_of(log: Arc<MemoryLog>, dir: &std::path::Path) -> RunningGateway {
        ::gateway::serve(::gateway::Config::new(log, Arc::new(InProcess::default()), dir)).await.expect("it serves")
    }

    #[tokio::test]
    async fn an_agent_ends_when_its_own_gateway_can_read_no_further() {
        let (log, dir) = (Arc::new(MemoryLog::new()), tempfile::tempdir().expect("a directory"));
        let gateway = gateway_of(Arc::clone(&log), dir.path()).await;
        let of_the_future = Record { kind: u16::MAX, ..Record::v1(Kind::Tick, b"\x80".as_slice()) };
        log.append(vec![of_the_future]).await.expect("a memory log takes it");
        let ended = tokio::time::timeout(PATIENCE, beside(gateway, std::future::pending())).await;
        let error = ended.expect("it ends in time").expect_err("with an error");
        assert_eq!(error.to_string(), "the agent's own gateway halted");
        assert!(error.chain().count() > 1, "{error:#}");
    }

    #[tokio::test]
    async fn a_gateway_is_stopped_when_its_agent_has_left() {
        let (log, dir) = (Arc::new(MemoryLog::new()), tempfile::tempdir().expect("a directory"));
        for _ in 0..2 {
            // Its projections are let go: another one can have them.
            let gateway = gateway_of(Arc::clone(&log), dir.path()).await;
            beside(gateway, async { Ok(()) }).await.expect("it left well");
        }
    }
}
