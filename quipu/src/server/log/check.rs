//! `quipu log check`: reads all of a log, and says whether every record is there and as it was written.
//!
//! Decides nothing again: that is what `quipu audit verify` does, and takes longer for.

use std::process::ExitCode;

use anyhow::Context;
use command_log::{Log, reader::Reader};
use log_schema::{Chain, Offset};
use replay::View;

use crate::{
    cli,
    output::{self, Format},
    server::{
        open_log::{self, ToRead},
        progress::Progress,
    },
};

/// What was read.
struct Checked {
    low: Offset,
    high: Offset,
    bytes: u64,
    /// The chain at the end, where the log could be read from its beginning.
    chain: Option<Chain>,
}

/// Checks a log, of a cell that runs or not.
pub(super) async fn check(args: &cli::Check, format: Format) -> anyhow::Result<ExitCode> {
    let ToRead { log, not_seen } = open_log::to_read(&args.place).await?;
    let Checked { low, high, bytes, chain } = read(&*log).await?;
    let mut limits = vec![not_seen];
    if low > Offset(0) {
        limits
            .push(format!("what is below offset {low} was trimmed: name its archive with --archive to check that too"));
    }
    let records = high.0 - low.0;
    let chain = chain.map(|chain| chain.to_string());
    let told = serde_json::json!({
        "records": records, "first": low, "next": high, "bytes": bytes, "chain": chain, "not_seen": limits,
    });
    output::show(format, &told, || {
        let chain = chain.iter().map(|chain| format!("chain {chain}\n"));
        let limits = limits.iter().map(|what| format!("not seen: {what}\n"));
        let all: String = chain.chain(limits).collect();
        format!("checked {records} records: every one is there, as it was written\noffsets {low} to {high}\n{all}")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Reads every record. The reader rule compares the chain with the one that each decision states.
async fn read(log: &dyn Log) -> anyhow::Result<Checked> {
    let view = View::open(log).await?;
    let (low, high) = (view.low(), view.high());
    let mut reader = (low == Offset(0)).then(Reader::new);
    let (mut bytes, mut next) = (0, low);
    let mut progress = Progress::new("checked");
    let mut show = |at| progress.show(at);
    let read = view.for_each(&mut show, |stored| -> anyhow::Result<()> {
        bytes += stored.record.payload.len() as u64;
        if let Some(reader) = &mut reader {
            reader.judge(&stored)?;
        }
        next = stored.offset.next();
        Ok(())
    });
    read.await.with_context(|| format!("the log is good up to offset {next}, and not from there on"))?;
    progress.done();
    Ok(Checked { low, high, bytes, chain: reader.map(|reader| reader.chain()) })
}
