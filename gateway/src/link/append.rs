//! Commands that an agent appends: only those that agents may send, and only about itself.

use std::sync::{Arc, atomic::Ordering};

use command_log::remote::protocol::{FailureCode, FromGateway, LinkRecord, RECORDS_PER_MESSAGE_MAX};
use log_schema::{AgentId, Class, Command, Record};
use tokio::sync::mpsc;

use super::End;
use crate::{error::chain, gateway::Gateway, identity::AGENT_PRINCIPAL_PREFIX};

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

/// Whether the record is a command that this agent may send: one that agents speak, about itself, under its own
/// name and as what it is. What a link writes is history for every reader, replay and what-if included.
fn check(agent: &AgentId, record: &Record) -> Result<(), No> {
    let forbidden = |why: String| Err((FailureCode::Forbidden, why));
    let (envelope, command) = Command::from_record(record).map_err(|error| (FailureCode::Forbidden, chain(&error)))?;
    let kind = command.kind();
    let (about, class) = match &command {
        Command::ReportAgent(report) => (&report.agent, Class::Exogenous),
        Command::UpdateTaskStatus(update) => (&update.agent, Class::Intrinsic),
        Command::Tick(_)
        | Command::SubmitJob(_)
        | Command::StopJob(_)
        | Command::ScaleJob(_)
        | Command::KillTask(_)
        | Command::MarkAgentUnreachable(_)
        | Command::RemoveAgent(_)
        | Command::SubscribeFramework(_)
        | Command::AcceptOffers(_)
        | Command::DeclineOffers(_)
        | Command::ReviveOffers(_)
        | Command::SuppressOffers(_)
        | Command::TeardownFramework(_)
        | Command::SetRole(_)
        | Command::SetParameters(_)
        | Command::ActivateLogic(_) => return forbidden(format!("an agent may not append {kind}")),
    };
    if about != agent {
        return forbidden(format!("agent {agent} may not append a {kind} about agent {about}"));
    }
    if envelope.principal.as_str().strip_prefix(AGENT_PRINCIPAL_PREFIX) != Some(agent.as_str()) {
        let own = format!("{AGENT_PRINCIPAL_PREFIX}{agent}");
        return forbidden(format!(
            "agent {agent} may not append under the name {}: its own is {own}",
            envelope.principal
        ));
    }
    if envelope.class != class {
        return forbidden(format!("a {kind} of an agent is {class:?}, not {:?}", envelope.class).to_lowercase());
    }
    Ok(())
}
