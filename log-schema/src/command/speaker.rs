//! Who says a command: every kind of command is said by one kind of speaker. Nothing here is stored.

use super::Command;

/// Who says commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speaker {
    /// Whoever runs work or looks after the cell.
    Client,
    /// An outside scheduler that takes offers.
    Framework,
    /// A machine, of itself.
    Agent,
    /// The allocator that leads.
    Leader,
}

impl Command {
    /// Who says this kind of command.
    pub fn speaker(&self) -> Speaker {
        match self {
            Self::SubmitJob(_)
            | Self::StopJob(_)
            | Self::ScaleJob(_)
            | Self::KillTask(_)
            | Self::RestartTask(_)
            | Self::RemoveAgent(_)
            | Self::SetRole(_)
            | Self::SetParameters(_)
            | Self::ActivateLogic(_) => Speaker::Client,
            Self::SubscribeFramework(_)
            | Self::AcceptOffers(_)
            | Self::DeclineOffers(_)
            | Self::ReviveOffers(_)
            | Self::SuppressOffers(_)
            | Self::TeardownFramework(_) => Speaker::Framework,
            Self::ReportAgent(_) | Self::UpdateTaskStatus(_) => Speaker::Agent,
            Self::Tick(_) | Self::MarkAgentUnreachable(_) => Speaker::Leader,
        }
    }
}
