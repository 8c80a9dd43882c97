//! `quipu logs`: the output of a task, read through its agent.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use log_schema::TaskId;
use serde_json::{Value, json};

use super::{
    Context, Failure,
    piece::{NOT_KEPT, OUTPUT_LOST, Piece, Place},
    runtime, there,
    why::Subject,
};
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
  ) { offset nextOffset bytes incarnation end }
}";

/// What is asked about a job whose task is meant.
pub(crate) const JOB: &str = "query LogsJob($job: String!) { job(name: $job) { count } }";

/// How long `-f` waits for an agent that has no link to the gateway.
const AGENT_AWAY_MAX: Duration = Duration::from_secs(60);
/// How long it waits before it asks again.
const AGAIN: Duration = Duration::from_millis(200);

/// `quipu logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu logs web.0             all of its output that is kept
  quipu logs web               the same, if the job has one task
  quipu logs web.0 -f -n 20    the last lines, and more as it comes
  quipu logs web.0 --stderr    its standard error

Output is written byte by byte. If its start is not kept, standard error says where it begins. If bytes are
missing later, by rotation or because they could not be written, standard error says which, and the exit code
is 74.")]
pub(crate) struct Args {
    /// A task, such as web.0 or spark/t1, or a job that has one task.
    #[arg(value_name = "TASK|JOB")]
    task: Subject,
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
    let task = task(&args.task, context)?;
    let code = runtime()?.block_on(show(&task, args, context))?;
    Ok(ExitCode::from(code))
}

/// The task that is meant: of a job its only one.
fn task(subject: &Subject, context: &Context) -> anyhow::Result<TaskId> {
    let job = match subject {
        Subject::Task(task) => return Ok(task.clone()),
        Subject::Job(job) => job,
    };
    let mut data = context.client.query(JOB, json!({ "job": job }))?;
    let found = there(data["job"].take(), "job", job.as_str(), "quipu jobs --all")?;
    match found["count"].as_u64() {
        Some(1) => Ok(TaskId::new(format!("{job}.0"))?),
        count => {
            let count = count.unwrap_or_default();
            let hint = format!("name one of them, such as `quipu logs {job}.0`; `quipu ps {job} --all` lists them");
            Err(Failure::new(format!("job {job} has {count} tasks")).hint(hint).into())
        }
    }
}

async fn show(task: &TaskId, args: &Args, context: &Context) -> anyhow::Result<u8> {
    let mut socket = Socket::open(context.client.address(), context.client.principal(), None).await?;
    let mut feed = feed(task, args);
    socket.start(feed.clone()).await;
    let mut reading = Reading { place: None, is_whole: args.lines.is_none(), is_open: false, code: 0 };
    let mut away_since = None;
    loop {
        match socket.next().await? {
            Message::Item(_, data) => {
                away_since = None;
                (feed.resume)(&mut feed.variables, &data);
                reading.write(task, Piece::read(&data)?)?;
            }
            Message::Over(_) => return Ok(reading.code),
            // After a restart, a gateway is often back before the agents are.
            Message::Failed(_, error) if args.follow && error.code() == Some("AGENT_UNAVAILABLE") => {
                if away_since.is_none() {
                    output::notice(&format!("{error}; trying again"));
                }
                if away_since.get_or_insert_with(Instant::now).elapsed() > AGENT_AWAY_MAX {
                    return Err(error.into());
                }
                tokio::time::sleep(AGAIN).await;
                socket.start(feed.clone()).await;
            }
            Message::Failed(_, error) => return Err(error.into()),
        }
    }
}

/// How far the output was read, and what is to be said of it.
struct Reading {
    /// Absent before the first piece.
    place: Option<Place>,
    /// All that is kept is wanted, from its first byte on.
    is_whole: bool,
    /// The last line has no end yet.
    is_open: bool,
    code: u8,
}

impl Reading {
    fn write(&mut self, task: &TaskId, mut piece: Piece) -> std::io::Result<()> {
        let at = piece.offset;
        if self.is_whole && self.place.is_none() && at > 0 {
            output::notice(&format!("the output of {task} begins at byte {at}: the bytes before {NOT_KEPT}"));
        }
        if let Some(gap) = self.place.get_or_insert(Place(at)).take(&mut piece) {
            output::notice(&gap.notice("output", task.as_str()));
            self.code = OUTPUT_LOST;
            // The next line is whole: it does not continue the one that the gap cuts.
            if std::mem::take(&mut self.is_open) {
                output::write("\n")?;
            }
        }
        self.is_open = piece.bytes.last().map_or(self.is_open, |byte| *byte != b'\n');
        output::write_bytes(&piece.bytes)
    }
}

fn feed(task: &TaskId, args: &Args) -> Feed {
    let stream = if args.stderr { "STDERR" } else { "STDOUT" };
    let mut feed = log_feed(task.as_str(), stream, args.incarnation, Place::default());
    feed.variables["follow"] = json!(args.follow);
    if let Some(lines) = args.lines {
        feed.variables["tailLines"] = json!(lines);
        feed.variables["fromByte"] = Value::Null;
    }
    feed
}

/// The output of one run from a place on, and more as it comes.
pub(crate) fn log_feed(task: &str, stream: &str, incarnation: Option<u64>, Place(from): Place) -> Feed {
    let variables = json!({
        "task": task, "stream": stream, "incarnation": incarnation, "fromByte": from.to_string(), "tailLines": null,
        "follow": true,
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
        let mut feed = log_feed("web.0", "STDOUT", None, Place::default());
        feed.variables["tailLines"] = json!(5);
        let piece = json!({ "taskLog": { "offset": "0", "nextOffset": "812", "bytes": "4oCm", "incarnation": 7, "end": false } });
        (feed.resume)(&mut feed.variables, &piece);
        assert_eq!(feed.variables["fromByte"], "812");
        assert_eq!((&feed.variables["incarnation"], &feed.variables["tailLines"]), (&json!(7), &Value::Null));
    }
}
