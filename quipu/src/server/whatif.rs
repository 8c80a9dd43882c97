//! `quipu whatif`: forks a cell's history, changes something, and shows both outcomes side by side.

use std::process::ExitCode;

use log_schema::{Offset, TimeMs};
use replay::{Changes, moment::Moment, whatif::render_table};

use super::{open_log, progress::Progress};
use crate::{
    cli,
    cli::parse::AtArg,
    exit::{Failure, one_line},
    memory, output,
};

/// Answers the question on a copy of the log; neither the cell nor an agent can notice.
pub fn run(args: &cli::Whatif, format: output::Format) -> anyhow::Result<ExitCode> {
    memory::require_room()?;
    let (moment, changes) = (moment(args.at.as_ref())?, changes(args)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let log = runtime.block_on(open_log::to_read(&args.place))?.log;
    let mut progress = Progress::new("read");
    let mut show = |at| progress.show(at);
    let comparison = runtime.block_on(replay::whatif(&*log, moment, &changes, &mut show))?;
    progress.done();
    output::show(format, &serde_json::to_value(&comparison)?, || render_table(&comparison))?;
    Ok(ExitCode::SUCCESS)
}

/// Where history forks; at its beginning, where nothing is said.
fn moment(at: Option<&AtArg>) -> anyhow::Result<Moment> {
    Ok(match at {
        None => Moment::Offset(Offset(0)),
        Some(AtArg::Offset(offset)) => Moment::Offset(*offset),
        Some(AtArg::Time(text)) => text.parse().map_err(|error| Failure::usage(one_line(&error)))?,
        Some(AtArg::Ago(millis)) => Moment::Time(TimeMs(command_log::wall_clock().0.saturating_sub(*millis))),
    })
}

fn changes(args: &cli::Whatif) -> anyhow::Result<Changes> {
    let mut changes = Changes::default();
    args.set.iter().try_for_each(|text| changes.add_set(text))?;
    args.add_agents.iter().try_for_each(|text| changes.add_agents(text))?;
    args.scale.iter().try_for_each(|text| changes.add_scale(text))?;
    changes.drop_agents = args.drop_agent.iter().cloned().collect();
    Ok(changes)
}
