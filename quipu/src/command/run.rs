//! `quipu run`: a command in the cell as if it ran here. Its output comes here, its exit code is ours.
//!
//! ```text
//!   submit ──> events of the job ──┬── a run begins ──> its output, both streams
//!                                  └── the job ended ──> what is left of the output, then exit
//! ```

mod console;

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use log_schema::{JobId, MiB, MilliCpu, MilliGpu, Resources, RoleName};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use self::console::{Console, Stream};
use super::{
    Asking, Context,
    follow::{self, Follow, News},
    logs::log_feed,
    runtime, stop, submit,
};
use crate::{
    cli::parse,
    client::{
        Client, Error,
        graphql::random_hex,
        socket::{Feed, FeedId, Message, Socket},
    },
    job::{Constraint, Job, Kind, Restart, RestartOn},
    output,
};

/// How long a gateway may be away before the job is left to itself.
const AWAY_MAX: Duration = Duration::from_secs(120);
/// How long output may still come when the job is over.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Output that is not there yet is asked for again after so long, so often.
const OUTPUT_AGAIN: Duration = Duration::from_millis(200);
const OUTPUT_ATTEMPTS_MAX: u32 = 50;
/// The exit code of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// `quipu run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu run -- echo hello
  quipu run --cpu 2 --mem 1Gi --name build -- make -j2
  quipu run -n 3 --env COLOUR=red -- sh -c 'echo $QUIPU_INDEX'
  quipu run --constraint zone=north --ports 1 --detach -- python3 -m http.server

It ends with the exit code of the command; with -n, of the first task that failed; 128 and the
number of the signal that ended it; 127 where it could not be started. Ctrl-C stops the job.")]
pub(crate) struct Args {
    /// How many tasks to run the command in.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// How much CPU one task needs: 2, 0.5 or 500m.
    #[arg(long, default_value = "0.5")]
    cpu: MilliCpu,
    /// How much memory one task needs: 512Mi or 2Gi.
    #[arg(long, default_value = "128Mi")]
    mem: MiB,
    /// How much GPU one task needs: 1 or 0.5.
    #[arg(long)]
    gpu: Option<MilliGpu>,
    /// How many ports one task needs; it finds them as PORT0, PORT1 … in its environment.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    ports: u16,
    /// An environment variable; may be given several times.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = parse::pair)]
    env: Vec<(String, String)>,
    /// The name of the job [default: one that is made from the command].
    #[arg(long, value_name = "JOB")]
    name: Option<JobId>,
    /// The role whose share is used.
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleName>,
    /// Where it may run, as in zone=north,south or zone!=north or ssd; may be given several times.
    #[arg(long, value_name = "CONSTRAINT")]
    constraint: Vec<Constraint>,
    /// How often a task that fails is started again.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    restarts: u32,
    /// Do not wait: print the name of the job and leave.
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    asking: Asking,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    pub(crate) argv: Vec<String>,
}

/// Runs a command in the cell.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let job = job(args);
    let answer = submit::submit(&context.client, &job, args.asking.key())?;
    if args.detach {
        output::show(context.format, &answer.payload, || format!("{}\n", job.name))?;
        return Ok(ExitCode::SUCCESS);
    }
    let since = answer.payload["repeats"].as_str().unwrap_or(answer.offset()).to_owned();
    let code = runtime()?.block_on(async { Session::open(&context.client, &job, since).await?.attend().await })?;
    Ok(ExitCode::from(code))
}

fn job(args: &Args) -> Job {
    let resources =
        Resources { cpu: args.cpu, mem: args.mem, gpu: args.gpu.unwrap_or_default(), ..Resources::default() };
    let (on, limit) = if args.restarts == 0 { (RestartOn::Never, 0) } else { (RestartOn::Failure, args.restarts) };
    Job {
        name: args.name.clone().unwrap_or_else(|| name_of(&args.argv)),
        kind: Kind::Batch,
        role: args.role.clone(),
        count: args.count,
        resources,
        ports: args.ports,
        command: args.argv.clone(),
        env: args.env.iter().cloned().collect(),
        directory: None,
        kill_grace_ms: None,
        constraints: args.constraint.clone(),
        restart: Some(Restart { on: Some(on), limit: Some(limit), ..Restart::default() }),
    }
}

/// `/usr/bin/wc.sh` is `wc-sh-` and six digits that nobody else has.
fn name_of(argv: &[String]) -> JobId {
    let program = argv.first().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
    let legal = program.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' });
    let word: String = legal.take(32).collect();
    let word = word.trim_matches('-');
    let word = if word.is_empty() { "run" } else { word };
    JobId::new(format!("{word}-{}", &random_hex()[..6])).expect("letters, digits and dashes make a legal name")
}

/// A stream of output that is listened to.
struct Listening {
    task: String,
    stream: Stream,
    incarnation: u64,
    attempts: u32,
}

/// One job that is attended to its end.
struct Session<'a> {
    client: &'a Client,
    job: &'a Job,
    socket: Socket,
    events: FeedId,
    follow: Follow,
    console: Console,
    listening: BTreeMap<FeedId, Listening>,
    /// Output that was not there yet, and when to ask again.
    later: Vec<(Instant, Listening)>,
    /// Tasks whose output was asked for and did not come, and why.
    missing: BTreeMap<String, String>,
    /// Until when output is waited for, once the job is over.
    drain_until: Option<Instant>,
    interrupted: bool,
}

impl<'a> Session<'a> {
    async fn open(client: &'a Client, job: &'a Job, since: String) -> Result<Self, Error> {
        let mut socket = Socket::open(client.address(), client.principal(), Some(AWAY_MAX)).await?;
        let variables = json!({ "since": since, "job": job.name });
        let events = socket.start(Feed { document: follow::EVENTS, variables, resume: super::events::resume }).await;
        Ok(Self {
            client,
            job,
            socket,
            events,
            follow: Follow::default(),
            console: Console::new(job.count > 1),
            listening: BTreeMap::new(),
            later: Vec::new(),
            missing: BTreeMap::new(),
            drain_until: None,
            interrupted: false,
        })
    }

    /// Listens until the job is over and its output is written; returns the exit code.
    async fn attend(mut self) -> anyhow::Result<u8> {
        while !self.is_done() {
            let alarm = self.later.iter().map(|(at, _)| *at).chain(self.drain_until).min();
            let alarm = alarm.unwrap_or_else(|| Instant::now() + DRAIN_MAX);
            tokio::select! {
                message = self.socket.next() => self.take(message?).await?,
                () = sleep_until(alarm) => self.ask_again().await,
                pressed = tokio::signal::ctrl_c() => {
                    pressed?;
                    if self.interrupt() {
                        return Ok(INTERRUPTED);
                    }
                }
            }
        }
        self.console.finish()?;
        for (task, why) in &self.missing {
            output::notice(&format!("the output of {task} is not to be had: {why}"));
        }
        self.tell_failures();
        Ok(if self.interrupted { INTERRUPTED } else { self.follow.exit_code() })
    }

    fn is_done(&self) -> bool {
        let nothing_left = self.listening.is_empty() && self.later.is_empty();
        self.drain_until.is_some_and(|until| nothing_left || Instant::now() >= until)
    }

    async fn take(&mut self, message: Message) -> anyhow::Result<()> {
        match message {
            Message::Item(id, data) if id == self.events => {
                for event in data["events"].as_array().into_iter().flatten() {
                    if let Some(news) = self.follow.take(event) {
                        self.hear(news).await;
                    }
                }
            }
            Message::Item(id, data) => {
                if let Some(listening) = self.listening.get(&id) {
                    self.missing.remove(&listening.task);
                    let text = data["taskLog"]["text"].as_str().unwrap_or_default();
                    self.console.write(&listening.task, listening.stream, text)?;
                }
            }
            Message::Failed(id, error) if id == self.events => return Err(error.into()),
            Message::Failed(id, error) => self.listen_later(id, &error),
            Message::Over(id) => {
                if let Some(listening) = self.listening.remove(&id) {
                    self.missing.remove(&listening.task);
                }
            }
        }
        Ok(())
    }

    async fn hear(&mut self, news: News) {
        match news {
            News::Output { task, incarnation } => {
                for stream in [Stream::Out, Stream::Err] {
                    self.listen(Listening { task: task.clone(), stream, incarnation, attempts: 0 }).await;
                }
            }
            News::Deferred(why) => output::progress(&format!("{}: {why}", self.job.name)),
            News::Placed { task, agent } if self.job.count > 1 => {
                output::progress(&format!("{task} is placed on {agent}"));
            }
            News::Placed { .. } => {}
            News::Over => self.drain_until = Some(Instant::now() + DRAIN_MAX),
        }
    }

    async fn listen(&mut self, listening: Listening) {
        let feed = log_feed(&listening.task, listening.stream.name(), Some(listening.incarnation));
        let id = self.socket.start(feed).await;
        self.listening.insert(id, listening);
    }

    /// What an agent or the rows do not know yet they will know soon.
    fn listen_later(&mut self, id: FeedId, error: &Error) {
        let Some(listening) = self.listening.remove(&id) else { return };
        self.missing.insert(listening.task.clone(), error.to_string());
        if listening.attempts == OUTPUT_ATTEMPTS_MAX {
            return;
        }
        let listening = Listening { attempts: listening.attempts + 1, ..listening };
        self.later.push((Instant::now() + OUTPUT_AGAIN, listening));
    }

    async fn ask_again(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Instant, Listening)> = due;
        for (_, listening) in due {
            self.listen(listening).await;
        }
    }

    /// The first Ctrl-C stops the job; the second one leaves at once.
    fn interrupt(&mut self) -> bool {
        if self.interrupted {
            return true;
        }
        self.interrupted = true;
        output::notice(&format!("stopping job {}; Ctrl-C again leaves without waiting for it", self.job.name));
        let (client, name) = (self.client.clone(), self.job.name.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = client.ask(stop::DOCUMENT, json!({ "job": name }), None) {
                output::notice(&format!("could not stop job {name}: {error}"));
            }
        });
        false
    }

    /// One command that fails by its own exit code has said all there is to say.
    fn tell_failures(&self) {
        let ended: Vec<_> = self.follow.failed().collect();
        if ended.is_empty() && self.follow.outcome() == Some("stopped") && !self.interrupted {
            output::notice(&format!("job {} was stopped", self.job.name));
        }
        for (index, end) in ended {
            if self.job.count > 1 || end.reason != "exited" {
                output::notice(&format!("task {}.{index} {}", self.job.name, end.words()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_after_its_program() {
        let name = |program: &str| name_of(&[program.into()]).to_string();
        assert!(name("/usr/bin/wc.sh").starts_with("wc-sh-"));
        assert!(name("...").starts_with("run-"));
        assert_ne!(name("echo"), name("echo"));
    }

    #[test]
    fn what_is_run_is_a_batch_job_that_is_not_started_again() {
        let cli = <crate::cli::Cli as clap::Parser>::try_parse_from([
            "quipu",
            "run",
            "-n",
            "2",
            "--cpu",
            "500m",
            "--constraint",
            "zone!=a",
            "-e",
            "A=b=c",
            "--",
            "echo",
            "-n",
            "x",
        ]);
        let crate::cli::Command::Run(args) = cli.expect("legal").command else { panic!("run") };
        let job = job(&args);
        assert_eq!(
            (job.kind, job.count, job.command.as_slice()),
            (Kind::Batch, 2, ["echo", "-n", "x"].map(String::from).as_slice())
        );
        assert_eq!((job.resources.to_string(), job.env["A"].as_str()), ("cpu=0.5 mem=128Mi".into(), "b=c"));
        assert_eq!(job.restart.and_then(|restart| restart.on), Some(RestartOn::Never));
    }
}
