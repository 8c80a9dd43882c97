//! From a command to events or a refusal.
//!
//! Each command has one small file. A command is checked whole before its first event, so that a
//! refused one leaves no trace; each event is applied as it is emitted, so that the next choice
//! sees it.

mod accept_offers;
mod activate_logic;
mod check_run;
mod decline_offers;
mod failed_start;
mod frameworks;
mod kill_task;
mod mark_agent_unreachable;
mod remove_agent;
mod report_agent;
mod restart_task;
mod scale_job;
mod set_parameters;
mod set_role;
pub(crate) mod size;
mod stop_job;
mod submit_job;
mod subscribe_framework;
mod tick;
mod update_task_status;

use log_schema::{Command, Event, Principal, Refusal};

use crate::state::State;
use size::event_bytes_max;

/// Nearly every command makes as many events, or fewer; a vector that grows by itself makes room for
/// four at once.
const EVENTS_EXPECTED: usize = 2;

/// The state, and the events emitted and applied so far.
#[derive(Debug)]
pub struct Emit<'a> {
    /// What the events have been applied to.
    pub state: &'a mut State,
    /// The events, in order.
    pub events: Vec<Event>,
    /// At most how many bytes they have as MessagePack.
    pub bytes_max: usize,
    /// How many of them say that a job fits nowhere: each of those looked at every agent.
    pub deferrals: usize,
}

impl<'a> Emit<'a> {
    /// Nothing emitted yet.
    pub fn new(state: &'a mut State) -> Self {
        Self { state, events: Vec::with_capacity(EVENTS_EXPECTED), bytes_max: 0, deferrals: 0 }
    }

    /// Applies an event and keeps it.
    pub fn emit(&mut self, event: Event) {
        self.state.apply(&event);
        self.bytes_max += event_bytes_max(&event);
        self.deferrals += usize::from(matches!(event, Event::PlacementDeferred(_)));
        self.events.push(event);
    }
}

/// Decides one command, as asked by somebody.
pub fn decide(emit: &mut Emit<'_>, command: Command, by: &Principal) -> Result<(), Refusal> {
    match command {
        Command::Tick(c) => tick::decide(emit, &c),
        Command::SubmitJob(c) => submit_job::decide(emit, c),
        Command::StopJob(c) => stop_job::decide(emit, &c),
        Command::ScaleJob(c) => scale_job::decide(emit, &c),
        Command::KillTask(c) => kill_task::decide(emit, &c, by),
        Command::RestartTask(c) => restart_task::decide(emit, &c),
        Command::ReportAgent(c) => report_agent::decide(emit, c),
        Command::MarkAgentUnreachable(c) => mark_agent_unreachable::decide(emit, &c),
        Command::RemoveAgent(c) => remove_agent::decide(emit, &c),
        Command::UpdateTaskStatus(c) => update_task_status::decide(emit, c),
        Command::SubscribeFramework(c) => subscribe_framework::decide(emit, c, by),
        Command::AcceptOffers(c) => accept_offers::decide(emit, c, by),
        Command::DeclineOffers(c) => decline_offers::decide(emit, &c, by),
        Command::ReviveOffers(c) => frameworks::revive_offers(emit, &c, by),
        Command::SuppressOffers(c) => frameworks::suppress_offers(emit, &c, by),
        Command::TeardownFramework(c) => frameworks::teardown_framework(emit, &c, by),
        Command::SetRole(c) => set_role::decide(emit, c),
        Command::SetParameters(c) => set_parameters::decide(emit, &c),
        Command::ActivateLogic(c) => activate_logic::decide(emit, &c),
    }
}
