//! Commands that an agent appends, one request after the other.

use std::sync::Arc;

use command_log::{
    error::chain,
    remote::protocol::{FailureCode, FromGateway, LinkRecord, RECORDS_PER_MESSAGE_MAX},
};
use log_schema::{AgentId, Offset, Record};
use tokio::sync::mpsc;

use super::End;
use crate::desk::{Desk, agent::Error};

/// One request to append.
pub(crate) struct Request {
    pub(crate) request: u64,
    pub(crate) records: Vec<LinkRecord>,
}

/// Why a request is not appended.
type No = (FailureCode, String);

/// Appends one request after the other, and answers each.
pub(crate) async fn answer(
    desk: &Arc<Desk>,
    agent: &AgentId,
    mut requests: mpsc::Receiver<Request>,
    queue: &mpsc::Sender<FromGateway>,
) -> End {
    while let Some(Request { request, records }) = requests.recv().await {
        let answer = match append(desk, agent, records).await {
            Ok(offsets) => FromGateway::Appended { request, offsets },
            Err((code, message)) => FromGateway::Failed { request, code, message },
        };
        if queue.send(answer).await.is_err() {
            return None;
        }
    }
    None
}

async fn append(desk: &Desk, agent: &AgentId, records: Vec<LinkRecord>) -> Result<Vec<Offset>, No> {
    if records.len() > RECORDS_PER_MESSAGE_MAX {
        let why = format!("{} records in one message, more than {RECORDS_PER_MESSAGE_MAX}", records.len());
        return Err((FailureCode::TooLarge, why));
    }
    let records = records.into_iter().map(Record::from).collect();
    desk.append(agent, records).await.map_err(|error| match error {
        Error::Forbidden(why) => (FailureCode::Forbidden, why),
        Error::NotYet { .. } => (FailureCode::Unavailable, error.to_string()),
        Error::Log(error) => (code(&error), chain(&error)),
    })
}

fn code(error: &command_log::Error) -> FailureCode {
    match error {
        command_log::Error::Oversize { .. } | command_log::Error::BatchTooLarge { .. } => FailureCode::TooLarge,
        _ => FailureCode::Unavailable,
    }
}
