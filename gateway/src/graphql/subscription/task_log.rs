//! The output of a task, read through its agent's link.

use async_graphql::{Context, Enum, Object, Result, Subscription};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use command_log::remote::protocol::Stream as OutputStream;
use futures_util::{Stream, TryStreamExt};
use log_schema::Incarnation;

use crate::{
    error::RequestError,
    graphql::{
        context::{caller, desk},
        error::graphql,
        input::parse,
        scalar::{BytesText, CountText},
    },
    output::{Piece, Start, Wanted},
};

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
pub struct LogPiece(Piece);

/// A piece of a task's output.
#[Object]
impl LogPiece {
    /// Where it starts, counted from the task's first byte. It is behind the end of the piece before
    /// where rotation has dropped what was between.
    async fn offset(&self) -> BytesText {
        BytesText(self.0.offset)
    }

    /// Where the next piece starts: give it as `fromByte` to read on later.
    async fn next_offset(&self) -> BytesText {
        BytesText(self.0.next_offset)
    }

    /// The output as text; what is no UTF-8 is shown as `U+FFFD`.
    async fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.output).into_owned()
    }

    /// The output byte by byte, in base64.
    async fn bytes(&self) -> String {
        BASE64.encode(&self.0.output)
    }

    /// Which start of the task it is of.
    async fn incarnation(&self) -> CountText {
        CountText(self.0.incarnation.0)
    }

    /// The task has ended, and this was the last of its output.
    async fn end(&self) -> bool {
        self.0.end
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
        if from_byte.is_some() && tail_lines.is_some() {
            let why = "give either fromByte or tailLines".to_owned();
            return Err(graphql(RequestError::BadInput { field: "fromByte", why }));
        }
        let from = match from_byte {
            Some(BytesText(byte)) => Start::Byte(byte),
            None => Start::LastLines(tail_lines.unwrap_or(TAIL_LINES)),
        };
        let desk = desk(ctx);
        if gateway.as_ref().is_some_and(|wanted| *wanted != desk.name) {
            let why = "is not the gateway that was meant".to_owned();
            return Err(graphql(RequestError::Agent { why }));
        }
        let incarnation = incarnation.map(|incarnation| Incarnation(incarnation.0));
        let wanted = Wanted { stream: stream.into(), from, follow };
        let pieces = desk.output(caller(ctx), task, incarnation, (wanted, gateway.is_some())).await;
        Ok(pieces.map_err(graphql)?.map_ok(LogPiece).map_err(graphql))
    }
}
