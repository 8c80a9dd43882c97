//! Commands that an agent appends. Their answers come by its link: it waits for none of them here.

use std::sync::atomic::Ordering;

use command_log::error::chain;
use log_schema::{AgentId, Class, Command, Offset, Record};

use super::{
    Desk,
    access::{self, Access},
};
use crate::{error::RequestError, identity::Caller};

/// An agent's commands were not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The agent may not append one of them; none was appended.
    #[error("{0}")]
    Forbidden(String),
    /// One of them names a cause that this gateway has not read. Another one may have, and have told the agent.
    #[error("the command names offset {cause} as its cause, and this gateway has read the log below {next} only")]
    NotYet { cause: Offset, next: Offset },
    /// The log said no, or nothing.
    #[error("the log does not take them")]
    Log(#[from] command_log::Error),
}

impl Desk {
    /// Appends the commands of an agent: all, or none.
    pub(crate) async fn append(&self, agent: &AgentId, records: Vec<Record>) -> Result<Vec<Offset>, Error> {
        let next = self.hub.now().next;
        records.iter().try_for_each(|record| check(agent, record, next))?;
        let count = records.len() as u64;
        let offsets = self.hub.log.append(records).await?;
        self.metrics.agent_commands.add(count);
        self.hub.appended.fetch_add(count, Ordering::Relaxed);
        Ok(offsets)
    }
}

fn check(agent: &AgentId, record: &Record, next: Offset) -> Result<(), Error> {
    let read = Command::from_record(record).map_err(|error| Error::Forbidden(chain(&error)))?;
    let (envelope, command) = read;
    let cause = envelope.caused_by;
    let caller = Caller::agent(agent, envelope.principal);
    let checked = access::check(&caller, Access::Submit { command: &command, class: envelope.class });
    checked.map_err(|error: RequestError| Error::Forbidden(error.to_string()))?;
    match cause {
        Some(_) if envelope.class == Class::Exogenous => {
            Err(Error::Forbidden(format!("a {} has no cause in the log", command.kind())))
        }
        Some(cause) if cause >= next => Err(Error::NotYet { cause, next }),
        Some(_) | None => Ok(()),
    }
}
