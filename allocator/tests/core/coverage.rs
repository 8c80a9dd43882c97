//! Whatever the log can say is in some story: a new event or refusal without one fails here.
//!
//! The transcripts are compared with what happens, so what stands in them has happened.

use log_schema::{Event, Kind, Refusal};

const STORIES: &[&str] = &[
    include_str!("story_of_agents.rs"),
    include_str!("story_of_bounds.rs"),
    include_str!("story_of_cell.rs"),
    include_str!("story_of_frameworks.rs"),
    include_str!("story_of_full_cells.rs"),
    include_str!("story_of_jobs.rs"),
    include_str!("story_of_offers.rs"),
    include_str!("story_of_placement.rs"),
    include_str!("story_of_refusals.rs"),
    include_str!("story_of_restarts.rs"),
    include_str!("story_of_room_for_tasks.rs"),
    include_str!("story_of_shares.rs"),
    include_str!("story_of_unwell_agents.rs"),
];

/// Events that no story can show: there is one version of the logic so far.
const UNTOLD_EVENTS: &[&str] = &["logic.activated"];

fn is_told(text: &str) -> bool {
    STORIES.iter().any(|story| story.contains(text))
}

#[test]
fn every_event_is_in_a_story() {
    let names = Event::NAMES.iter().filter(|name| !UNTOLD_EVENTS.contains(name));
    let untold: Vec<_> = names.filter(|name| !is_told(&format!("{name} "))).collect();
    assert!(untold.is_empty(), "no story tells of {untold:?}");
}

#[test]
fn every_refusal_is_in_a_story() {
    let untold: Vec<_> =
        Refusal::ALL.iter().filter(|(number, name)| !is_told(&format!("refused {number} {name}: "))).collect();
    assert!(untold.is_empty(), "no story tells of {untold:?}");
}

#[test]
fn every_command_is_in_a_story() {
    let verb = |kind: &Kind| match kind {
        Kind::Epoch | Kind::Decision => None,
        Kind::Tick => Some("tick"),
        Kind::SubmitJob => Some("job"),
        Kind::StopJob => Some("stop"),
        Kind::ScaleJob => Some("scale"),
        Kind::KillTask => Some("kill"),
        Kind::RestartTask => Some("restart"),
        Kind::ReportAgent => Some("agent"),
        Kind::MarkAgentUnreachable => Some("unreachable"),
        Kind::RemoveAgent => Some("remove"),
        Kind::UpdateTaskStatus => Some("status"),
        Kind::SubscribeFramework => Some("framework"),
        Kind::AcceptOffers => Some("accept"),
        Kind::DeclineOffers => Some("decline"),
        Kind::ReviveOffers => Some("revive"),
        Kind::SuppressOffers => Some("suppress"),
        Kind::TeardownFramework => Some("teardown"),
        Kind::SetRole => Some("role"),
        Kind::SetParameters => Some("set"),
        Kind::ActivateLogic => Some("logic"),
    };
    let untold: Vec<_> =
        Kind::ALL.iter().filter_map(verb).filter(|verb| !is_told(&format!("        {verb} "))).collect();
    assert!(untold.is_empty(), "no story says {untold:?}");
}
