//! One job that is attended from its submission to its end: the loop that listens and writes.

use std::time::Duration;

use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    console::{Console, Stream},
    outputs::{Outputs, Wanted},
    signals::{Ending, Signals},
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
        piece::{OUTPUT_LOST, Piece},
        stop,
        waits::Waits,
    },
    job::Job,
    output,
};

/// How long a gateway may be away before the job is left to itself.
const AWAY_MAX: Duration = Duration::from_secs(120);
/// How long it is listened without looking up.
const LISTEN_MAX: Duration = Duration::from_secs(10);
/// How long the stop of the job may take to be asked for when this program ends at once.
const STOP_ASK_MAX: Duration = Duration::from_secs(10);

/// One job that is attended to its end.
pub(super) struct Session<'a> {
    client: &'a Client,
    job: &'a Job,
    socket: Socket,
    events: FeedId,
    follow: Follow,
    console: Console,
    outputs: Outputs,
    /// Some output is not kept.
    is_output_lost: bool,
    signals: Signals,
    waits: Waits,
    /// Which signal came first, if one did, and the request to stop the job.
    interrupted: Option<(Ending, JoinHandle<()>)>,
}

impl<'a> Session<'a> {
    /// Listens to the events of a job, from an offset on.
    pub async fn open(client: &'a Client, job: &'a Job, since: String, signals: Signals) -> Result<Self, Error> {
        let mut socket = Socket::open(client.address(), client.principal(), Some(AWAY_MAX)).await?;
        let variables = json!({ "since": since, "job": job.name });
        let events = socket.start(Feed { document: follow::EVENTS, variables, resume: events::resume }).await;
        let (follow, console) = (Follow::default(), Console::new(job.count > 1));
        let waits = Waits::new(job.name.as_str(), Instant::now());
        Ok(Self {
            client,
            job,
            socket,
            events,
            follow,
            console,
            outputs: Outputs::default(),
            is_output_lost: false,
            signals,
            waits,
            interrupted: None,
        })
    }

    /// Listens until the job is over and its output is written; returns the exit code.
    pub async fn attend(mut self) -> anyhow::Result<u8> {
        let ended = self.attend_to_the_end().await;
        // With the terminal gone, the output may fail before the stop is asked for.
        if let (Err(_), Some((_, stop))) = (&ended, self.interrupted) {
            let _ = timeout(STOP_ASK_MAX, stop).await;
        }
        ended
    }

    async fn attend_to_the_end(&mut self) -> anyhow::Result<u8> {
        while !self.outputs.is_done(Instant::now()) {
            let alarm = self.outputs.next_alarm().into_iter().chain(self.waits.due()).min();
            let alarm = alarm.unwrap_or_else(|| Instant::now() + LISTEN_MAX);
            tokio::select! {
                message = self.socket.next() => self.take(message?).await?,
                () = sleep_until(alarm) => {
                    self.waits.say(Instant::now()).iter().for_each(|words| output::notice(words));
                    self.ask_again().await;
                }
                ending = self.signals.next() => {
                    if let Some(code) = self.interrupt(ending) {
                        return Ok(code);
                    }
                }
            }
        }
        self.console.finish()?;
        self.outputs.untold().for_each(|missing| output::notice(&missing));
        self.tell_failures();
        let is_output_lost = self.is_output_lost || self.outputs.is_any_missing();
        Ok(match (&self.interrupted, self.follow.exit_code()) {
            (Some((ending, _)), _) => ending.exit_code(),
            (None, 0) if is_output_lost => OUTPUT_LOST,
            (None, code) => code,
        })
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
                    let mut piece = Piece::read(&data)?;
                    if let Some(gap) = wanted.place.take(&mut piece) {
                        output::notice(&gap.notice(wanted.stream.word(), &wanted.task));
                        self.is_output_lost = true;
                        self.console.cut(&wanted.task, wanted.stream)?;
                    }
                    self.console.write(&wanted.task, wanted.stream, &piece.bytes)?;
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
            News::Deferred(why) => self.waits.deferred(why, Instant::now()),
            News::Placed { task, agent } => {
                self.waits.placed();
                if self.job.count > 1 {
                    output::progress(&format!("{task} is placed on {agent}"));
                }
            }
            News::Over => {
                self.waits.placed();
                self.outputs.job_is_over(Instant::now());
            }
        }
    }

    async fn listen(&mut self, wanted: Wanted) {
        let feed = log_feed(&wanted.task, wanted.stream.name(), Some(wanted.incarnation), wanted.place);
        let id = self.socket.start(feed).await;
        self.outputs.began(id, wanted);
    }

    async fn ask_again(&mut self) {
        for wanted in self.outputs.due(Instant::now()) {
            self.listen(wanted).await;
        }
    }

    /// The first signal stops the job; with the second one, the exit code is due at once.
    fn interrupt(&mut self, ending: Ending) -> Option<u8> {
        if self.interrupted.is_some() {
            output::notice(&format!("job {} may run on; `quipu why {0}` tells", self.job.name));
            return Some(ending.exit_code());
        }
        let name = ending.name;
        output::notice(&format!("{name}: stopping job {}; a second one leaves without waiting for it", self.job.name));
        let (client, name) = (self.client.clone(), self.job.name.clone());
        let stop = tokio::task::spawn_blocking(move || {
            if let Err(error) = client.ask(stop::DOCUMENT, json!({ "job": name }), None) {
                output::notice(&format!("could not stop job {name}, which may run on: {error}"));
            }
        });
        self.interrupted = Some((ending, stop));
        None
    }

    /// One command that fails by its own exit code has said all there is to say.
    fn tell_failures(&self) {
        let ended: Vec<_> = self.follow.failed().collect();
        if ended.is_empty() && self.follow.outcome() == Some("stopped") && self.interrupted.is_none() {
            output::notice(&format!("job {} was stopped", self.job.name));
        }
        for (index, end) in ended {
            if self.job.count > 1 || end.reason != "exited" {
                output::notice(&format!("task {}.{index} {}", self.job.name, end.words()));
            }
        }
    }
}
