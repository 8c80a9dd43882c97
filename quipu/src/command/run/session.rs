//! One job that is attended from its submission to its end: the loop that listens and writes.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    console::{Console, Stream},
    outputs::{Outputs, Wanted},
};
use crate::{
    client::{
        Client, Error,
        socket::{Feed, FeedId, Message, Socket},
    },
    command::{
        events,
        follow::{self, Follow, News},
        logs::log_feed,
        stop,
    },
    job::Job,
    output,
};

/// How long a gateway may be away before the job is left to itself.
const AWAY_MAX: Duration = Duration::from_secs(120);
/// How long it is listened without looking up.
const LISTEN_MAX: Duration = Duration::from_secs(10);
/// The exit code of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// One job that is attended to its end.
pub(super) struct Session<'a> {
    client: &'a Client,
    job: &'a Job,
    socket: Socket,
    events: FeedId,
    follow: Follow,
    console: Console,
    outputs: Outputs,
    interrupted: bool,
}

impl<'a> Session<'a> {
    /// Listens to the events of a job, from an offset on.
    pub async fn open(client: &'a Client, job: &'a Job, since: String) -> Result<Self, Error> {
        let mut socket = Socket::open(client.address(), client.principal(), Some(AWAY_MAX)).await?;
        let variables = json!({ "since": since, "job": job.name });
        let events = socket.start(Feed { document: follow::EVENTS, variables, resume: events::resume }).await;
        let (follow, console) = (Follow::default(), Console::new(job.count > 1));
        Ok(Self { client, job, socket, events, follow, console, outputs: Outputs::default(), interrupted: false })
    }

    /// Listens until the job is over and its output is written; returns the exit code.
    pub async fn attend(mut self) -> anyhow::Result<u8> {
        while !self.outputs.is_done(Instant::now()) {
            let alarm = self.outputs.next_alarm().unwrap_or_else(|| Instant::now() + LISTEN_MAX);
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
        self.outputs.untold().for_each(|missing| output::notice(&missing));
        self.tell_failures();
        Ok(if self.interrupted { INTERRUPTED } else { self.follow.exit_code() })
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
                if let Some(wanted) = self.outputs.came(id) {
                    let text = data["taskLog"]["text"].as_str().unwrap_or_default();
                    self.console.write(&wanted.task, wanted.stream, text)?;
                }
            }
            Message::Failed(id, error) if id == self.events => return Err(error.into()),
            Message::Failed(id, error) => {
                self.outputs.failed(id, &error, Instant::now()).iter().for_each(|news| output::notice(news));
            }
            Message::Over(id) => self.outputs.ended(id),
        }
        Ok(())
    }

    async fn hear(&mut self, news: News) {
        match news {
            News::Output { task, incarnation } => {
                for stream in [Stream::Out, Stream::Err] {
                    self.listen(Wanted::new(task.clone(), stream, incarnation)).await;
                }
            }
            News::Deferred(why) => output::progress(&format!("{}: {why}", self.job.name)),
            News::Placed { task, agent } if self.job.count > 1 => {
                output::progress(&format!("{task} is placed on {agent}"));
            }
            News::Placed { .. } => {}
            News::Over => self.outputs.job_is_over(Instant::now()),
        }
    }

    async fn listen(&mut self, wanted: Wanted) {
        let feed = log_feed(&wanted.task, wanted.stream.name(), Some(wanted.incarnation));
        let id = self.socket.start(feed).await;
        self.outputs.began(id, wanted);
    }

    async fn ask_again(&mut self) {
        for wanted in self.outputs.due(Instant::now()) {
            self.listen(wanted).await;
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
