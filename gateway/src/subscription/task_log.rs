//! The output of a task, read through its agent's link.

use std::sync::Arc;

use async_graphql::{Context, Enum, Object, Result, Subscription};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use command_log::remote::protocol::{LOG_CHUNK_BYTES_MAX, ReadFrom, Stream as OutputStream};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use log_schema::{AgentId, Incarnation, JobId, TaskId, TaskOwner};
use projector::row::{JobRow, TaskRow};
use serde_json::{Value, json};

use crate::{
    context::gateway as context_gateway,
    error::{RequestError, graphql},
    gateway::Gateway,
    input::parse,
    link::registry::{Chunk, ReadRequest},
    relay::Peer,
    scalar::{BytesText, CountText},
};

/// How long an agent waits for output that is not there yet, in milliseconds.
pub const WAIT_MS: u32 = 5_000;
/// How much of the end is shown where nothing is said, in lines.
pub const TAIL_LINES: u32 = 10;

/// An output stream of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "OutputStream", remote = "OutputStream")]
pub enum OutputStreamKind {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of a task's output.
#[derive(Clone, Debug)]
pub struct LogPiece {
    pub(crate) offset: u64,
    pub(crate) next_offset: u64,
    pub(crate) output: Bytes,
    pub(crate) incarnation: Incarnation,
    pub(crate) end: bool,
}

/// A piece of a task's output.
#[Object]
impl LogPiece {
    /// Where it starts, counted from the task's first byte. It is behind the end of the piece before
    /// where rotation has dropped what was between.
    async fn offset(&self) -> BytesText {
        BytesText(self.offset)
    }

    /// Where the next piece starts: give it as `fromByte` to read on later.
    async fn next_offset(&self) -> BytesText {
        BytesText(self.next_offset)
    }

    /// The output as text; what is no UTF-8 is shown as `U+FFFD`.
    async fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// The output byte by byte, in base64.
    async fn bytes(&self) -> String {
        BASE64.encode(&self.output)
    }

    /// Which start of the task it is of.
    async fn incarnation(&self) -> CountText {
        CountText(self.incarnation.0)
    }

    /// The task has ended, and this was the last of its output.
    async fn end(&self) -> bool {
        self.end
    }
}

/// See [`super::Subscription`].
#[derive(Default)]
pub struct TaskLogSubscription;

#[Subscription]
impl TaskLogSubscription {
    /// The output of a task's newest run, or of the one that `incarnation` names: from `fromByte` on,
    /// or the last `tailLines` lines. With `follow`, more as it comes, until the run has ended. Where the
    /// agent is connected to another gateway on this machine, that one is asked. With
    /// `gateway` nobody else is, and only the gateway of that name answers.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a tail")]
    async fn task_log(
        &self,
        ctx: &Context<'_>,
        task: String,
        #[graphql(default_with = "OutputStreamKind::Stdout")] stream: OutputStreamKind,
        incarnation: Option<CountText>,
        from_byte: Option<BytesText>,
        tail_lines: Option<u32>,
        #[graphql(default)] follow: bool,
        gateway: Option<String>,
    ) -> Result<impl Stream<Item = Result<LogPiece>> + use<>> {
        let task = parse("task", &task).map_err(graphql)?;
        let place = (from_byte.as_ref().map(|byte| byte.0.to_string()), tail_lines);
        let from = match from_byte {
            Some(BytesText(byte)) => ReadFrom::Byte(byte),
            None => ReadFrom::LastLines(tail_lines.unwrap_or(TAIL_LINES)),
        };
        let (wanted, gateway) = (gateway, context_gateway(ctx));
        if wanted.as_ref().is_some_and(|wanted| *wanted != gateway.name) {
            let why = "is not the gateway that was meant".to_owned();
            return Err(graphql(RequestError::Agent { why }));
        }
        let (agent, incarnation) =
            find(gateway, &task, incarnation.map(|incarnation| Incarnation(incarnation.0))).map_err(graphql)?;
        if let Some(peer) = Peer::of(gateway, &agent).filter(|_| wanted.is_none()) {
            let question = question(&task, stream, incarnation, place, follow);
            return Ok(peer.ask(question).await.map_err(graphql)?.map_err(graphql).boxed());
        }
        let gateway = Arc::clone(gateway);
        let tail = Tail { gateway, agent, task, incarnation, stream: stream.into(), from, follow };
        Ok(tail.pieces().map_err(graphql).boxed())
    }
}

/// The agent and the run whose output is meant.
fn find(
    gateway: &Gateway,
    task: &TaskId,
    incarnation: Option<Incarnation>,
) -> std::result::Result<(AgentId, Incarnation), RequestError> {
    let missing = |what| RequestError::NotFound { what, id: task.to_string() };
    let row = gateway.rows.as_of(None)?.get::<TaskRow>(task)?;
    let Some(row) = row.filter(|row| row.run.is_some() || !row.runs_before.is_empty()) else {
        return Err(if waits(gateway, task)? { never_placed(task) } else { missing("task") });
    };
    let is_meant = |run: &&projector::row::Run| incarnation.is_none_or(|wanted| run.incarnation == wanted);
    let run = row.run.iter().chain(row.runs_before.iter().rev()).find(is_meant);
    run.map(|run| (run.agent.clone(), run.incarnation)).ok_or_else(|| missing("such run of task"))
}

/// Whether a job wants a task that no row tells of yet.
fn waits(gateway: &Gateway, task: &TaskId) -> std::result::Result<bool, RequestError> {
    let TaskOwner::Job { job, index } = task.owner() else { return Ok(false) };
    let job = JobId::new(job).map_err(|error| RequestError::bad("task", &error))?;
    let row = gateway.rows.as_of(None)?.get::<JobRow>(&job)?;
    Ok(row.is_some_and(|row| index < row.count))
}

fn never_placed(task: &TaskId) -> RequestError {
    let why = format!("task {task} was never placed on an agent, so it has no output; `why` tells what it waits for");
    RequestError::Elsewhere { why }
}

/// The same question for another gateway; which run is meant is found already.
fn question(
    task: &TaskId,
    stream: OutputStreamKind,
    incarnation: Incarnation,
    (from_byte, tail_lines): (Option<String>, Option<u32>),
    follow: bool,
) -> Value {
    let stream = match stream {
        OutputStreamKind::Stdout => "STDOUT",
        OutputStreamKind::Stderr => "STDERR",
    };
    json!({
        "task": task, "stream": stream, "incarnation": incarnation.0.to_string(),
        "fromByte": from_byte, "tailLines": tail_lines, "follow": follow,
    })
}

/// A place in an output.
struct Tail {
    gateway: Arc<Gateway>,
    agent: AgentId,
    task: TaskId,
    incarnation: Incarnation,
    stream: OutputStream,
    from: ReadFrom,
    follow: bool,
}

impl Tail {
    /// Every piece, to the end.
    fn pieces(self) -> impl Stream<Item = std::result::Result<LogPiece, RequestError>> {
        stream::unfold(Some(self), |tail| async move {
            let mut tail = tail?;
            match tail.next().await {
                Ok(Some((piece, is_last))) => Some((Ok(piece), (!is_last).then_some(tail))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// The next piece, and whether it is the last; `None`: there is no more.
    async fn next(&mut self) -> std::result::Result<Option<(LogPiece, bool)>, RequestError> {
        loop {
            let chunk = self.read().await?;
            let is_over = chunk.end || !self.follow;
            let whole = if chunk.end { chunk.bytes.len() } else { whole_characters(&chunk.bytes) };
            let next = chunk.offset + whole as u64;
            self.from = ReadFrom::Byte(if whole == 0 { chunk.next_offset.max(chunk.offset) } else { next });
            if whole > 0 || chunk.end {
                let output = chunk.bytes.slice(..whole);
                let Chunk { offset, end, .. } = chunk;
                let piece = LogPiece { offset, next_offset: next, output, incarnation: self.incarnation, end };
                return Ok(Some((piece, end)));
            }
            if is_over {
                return Ok(None);
            }
        }
    }

    async fn read(&self) -> std::result::Result<Chunk, RequestError> {
        let wait_ms = if self.follow { WAIT_MS } else { 0 };
        let request = ReadRequest {
            task: self.task.clone(),
            incarnation: Some(self.incarnation),
            stream: self.stream,
            from: self.from,
            bytes_max: LOG_CHUNK_BYTES_MAX,
            wait_ms,
        };
        self.gateway.agents.read_log(&self.agent, request).await
    }
}

/// How many bytes end with a whole character: one that is cut in two waits for its rest.
fn whole_characters(bytes: &Bytes) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        Ok(_) | Err(_) => bytes.len(),
    }
}
