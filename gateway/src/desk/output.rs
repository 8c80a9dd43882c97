//! What a task writes, read through its agent's link: here, or at the gateway that the agent is connected to.

use std::time::Duration;

use bytes::Bytes;
use command_log::remote::protocol::{LOG_CHUNK_BYTES_MAX, ReadFrom, Stream as OutputStream};
use futures_util::{Stream, StreamExt, stream, stream::BoxStream};
use log_schema::{AgentId, Incarnation, JobId, TaskId, TaskOwner};
use projector::row::{JobRow, TaskRow};

use super::{
    Desk,
    access::{self, Access},
};
use crate::{
    error::RequestError,
    identity::Caller,
    output::{Piece, Start, Wanted},
    registry::{Agents, Chunk, ReadRequest},
    relay::Peer,
    rows::Rows,
};

/// How long an agent waits for output that is not there yet, in milliseconds.
pub const WAIT_MS: u32 = 5_000;

impl Desk {
    /// Pieces of a task's output, from a place on. If `only_here`, no other gateway is asked.
    pub(crate) async fn output(
        &self,
        caller: &Caller,
        task: TaskId,
        incarnation: Option<Incarnation>,
        (wanted, only_here): (Wanted, bool),
    ) -> Result<BoxStream<'static, Result<Piece, RequestError>>, RequestError> {
        access::check(caller, Access::Read)?;
        let (agent, incarnation) = find(&self.rows, &task, incarnation)?;
        if !only_here && !self.agents.is_connected(&agent) {
            let sample = self.sample(&agent);
            if let Some(peer) = sample.and_then(|sample| Peer::of(&self.name, &agent, &sample)) {
                return Ok(peer.ask(&task, incarnation, wanted).await?.boxed());
            }
        }
        let Wanted { stream, from, follow } = wanted;
        let from = match from {
            Start::Byte(byte) => ReadFrom::Byte(byte),
            Start::LastLines(lines) => ReadFrom::LastLines(lines),
        };
        let tail = Tail { held: 0, agents: self.agents.clone(), agent, task, incarnation, stream, from, follow };
        Ok(tail.pieces().boxed())
    }
}

/// The agent and the run whose output is meant.
fn find(rows: &Rows, task: &TaskId, incarnation: Option<Incarnation>) -> Result<(AgentId, Incarnation), RequestError> {
    let missing = |what| RequestError::NotFound { what, id: task.to_string() };
    let row = rows.as_of(None)?.get::<TaskRow>(task)?;
    let Some(row) = row.filter(|row| row.run.is_some() || !row.runs_before.is_empty()) else {
        return Err(if waits(rows, task)? { never_placed(task) } else { missing("task") });
    };
    let is_meant = |run: &&projector::row::Run| incarnation.is_none_or(|wanted| run.incarnation == wanted);
    let run = row.run.iter().chain(row.runs_before.iter().rev()).find(is_meant);
    run.map(|run| (run.agent.clone(), run.incarnation)).ok_or_else(|| missing("such run of task"))
}

/// Whether a job wants a task that no row tells of yet.
fn waits(rows: &Rows, task: &TaskId) -> Result<bool, RequestError> {
    let TaskOwner::Job { job, index } = task.owner() else { return Ok(false) };
    let job = JobId::new(job).map_err(|error| RequestError::bad("task", &error))?;
    let row = rows.as_of(None)?.get::<JobRow>(&job)?;
    Ok(row.is_some_and(|row| index < row.span))
}

fn never_placed(task: &TaskId) -> RequestError {
    let why = format!("task {task} was never placed on an agent, so it has no output; `why` tells what it waits for");
    RequestError::Elsewhere { why }
}

/// The length of a chunk behind which there may be more already.
const CHUNK_FULL: usize = LOG_CHUNK_BYTES_MAX as usize;
/// How long a line without an end is held back: if the rest of it came in another piece, rotation could take it away
/// before a slow reader has it.
const LINE_WAIT: Duration = Duration::from_millis(50);

/// A place in the output of a task whose agent is connected here.
struct Tail {
    /// How many bytes of a line without an end were held back at this place.
    held: usize,
    agents: Agents,
    agent: AgentId,
    task: TaskId,
    incarnation: Incarnation,
    stream: OutputStream,
    from: ReadFrom,
    follow: bool,
}

impl Tail {
    /// Every piece, to the end.
    fn pieces(self) -> impl Stream<Item = Result<Piece, RequestError>> {
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
    async fn next(&mut self) -> Result<Option<(Piece, bool)>, RequestError> {
        loop {
            let chunk = self.read().await?;
            if let ReadFrom::Byte(asked) = self.from
                && chunk.offset < asked
            {
                let why = format!("the output has {} bytes so far, fewer than {asked}", chunk.offset);
                return Err(RequestError::BadInput { field: "fromByte", why });
            }
            let is_over = chunk.end || !self.follow;
            let is_all = chunk.end || is_over && chunk.bytes.len() < CHUNK_FULL;
            let whole = if is_all { chunk.bytes.len() } else { self.whole(&chunk.bytes) };
            if whole == 0 && !chunk.bytes.is_empty() {
                self.held = chunk.bytes.len();
                self.from = ReadFrom::Byte(chunk.offset);
                tokio::time::sleep(LINE_WAIT).await;
                continue;
            }
            self.held = 0;
            let next = chunk.offset + whole as u64;
            self.from = ReadFrom::Byte(if whole == 0 { chunk.next_offset.max(chunk.offset) } else { next });
            if whole > 0 || chunk.end {
                let output = chunk.bytes.slice(..whole);
                let Chunk { offset, end, .. } = chunk;
                let piece = Piece { offset, next_offset: next, output, incarnation: self.incarnation, end };
                return Ok(Some((piece, end)));
            }
            if is_over {
                return Ok(None);
            }
        }
    }

    /// How much of the output is given now: whole lines, and a line without an end if nothing was added to it in the
    /// meantime.
    fn whole(&self, bytes: &Bytes) -> usize {
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if bytes.len() > self.held && bytes.len() < CHUNK_FULL => 0,
            None => whole_characters(bytes),
        }
    }

    async fn read(&self) -> Result<Chunk, RequestError> {
        let wait_ms = if self.follow { WAIT_MS } else { 0 };
        let request = ReadRequest {
            task: self.task.clone(),
            incarnation: Some(self.incarnation),
            stream: self.stream,
            from: self.from,
            bytes_max: LOG_CHUNK_BYTES_MAX,
            wait_ms,
        };
        self.agents.read_log(&self.agent, request).await
    }
}

/// How many bytes end with a whole character: one that is cut in two waits for its rest.
fn whole_characters(bytes: &Bytes) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        Ok(_) | Err(_) => bytes.len(),
    }
}
