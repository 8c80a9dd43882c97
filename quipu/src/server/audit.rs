//! `quipu audit verify`: decides the whole log again and compares every byte.

use std::process::ExitCode;

use allocator::leader::checkpoint::{self, Signed};
use log_schema::Offset;
use replay::{Report, finding::Finding};

use super::{
    layout::Layout,
    open_log::{self, Place, ToRead},
    progress::Progress,
};
use crate::{
    cli,
    exit::{Code, Failure},
    memory, output,
};

/// Verifies the log of a cell, stopped or running.
pub fn verify(args: &cli::Verify, format: output::Format) -> anyhow::Result<ExitCode> {
    memory::require_room()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Read before the log is: a cell that runs may sign more than the log that is opened then holds.
    let signed = checkpoints(args)?;
    let ToRead { log, not_seen } = runtime.block_on(open_log::to_read(&args.place))?;
    let mut progress = Progress::new("verified");
    let report = runtime.block_on(replay::verify_against(&*log, &signed, &args.keys, &mut |at| progress.show(at)))?;
    progress.done();
    let not_seen = limits(&report, &signed, not_seen);
    let mut told = serde_json::to_value(&report)?;
    told["not_seen"] = serde_json::json!(not_seen);
    output::show(format, &told, || describe(&report, &not_seen))?;
    Ok(if report.holds() { ExitCode::SUCCESS } else { Code::Failed.into() })
}

/// The checkpoints of the cell's own directory, or of the one that was named.
fn checkpoints(args: &cli::Verify) -> anyhow::Result<Vec<Signed>> {
    let directory = match (&args.checkpoints, open_log::place(&args.place, false)?) {
        (Some(directory), _) => directory.clone(),
        (None, Place::Directory(root)) => Layout::new(root).snapshots(),
        (None, Place::Kafka(_)) if args.keys.is_empty() => return Ok(Vec::new()),
        (None, Place::Kafka(_)) => {
            let what = "--key says who must have signed the checkpoints, and there are none beside a log in Kafka";
            return Err(Failure::usage(what).hint("name an allocator's with --checkpoints DIR").into());
        }
    };
    let signed = checkpoint::read_all(&directory)?;
    // A cell has none in its first hours. A key says that there must be some; a directory that is not there is a slip.
    let is_demanded = !args.keys.is_empty() || args.checkpoints.is_some() && !directory.is_dir();
    if signed.is_empty() && is_demanded {
        let hint = "an allocator keeps them in the directory `snapshots` of its own, once it has stopped well or decided \
                    200000 records";
        return Err(Failure::usage(format!("there is no checkpoint in {}", directory.display())).hint(hint).into());
    }
    Ok(signed)
}

/// What this audit could not see.
fn limits(report: &replay::Report, signed: &[Signed], of_log: String) -> Vec<String> {
    let mut not_seen = vec![of_log];
    let compared_to = signed.last().map_or(Offset(0), |last| last.checkpoint.at.next());
    if compared_to < report.high {
        not_seen.push(match signed.len() {
            0 => "there is no signed checkpoint to compare with yet: another log in the place of this one would pass"
                .into(),
            _ => format!("no checkpoint is signed yet of what follows offset {compared_to}"),
        });
    }
    not_seen
}

fn describe(report: &replay::Report, not_seen: &[String]) -> String {
    let Report { records, commands, epochs, decisions, answers, refusals, .. } = report;
    let mut lines = vec![
        format!("{records} records: {commands} commands, {epochs} epochs, {decisions} decisions"),
        format!("{answers} answers made again, {refusals} of them refusals"),
        format!(
            "void: {} epochs, {} decisions; duplicates: {}; waiting for an answer: {}",
            report.epochs_void, report.decisions_void, report.decisions_duplicate, report.undecided
        ),
        format!("signed checkpoints that hold: {}{}", report.checkpoints, signers(report)),
        format!("chain {}", report.chain),
        format!("state {}", report.state_digest),
    ];
    match &report.finding {
        None => lines.push("the log holds: every decision follows from the commands before it, byte for byte".into()),
        Some(finding) => lines.extend(describe_finding(finding)),
    }
    lines.extend(not_seen.iter().map(|what| format!("not seen: {what}")));
    lines.join("\n") + "\n"
}

/// Who signed the checkpoints: an auditor compares it with the key that he was told.
fn signers(report: &replay::Report) -> String {
    report.checkpoint_keys.iter().map(|key| format!("\n  signed by {key}")).collect()
}

fn describe_finding(finding: &Finding) -> Vec<String> {
    let difference = finding.difference.as_ref().map(serde_json::to_string_pretty);
    let mut lines = vec![format!("THE LOG DOES NOT HOLD at offset {}: {}", finding.at, finding.message)];
    lines.extend(difference.and_then(Result::ok));
    lines.push(format!("hint: {}", finding.hint));
    lines
}
