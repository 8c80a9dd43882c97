//! `quipu logs`: the output of a task, read through its agent.

use std::process::ExitCode;

use log_schema::TaskId;
use serde_json::{Value, json};

use super::{Context, runtime};
use crate::{
    cli::parse,
    client::socket::{Feed, Message, Socket},
    output,
};

/// What is listened to.
pub(crate) const STREAM: &str = "
subscription TaskLog(
  $task: String!, $stream: OutputStream!, $incarnation: U64, $fromByte: Bytes, $tailLines: Int, $follow: Boolean!
) {
  taskLog(
    task: $task, stream: $stream, incarnation: $incarnation, fromByte: $fromByte, tailLines: $tailLines, follow: $follow
  ) { offset nextOffset text incarnation end }
}";

/// `quipu logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu logs web.0             all of its output that is kept
  quipu logs web.0 -f -n 20    the last lines, and more as it comes
  quipu logs web.0 --stderr    its standard error")]
pub(crate) struct Args {
    /// The task.
    task: TaskId,
    /// Show more as it comes, until the run has ended.
    #[arg(short, long)]
    follow: bool,
    /// Show standard error instead of standard output.
    #[arg(long)]
    stderr: bool,
    /// Show only the last lines.
    #[arg(short = 'n', long = "lines", value_name = "LINES")]
    #[arg(value_parser = parse::whole(0..=u32::MAX), allow_negative_numbers = true)]
    lines: Option<u32>,
    /// Which start of the task; the newest where none is named.
    #[arg(long, value_name = "NUMBER", value_parser = parse::whole(0..=u64::MAX), allow_negative_numbers = true)]
    incarnation: Option<u64>,
}

/// Shows output.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(show(args, context))?;
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut socket = Socket::open(context.client.address(), context.client.principal(), None).await?;
    socket.start(feed(args)).await;
    loop {
        match socket.next().await? {
            Message::Item(_, data) => output::write(data["taskLog"]["text"].as_str().unwrap_or_default())?,
            Message::Over(_) => return Ok(()),
            Message::Failed(_, error) => return Err(error.into()),
        }
    }
}

fn feed(args: &Args) -> Feed {
    let mut feed = log_feed(args.task.as_str(), if args.stderr { "STDERR" } else { "STDOUT" }, args.incarnation);
    feed.variables["follow"] = json!(args.follow);
    if let Some(lines) = args.lines {
        feed.variables["tailLines"] = json!(lines);
        feed.variables["fromByte"] = Value::Null;
    }
    feed
}

/// The whole output of one run, and more as it comes.
pub(crate) fn log_feed(task: &str, stream: &str, incarnation: Option<u64>) -> Feed {
    let variables = json!({
        "task": task, "stream": stream, "incarnation": incarnation, "fromByte": "0", "tailLines": null, "follow": true,
    });
    Feed { document: STREAM, variables, resume }
}

/// Goes on behind the last piece, in the same run.
fn resume(variables: &mut Value, data: &Value) {
    let piece = &data["taskLog"];
    variables["fromByte"] = piece["nextOffset"].clone();
    variables["incarnation"] = piece["incarnation"].clone();
    variables["tailLines"] = Value::Null;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_goes_on_behind_the_last_piece_of_the_same_run() {
        let mut feed = log_feed("web.0", "STDOUT", None);
        feed.variables["tailLines"] = json!(5);
        let piece =
            json!({ "taskLog": { "offset": "0", "nextOffset": "812", "text": "…", "incarnation": 7, "end": false } });
        (feed.resume)(&mut feed.variables, &piece);
        assert_eq!(feed.variables["fromByte"], "812");
        assert_eq!((&feed.variables["incarnation"], &feed.variables["tailLines"]), (&json!(7), &Value::Null));
    }
}
