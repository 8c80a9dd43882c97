//! Commands that an agent appends: only those that agents may send, and only about itself.

use std::sync::{Arc, atomic::Ordering};

use command_log::remote::protocol::{FailureCode, FromGateway, LinkRecord, RECORDS_PER_MESSAGE_MAX};
use log_schema::{AgentId, Command, Record};
use tokio::sync::mpsc;

use super::End;
use crate::{error::chain, gateway::Gateway};

/// One request to append.
pub(crate) struct Request {
    pub(crate) request: u64,
    pub(crate) records: Vec<LinkRecord>,
}

/// Why a request is not appended.
type No = (FailureCode, String);

/// Appends one request after the other, and answers each.
pub(crate) async fn answer(
    gateway: &Arc<Gateway>,
    agent: &AgentId,
    mut requests: mpsc::Receiver<Request>,
    queue: &mpsc::Sender<FromGateway>,
) -> End {
    while let Some(Request { request, records }) = requests.recv().await {
        let answer = match append(gateway, agent, records).await {
            Ok(offsets) => FromGateway::Appended { request, offsets },
            Err((code, message)) => FromGateway::Failed { request, code, message },
        };
        if queue.send(answer).await.is_err() {
            return None;
        }
    }
    None
}

async fn append(gateway: &Gateway, agent: &AgentId, records: Vec<LinkRecord>) -> Result<Vec<log_schema::Offset>, No> {
    if records.len() > RECORDS_PER_MESSAGE_MAX {
        let why = format!("{} records in one message, more than {RECORDS_PER_MESSAGE_MAX}", records.len());
        return Err((FailureCode::TooLarge, why));
    }
    let records: Vec<Record> = records.into_iter().map(Record::from).collect();
    records.iter().try_for_each(|record| check(agent, record))?;
    let count = records.len() as u64;
    let offsets = gateway.hub.log.append(records).await.map_err(|error| {
        let code = match &error {
            command_log::Error::Oversize { .. } | command_log::Error::BatchTooLarge { .. } => FailureCode::TooLarge,
            _ => FailureCode::Unavailable,
        };
        (code, chain(&error))
    })?;
    gateway.metrics.agent_commands.add(count);
    gateway.hub.appended.fetch_add(count, Ordering::Relaxed);
    Ok(offsets)
}

/// Whether the record is a command that this agent may send.
fn check(agent: &AgentId, record: &Record) -> Result<(), No> {
    let forbidden = |why: String| (FailureCode::Forbidden, why);
    let (_, command) = Command::from_record(record).map_err(|error| forbidden(chain(&error)))?;
    let about = match &command {
        Command::ReportAgent(report) => &report.agent,
        Command::UpdateTaskStatus(update) => &update.agent,
        Command::RemoveAgent(remove) => &remove.agent,
        Command::Tick(_)
        | Command::SubmitJob(_)
        | Command::StopJob(_)
        | Command::ScaleJob(_)
        | Command::KillTask(_)
        | Command::MarkAgentUnreachable(_)
        | Command::SubscribeFramework(_)
        | Command::AcceptOffers(_)
        | Command::DeclineOffers(_)
        | Command::ReviveOffers(_)
        | Command::SuppressOffers(_)
        | Command::TeardownFramework(_)
        | Command::SetRole(_)
        | Command::SetParameters(_)
        | Command::ActivateLogic(_) => {
            return Err(forbidden(format!("an agent may not append {}", command.kind())));
        }
    };
    if about == agent {
        return Ok(());
    }
    Err(forbidden(format!("agent {agent} may not append a {} about agent {about}", command.kind())))
}
