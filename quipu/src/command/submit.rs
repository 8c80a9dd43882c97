//! `quipu submit`: submits the jobs of a file, and waits for them if asked.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{Asking, Context, count, jobs::counts, runtime, waits::Waits, why::reason};
use crate::{
    client::{
        Answer, Client,
        graphql::key_made,
        socket::{Feed, Message, Socket},
    },
    duration,
    exit::{Code, Failure},
    job::{Job, Kind},
    job_file,
    output::{self, Node},
};

/// What is asked for.
pub(crate) const DOCUMENT: &str = "
mutation Submit($input: SubmitJobInput!) {
  submitJob(input: $input) {
    offset decisionOffset key repeats userErrors { number code message details }
    job { name state count resources { text } missingResources spec { restart { backoffMs backoffMaxMs } } }
  }
}";

/// What is listened to with `--wait`.
pub(crate) const WATCH: &str = "
subscription WatchJob($job: String!) {
  watchJob(name: $job, intervalMs: 200) {
    name kind state count submitted { offset }
    taskCounts { total active waiting placed starting running restarting finished failed killed lost withdrawn }
    deferred { waiting reasons { reason agents } } missingResources
  }
}";

/// What is asked before several jobs are submitted.
pub(crate) const FIND: &str = "query FindJob($job: String!) { job(name: $job) { name state ended { offset } } }";

/// How long a gateway may be away while jobs are waited for.
const AWAY_MAX: Duration = Duration::from_secs(120);

/// `quipu submit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu submit job.toml                      submit, and leave
  quipu submit job.toml --wait               until batch jobs have ended and services run
  quipu submit job.toml --wait --timeout 5m
  quipu submit job.toml --key release-17     sent twice, it is submitted once

A file has one [job] table or several [[job]]; docs/examples has some with comments.")]
pub(crate) struct Args {
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Wait until batch jobs have ended and services run with all their tasks.
    #[arg(short, long)]
    wait: bool,
    /// How long to wait at most, as in 5m.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "wait", allow_hyphen_values = true)]
    timeout: Option<u64>,
    #[command(flatten)]
    asking: Asking,
}

/// Submits jobs.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let jobs = job_file::read(&args.file)?;
    check_names(&jobs)?;
    if args.asking.key().is_none() {
        check_free(&context.client, &jobs)?;
    }
    let file_key = args.asking.key().map_or_else(key_made, str::to_owned);
    let mut answers = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        // One key names one command: the second job of a file has the second key.
        let key = if index == 0 { file_key.clone() } else { format!("{file_key}.{index}") };
        // What can be repeated is the file, and so its key is named.
        let answer = submit(&context.client, job, Some(&key)).map_err(|error| error.under_key(&file_key));
        answers.push(answer.with_context(|| undone(&jobs, index))?);
        output::notice(&accepted(job, &answers[index]));
        warn(job, &answers[index]);
    }
    let payloads: Vec<_> = answers.iter().map(|answer| answer.payload.clone()).collect();
    output::show(context.format, &json!(payloads), String::new)?;
    if args.wait {
        let waits = jobs.iter().zip(&answers).map(|(job, answer)| Wait::new(job, answer)).collect();
        runtime()?.block_on(wait_in_time(&context.client, waits, args.timeout))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a file in which two jobs have one name: the second would be refused when the first is submitted.
fn check_names(jobs: &[Job]) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    match jobs.iter().find(|job| !names.insert(&job.name)) {
        None => Ok(()),
        Some(job) => Err(Failure::usage(format!("two jobs of the file are called {}", job.name))
            .hint("no job was submitted; every job needs a name of its own")),
    }
}

/// Refuses a file before anything of it is sent, if the name of one of its jobs is taken.
fn check_free(client: &Client, jobs: &[Job]) -> anyhow::Result<()> {
    if jobs.len() < 2 {
        return Ok(());
    }
    let mut taken = Vec::new();
    for job in jobs {
        let found = client.query(FIND, json!({ "job": job.name }))?;
        let found = Node::of(&found).at("/job");
        if !found.is_absent("") && found.is_absent("/ended") {
            taken.push(job.name.as_str());
        }
    }
    if taken.is_empty() {
        return Ok(());
    }
    let are = if taken.len() == 1 { "is the name of a job" } else { "are the names of jobs" };
    let failure = Failure { code: Code::Refused, ..Failure::new(format!("{} {are} already", taken.join(", "))) };
    Err(failure.hint("no job of the file was submitted; choose another name, or stop the job that has it").into())
}

/// What was done of a file when one of its jobs could not be submitted, and what was not.
fn undone(jobs: &[Job], index: usize) -> String {
    let names = |jobs: &[Job]| jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut text = format!("could not submit job {}", jobs[index].name);
    if index > 0 {
        text.push_str(&format!("; submitted before it, and not stopped: {}", names(&jobs[..index])));
    }
    if index + 1 < jobs.len() {
        text.push_str(&format!("; not submitted: {}", names(&jobs[index + 1..])));
    }
    text
}

/// Submits one job.
pub(crate) fn submit(client: &Client, job: &Job, key: Option<&str>) -> Result<Answer, crate::client::Error> {
    client.ask(DOCUMENT, json!({ "job": job }), key)
}

pub(super) fn accepted(job: &Job, answer: &Answer) -> String {
    let (tasks, offset) = (count(job.count.into(), "task"), answer.offset());
    let payload = Node::of(&answer.payload);
    // As the cell has it, with what it adds where the job names no CPU or no memory.
    let each = payload.find("/job/resources/text").map(|text| format!(" with {text}")).unwrap_or_default();
    if answer.is_repeat() {
        return format!(
            "job {} was accepted already, at offset {}, under the same key",
            job.name,
            answer.first_offset()
        );
    }
    format!("job {} is accepted: {tasks}{each}, at offset {offset}", job.name)
}

/// Says what of an accepted job may not be what was meant.
pub(crate) fn warn(job: &Job, answer: &Answer) {
    warnings(job, &Node::of(&answer.payload).at("/job")).iter().for_each(|warning| output::notice(warning));
}

fn warnings(job: &Job, accepted: &Node<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(missing) = reason::missing(accepted) {
        warnings.push(format!("warning: job {}: {missing}", job.name));
    }
    let asked = job.restart.as_ref().and_then(|restart| restart.backoff_ms);
    let granted = accepted.number("/spec/restart/backoffMs");
    if let Some(asked) = asked.filter(|asked| *asked < granted) {
        let (asked, granted) = (duration::format(asked), duration::format(granted));
        warnings.push(format!("warning: job {}: a back-off of {asked} is too short, {granted} is used", job.name));
    }
    warnings
}

/// A job that is waited for.
#[derive(Clone, Debug)]
struct Wait {
    name: String,
    kind: Kind,
    /// The command that submitted it: an older job of the same name is not meant.
    command: u64,
    /// What was said of it last.
    said: String,
    waits: Waits,
}

impl Wait {
    fn new(job: &Job, answer: &Answer) -> Self {
        let command = answer.first_offset().parse().unwrap_or(0);
        let waits = Waits::new(job.name.as_str(), Instant::now());
        Self { name: job.name.to_string(), kind: job.kind, command, said: String::new(), waits }
    }

    /// Whether the wait is over, and well.
    fn look(&mut self, data: &Value) -> Result<bool, Failure> {
        let node = Node::of(data).at("/watchJob");
        if node.is_absent("") || node.number("/submitted/offset") <= self.command {
            return Ok(false);
        }
        let tasks = node.at("/taskCounts");
        let deferred = node.at("/deferred");
        if deferred.is_absent("") {
            self.waits.placed();
        } else {
            let missing = reason::missing(&node).map_or_else(String::new, |missing| format!("; {missing}"));
            self.waits.deferred(format!("{}{missing}", reason::sentence(&deferred)), Instant::now());
        }
        let said = format!("{}: {}", self.name, counts(&tasks));
        if said != self.said {
            output::progress(&said);
            self.said = said;
        }
        match node.word("/state").as_str() {
            "succeeded" => Ok(true),
            "failed" | "stopped" | "stopping" => Err(self.failure(&node.word("/state"))),
            _ => Ok(self.kind == Kind::Service && tasks.number("/running") >= node.number("/count")),
        }
    }

    fn failure(&self, state: &str) -> Failure {
        let what = if state == "failed" {
            format!("job {} failed", self.name)
        } else {
            format!("job {} was stopped", self.name)
        };
        Failure::new(what).hint(format!("`quipu why {}` tells more", self.name))
    }
}

async fn wait_in_time(client: &Client, waits: Vec<Wait>, timeout_ms: Option<u64>) -> anyhow::Result<()> {
    let Some(millis) = timeout_ms else { return wait(client, waits).await };
    let names: Vec<_> = waits.iter().map(|wait| wait.name.clone()).collect();
    let late = |_| {
        let what = format!("{} not there after {}", names.join(", "), duration::format(millis));
        Failure::unknown(what).hint("nothing was stopped; `quipu jobs` tells how far they are")
    };
    tokio::time::timeout(Duration::from_millis(millis), wait(client, waits)).await.map_err(late)?
}

async fn wait(client: &Client, waits: Vec<Wait>) -> anyhow::Result<()> {
    let mut socket = Socket::open(client.address(), client.principal(), Some(AWAY_MAX)).await?;
    let mut open = std::collections::BTreeMap::new();
    for wait in waits {
        let feed = Feed { document: WATCH, variables: json!({ "job": wait.name }), resume: |_, _| {} };
        open.insert(socket.start(feed).await, wait);
    }
    while !open.is_empty() {
        let due = open.values().filter_map(|wait| wait.waits.due()).min();
        let message = tokio::select! {
            message = socket.next() => message?,
            () = sleep_until(due.unwrap_or_else(|| Instant::now() + AWAY_MAX)) => {
                let now = Instant::now();
                open.values_mut().filter_map(|wait| wait.waits.say(now)).for_each(|words| output::notice(&words));
                continue;
            }
        };
        match message {
            Message::Item(id, data) => {
                if let Some(wait) = open.get_mut(&id)
                    && wait.look(&data)?
                {
                    open.remove(&id);
                }
            }
            Message::Failed(_, error) => return Err(error.into()),
            Message::Over(_) => return Err(Failure::unknown("the gateway ended the stream").into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(kind: Kind) -> Wait {
        Wait { name: "web".into(), kind, command: 10, said: String::new(), waits: Waits::new("web", Instant::now()) }
    }

    fn seen(state: &str, running: u32, submitted: u32) -> Value {
        json!({ "watchJob": {
            "state": state, "count": 2, "taskCounts": { "running": running },
            "submitted": { "offset": submitted.to_string() },
        } })
    }

    #[test]
    fn a_batch_job_is_waited_for_to_its_end_and_a_service_until_it_runs() {
        assert_eq!(wait_for(Kind::Batch).look(&seen("RUNNING", 2, 11)), Ok(false));
        assert_eq!(wait_for(Kind::Batch).look(&seen("SUCCEEDED", 0, 11)), Ok(true));
        assert_eq!(wait_for(Kind::Service).look(&seen("RUNNING", 1, 11)), Ok(false));
        assert_eq!(wait_for(Kind::Service).look(&seen("RUNNING", 2, 11)), Ok(true));
        let failure = wait_for(Kind::Batch).look(&seen("FAILED", 0, 11)).expect_err("failed");
        assert_eq!(failure.what, "job web failed");
    }

    #[test]
    fn what_may_not_be_meant_is_said_when_a_job_is_accepted() {
        let text = "[job]\nname = \"web\"\nkind = \"batch\"\nresources = \"cpu=1 licences=1\"\ncommand = [\"true\"]\n\
                    restart = { backoff = \"0s\" }\n";
        let jobs = crate::job_file::parse(text).expect("legal");
        let accepted = json!({ "missingResources": ["licences"], "spec": { "restart": { "backoffMs": "250" } } });
        insta::assert_snapshot!(warnings(&jobs[0], &Node::of(&accepted)).join("\n"), @"
        warning: job web: no agent has any licences, so it waits until one joins that has
        warning: job web: a back-off of 0s is too short, 250ms is used
        ");
        let fine = json!({ "missingResources": [], "spec": { "restart": { "backoffMs": "0" } } });
        assert!(warnings(&jobs[0], &Node::of(&fine)).is_empty());
    }

    #[test]
    fn an_older_job_of_the_same_name_is_not_meant() {
        assert_eq!(wait_for(Kind::Batch).look(&seen("FAILED", 0, 9)), Ok(false));
        assert_eq!(wait_for(Kind::Batch).look(&json!({ "watchJob": null })), Ok(false));
    }
}
