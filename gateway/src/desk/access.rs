//! Who may ask the desk for what: one table for all doors.
//!
//! Nothing is proved about clients yet: a client that reaches a loopback gateway is believed, and may do all that
//! clients may. Agents are held to themselves: what a link writes is history for every reader, replay and what-if
//! included.

use log_schema::{AgentId, Class, Command};

use crate::{
    error::RequestError,
    identity::{AGENT_PRINCIPAL_PREFIX, Caller, Speaker},
};

/// Something that a caller wants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access<'a> {
    /// To append a command.
    Submit { command: &'a Command, class: Class },
    /// To read or follow what the cell knows, output of tasks included.
    Read,
}

/// Refuses what the caller may not have.
pub(crate) fn check(caller: &Caller, access: Access<'_>) -> Result<(), RequestError> {
    match (&caller.speaker, access) {
        (Speaker::Client, Access::Read) => Ok(()),
        (Speaker::Client, Access::Submit { command, .. }) => match sender(command) {
            Sender::Client => Ok(()),
            Sender::Agent { .. } | Sender::Leader => forbidden(format!("a client may not append {}", command.kind())),
        },
        (Speaker::Agent(agent), Access::Submit { command, class }) => check_agent(agent, caller, command, class),
        (Speaker::Agent(agent), Access::Read) => forbidden(format!("agent {agent} reads its link alone")),
    }
}

/// An agent speaks about itself, under its own name and as what it is.
fn check_agent(agent: &AgentId, caller: &Caller, command: &Command, class: Class) -> Result<(), RequestError> {
    let kind = command.kind();
    let Sender::Agent { about, class: own } = sender(command) else {
        return forbidden(format!("an agent may not append {kind}"));
    };
    if about != agent {
        return forbidden(format!("agent {agent} may not append a {kind} about agent {about}"));
    }
    if caller.principal.as_str().strip_prefix(AGENT_PRINCIPAL_PREFIX) != Some(agent.as_str()) {
        let name = format!("{AGENT_PRINCIPAL_PREFIX}{agent}");
        let principal = &caller.principal;
        return forbidden(format!("agent {agent} may not append under the name {principal}: its own is {name}"));
    }
    if class != own {
        return forbidden(format!("a {kind} of an agent is {own:?}, not {class:?}").to_lowercase());
    }
    Ok(())
}

/// Who sends a command.
enum Sender<'a> {
    Client,
    /// The agent that it is about; its commands are of this class.
    Agent {
        about: &'a AgentId,
        class: Class,
    },
    Leader,
}

fn sender(command: &Command) -> Sender<'_> {
    match command {
        Command::ReportAgent(report) => Sender::Agent { about: &report.agent, class: Class::Exogenous },
        Command::UpdateTaskStatus(update) => Sender::Agent { about: &update.agent, class: Class::Intrinsic },
        Command::Tick(_) | Command::MarkAgentUnreachable(_) => Sender::Leader,
        Command::SubmitJob(_)
        | Command::StopJob(_)
        | Command::ScaleJob(_)
        | Command::KillTask(_)
        | Command::RestartTask(_)
        | Command::RemoveAgent(_)
        | Command::SubscribeFramework(_)
        | Command::AcceptOffers(_)
        | Command::DeclineOffers(_)
        | Command::ReviveOffers(_)
        | Command::SuppressOffers(_)
        | Command::TeardownFramework(_)
        | Command::SetRole(_)
        | Command::SetParameters(_)
        | Command::ActivateLogic(_) => Sender::Client,
    }
}

fn forbidden(why: String) -> Result<(), RequestError> {
    Err(RequestError::Forbidden { why })
}
