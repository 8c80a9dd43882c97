//! Quipu's one binary, and the only place that wires its parts together.
//!
//! ```text
//!   cli (what was asked) ──┬── command::*  ──> client ──> a gateway         everyday use
//!                          └── server::*   ──> log, allocator, gateway, agent   parts of a cell, here
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic if the reader has gone; `output` does not")]

mod cli;
mod client;
mod command;
mod duration;
mod exit;
mod job;
mod job_file;
mod memory;
mod output;
mod server;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    cli::{AuditAction, Cli, Command},
    command::Context,
};

fn main() -> ExitCode {
    memory::explain_uncaught();
    exit::conclude(dispatch(&Cli::parse()))
}

fn dispatch(cli: &Cli) -> anyhow::Result<ExitCode> {
    let context = || Context::new(&cli.global);
    match &cli.command {
        Command::Up(args) => server::up::run(args),
        Command::Down(args) => server::down::run(args),
        Command::Agent(args) => server::agent::run(args),
        Command::Allocator(args) => server::allocator::run(args),
        Command::Gateway(args) => server::gateway::run(args),
        Command::Log(args) => server::log::run(args, cli.global.output),
        Command::Supervise(args) => server::supervise::run(args),
        Command::Audit(args) => match &args.action {
            AuditAction::Verify(args) => server::audit::verify(args, cli.global.output),
        },
        Command::Whatif(args) => server::whatif::run(args, cli.global.output),
        Command::Completions(args) => command::completions::run(args),

        Command::Run(args) => command::run::run(args, &context()?),
        Command::Submit(args) => command::submit::run(args, &context()?),
        Command::Stop(args) => command::stop::run(args, &context()?),
        Command::Scale(args) => command::scale::run(args, &context()?),
        Command::Kill(args) => command::kill::run(args, &context()?),
        Command::Restart(args) => command::restart::run(args, &context()?),
        Command::Ps(args) => command::ps::run(args, &context()?),
        Command::Jobs(args) => command::jobs::run(args, &context()?),
        Command::Job(args) => command::job::run(args, &context()?),
        Command::Logs(args) => command::logs::run(args, &context()?),
        Command::Why(args) => command::why::run(args, &context()?),
        Command::Events(args) => command::events::run(args, &context()?),
        Command::Refusals(args) => command::refusals::run(args, &context()?),
        Command::Agents(args) => command::agents::run(args, &context()?),
        Command::RemoveAgent(args) => command::remove_agent::run(args, &context()?),
        Command::Offers(args) => command::offers::run(args, &context()?),
        Command::Frameworks(args) => command::frameworks::run(args, &context()?),
        Command::Roles(args) => command::roles::run(args, &context()?),
        Command::Role(args) => command::role::run(args, &context()?),
        Command::Parameters(args) => command::parameters::run(args, &context()?),
        Command::Cell(args) => command::cell::run(args, &context()?),
    }
}
