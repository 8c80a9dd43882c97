//! `quipu up`: a cell on one machine.
//!
//! The control plane is this process; the agent is another one, and every task has its supervisor.
//! When this process ends, in whatever way, agent and tasks go on, and the next `quipu up` on the
//! same directory takes up where the log ends.

use std::{fs, net::SocketAddr, process::ExitCode};

use anyhow::Context;

use super::{
    allocator::silence, layout::Layout, let_go_of_what_was_inherited, local_agent, local_agent::LocalAgent,
    plane::Plane, start_tracing, stop_on_signal,
};
use crate::{cli, memory, output};

/// Runs the cell until it is told to stop.
pub fn run(args: &cli::Up) -> anyhow::Result<ExitCode> {
    let_go_of_what_was_inherited()?;
    start_tracing("info");
    memory::require_room()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(up(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn up(args: &cli::Up) -> anyhow::Result<()> {
    let mut stop = stop_on_signal()?;
    let layout = Layout::new(&args.dir);
    fs::create_dir_all(layout.root()).with_context(|| format!("could not make {}", layout.root().display()))?;
    if !args.no_agent {
        local_agent::check_id(&layout, args.agent_id.as_deref())?;
    }
    let silence = silence(args.agent_silent_ms);
    let archive = args.archive.as_deref();
    let (listen, history) = (listen_address(args.listen, &layout), args.history.history.0);
    let plane = Plane::start(&layout, listen, silence, archive, history).await?;
    let url = format!("http://{}", plane.address());
    layout.write_gateway_url(&url)?;

    let agent = LocalAgent {
        layout: layout.clone(),
        gateway_url: url.clone(),
        id: args.agent_id.clone(),
        resources: args.agent_resources.clone(),
    };
    // Up is what leads: a log or a snapshot that cannot be used is refused before that is said, and before an agent starts.
    let serve = async {
        plane.leads().await?;
        tell_where(&url, &layout);
        if args.no_agent { std::future::pending().await } else { agent.keep().await }
    };
    // In this order, so that a cell that is broken when it is told to stop ends with an error all the same.
    let ended = tokio::select! {
        biased;
        broken = plane.broken() => Err(broken),
        _ = stop.wait_for(|stopped| *stopped) => Ok(()),
        never = plane.obey() => match never {},
        failed = serve => failed,
    };
    let stopped = plane.stop().await;
    layout.control_pid().remove();
    // What ended the leader says more than that it has ended.
    stopped.and(ended)?;
    output::notice(
        "stopped. Tasks and their agent go on; `quipu up` takes the cell up again, `quipu down` ends the agent.",
    );
    Ok(())
}

/// With port 0 the cell keeps the port that it had before, so that its agent finds it again.
fn listen_address(asked: SocketAddr, layout: &Layout) -> SocketAddr {
    let before = fs::read_to_string(layout.gateway_url()).ok();
    let before = before.and_then(|url| url.trim().strip_prefix("http://")?.parse::<SocketAddr>().ok());
    match before {
        Some(before) if asked.port() == 0 && std::net::TcpListener::bind(before).is_ok() => before,
        _ => asked,
    }
}

fn tell_where(url: &str, layout: &Layout) {
    output::say(&format!("quipu is up: {url}/graphql   (directory {})", layout.root().display()));
    output::say(&format!("next: quipu --gateway {url} run -- echo hello"));
}
