//! [`Command::AcceptOffers`](log_schema::Command::AcceptOffers): a framework launches tasks on offers of one agent.

use std::collections::BTreeSet;

use log_schema::{
    Event, FrameworkId, Incarnation, OfferId, Refusal, Resources, TaskId,
    command::{AcceptOffersV1, LaunchV1},
    event::{OfferEnd, OfferEndedV1, TaskPlacedV1},
};

use super::{
    Emit,
    check_run::{check_resources, check_run},
    decline_offers::{check_filter, own_offers, set_filter},
    frameworks::active_framework,
};
use crate::state::{State, agents::AgentNo, frameworks::FrameworkNo};

/// The most tasks launched by one command.
pub const LAUNCHES_PER_COMMAND_MAX: usize = 256;
/// The most tasks that one framework has in the allocator's state.
pub const TASKS_PER_FRAMEWORK_MAX: usize = 1_000_000;

pub(super) fn decide(emit: &mut Emit<'_>, command: AcceptOffersV1) -> Result<(), Refusal> {
    let framework = active_framework(emit.state, &command.framework)?;
    let offers = own_offers(emit.state, framework, &command.offers)?;
    let (agent, offered) = of_one_agent(emit.state, &offers)?;
    let tasks = check_launches(emit.state, framework, &command.launches)?;
    check_sum(&command.launches, &offered)?;
    check_filter(command.filter_ms)?;

    // The filter first: what is left over must not be offered to the same framework at once.
    set_filter(emit, framework, agent, command.filter_ms);
    for offer in offers {
        emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::Accepted }));
    }
    for (task, launch) in tasks.into_iter().zip(command.launches) {
        place(emit, agent, task, launch);
    }
    Ok(())
}

fn place(emit: &mut Emit<'_>, agent: AgentNo, task: TaskId, launch: LaunchV1) {
    let event = TaskPlacedV1 {
        task,
        incarnation: Incarnation(emit.state.starts + 1),
        agent: emit.state.agents.get(agent).id.clone(),
        resources: launch.resources,
        run: Some(Box::new(launch.run)),
    };
    emit.emit(Event::TaskPlaced(event));
}

/// The one agent that the offers are of, and all that they hold together.
fn of_one_agent(state: &State, offers: &BTreeSet<OfferId>) -> Result<(AgentNo, Resources), Refusal> {
    let standing = offers.iter().map(|offer| &state.frameworks.offers[offer]);
    let mut sum: Option<(AgentNo, Resources)> = None;
    for offer in standing {
        sum = Some(match sum {
            None => (offer.agent, offer.resources.clone()),
            Some((agent, _)) if agent != offer.agent => {
                let name = |number| state.agents.get(number).id.clone();
                return Err(Refusal::OffersOfSeveralAgents { first: name(agent), second: name(offer.agent) });
            }
            Some((agent, held)) => {
                (agent, held.checked_add(&offer.resources).expect("two offers never hold the same"))
            }
        });
    }
    sum.ok_or(Refusal::OffersEmpty {})
}

/// The ids of the tasks, each of which must be new and legal.
fn check_launches(state: &State, number: FrameworkNo, launches: &[LaunchV1]) -> Result<Vec<TaskId>, Refusal> {
    let (asked, max) = (launches.len() as u64, LAUNCHES_PER_COMMAND_MAX as u64);
    if asked > max {
        return Err(Refusal::TooManyInOne { what: "tasks".into(), asked, max });
    }
    let framework = state.frameworks.get(number);
    if framework.tasks.len() + launches.len() > TASKS_PER_FRAMEWORK_MAX {
        return Err(Refusal::TooMany { what: "tasks of this framework".into(), max: TASKS_PER_FRAMEWORK_MAX as u64 });
    }
    let mut seen = BTreeSet::new();
    let mut tasks = Vec::with_capacity(launches.len());
    for launch in launches {
        let task = check_launch(&framework.id, launch)?;
        if framework.tasks.contains_key(&launch.name) || !seen.insert(launch.name.clone()) {
            return Err(Refusal::TaskExists { task });
        }
        tasks.push(task);
    }
    Ok(tasks)
}

fn check_launch(framework: &FrameworkId, launch: &LaunchV1) -> Result<TaskId, Refusal> {
    let illegal = |error: log_schema::id::Error| Refusal::TaskNameIllegal { detail: error.to_string() };
    let task = TaskId::of_framework(framework, &launch.name).map_err(illegal)?;
    check_run(&launch.run)?;
    check_resources(&launch.resources)?;
    Ok(task)
}

/// All tasks together must fit in what was offered; no port may be asked for twice.
fn check_sum(launches: &[LaunchV1], offered: &Resources) -> Result<(), Refusal> {
    let mut sum = Resources::default();
    for launch in launches {
        let exceeds = |asked: &Resources| {
            let (asked, offered) = (Box::new(asked.clone()), Box::new(offered.clone()));
            Refusal::LaunchesExceedOffers { asked, offered }
        };
        sum = sum.checked_add(&launch.resources).ok_or_else(|| exceeds(&launch.resources))?;
        if !sum.fits_in(offered) {
            return Err(exceeds(&sum));
        }
    }
    Ok(())
}
