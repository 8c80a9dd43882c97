//! `quipu supervise SANDBOX`: the small process between an agent and one task. Started by agents.

use std::process::ExitCode;

use crate::cli;

/// Supervises the task of a sandbox to its end.
#[expect(clippy::unnecessary_wraps, reason = "every command of the program has one signature")]
pub fn run(args: &cli::Supervise) -> anyhow::Result<ExitCode> {
    Ok(agent::supervisor::main(&args.sandbox))
}
