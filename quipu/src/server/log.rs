//! `quipu log`: a log to a file or an archive, and from one; so a cell moves, and its history outlives a topic.

mod archive;
mod check;
mod copy;
pub(super) mod trim;

use std::process::ExitCode;

use command_log::file::Summary;

use crate::{
    cli::{self, LogAction},
    memory,
    output::{self, Format},
};

/// What was done.
struct Told {
    /// As in `appended 40 records`.
    did: &'static str,
    /// With how many records.
    records: u64,
    /// What the file or the archive holds now.
    whole: Summary,
}

/// Checks, copies, archives or trims a log.
pub fn run(args: &cli::LogCommand, format: Format) -> anyhow::Result<ExitCode> {
    memory::require_room()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let told = match &args.action {
            LogAction::Check(args) => return check::check(args, format).await,
            LogAction::Export(args) => copy::export(args).await?,
            LogAction::Import(args) => copy::import(args).await?,
            LogAction::Archive(args) => archive::archive(args).await?,
            LogAction::Trim(args) => trim::trim(args).await?,
        };
        show(&told, format)
    })
}

fn show(Told { did, records, whole }: &Told, format: Format) -> anyhow::Result<ExitCode> {
    let Summary { first, next, chain, .. } = *whole;
    let told = serde_json::json!({
        *did: records,
        "records": next.0 - first.0,
        "first": first,
        "next": next,
        "chain": chain.to_string(),
    });
    let noun = if *records == 1 { "record" } else { "records" };
    output::show(format, &told, || format!("{did} {records} {noun}\noffsets {first} to {next}\nchain {chain}\n"))?;
    Ok(ExitCode::SUCCESS)
}
