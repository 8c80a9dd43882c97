//! `quipu supervise SANDBOX`: the small process between an agent and one task. Started by agents.

use std::process::ExitCode;

use crate::cli;

/// Supervises the task of a sandbox to its end.
pub fn run(args: &cli::Supervise) -> anyhow::Result<ExitCode> {
    Ok(agent::supervisor::main(&args.sandbox))
}
