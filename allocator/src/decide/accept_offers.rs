//! [`Command::AcceptOffers`](log_schema::Command::AcceptOffers): a framework launches tasks on offers of one agent.

use std::collections::BTreeSet;

use log_schema::{
    Event, FrameworkId, Incarnation, OfferId, PortRanges, Principal, Refusal, Resources, TaskId,
    command::{AcceptOffersV1, LaunchV1},
    event::{OfferEnd, OfferEndedV1, TaskPlacedV1},
};

use super::{
    Emit,
    check_run::{check_numbers, check_ports, check_resources, check_run},
    decline_offers::{check_filter, check_offer_count, own_offers, set_filter, too_many_in_one},
    frameworks::active_framework,
    size::encoded_len,
};
use crate::state::{State, agents::AgentNo, frameworks::FrameworkNo};

/// The most tasks launched by one command.
pub const LAUNCHES_PER_COMMAND_MAX: usize = 256;
/// The most bytes that the launches of one command have, ids included.
pub const LAUNCH_BYTES_PER_COMMAND_MAX: usize = 256 * 1024;
/// The most tasks that one framework has in the allocator's state.
pub const TASKS_PER_FRAMEWORK_MAX: usize = 1_000_000;

/// At most how many bytes the event of a launch has more than the launch.
const LAUNCH_BYTES_ADDED: usize = 320;
/// The most port ranges of each side that a refusal shows.
const PORT_RANGES_SHOWN_MAX: usize = 64;

pub(super) fn decide(emit: &mut Emit<'_>, command: AcceptOffersV1, by: &Principal) -> Result<(), Refusal> {
    let AcceptOffersV1 { framework, offers, launches, filter_ms } = command;
    check_filter(filter_ms)?;
    launches.iter().try_for_each(|launch| check_numbers(&launch.run, &launch.resources))?;
    let found = active_framework(emit.state, &framework, by);
    found.as_ref().map_or(Ok(()), |number| check_task_count(emit.state, *number, launches.len()))?;
    launches.iter().try_for_each(check_launch)?;

    let number = found?;
    let standing = own_offers(emit.state, number, &offers)?;
    let (agent, offered) = of_one_agent(emit.state, &standing)?;
    check_offer_count(&offers)?;
    check_launch_count(&launches)?;
    let tasks: Vec<_> = launches.iter().map(|launch| task_id(&framework, launch)).collect();
    check_new(emit.state, number, &launches, &tasks)?;
    check_sum(&launches, &offered)?;
    let tasks: Vec<_> = tasks.into_iter().collect::<Result<_, _>>()?;
    check_room_for(emit.state, agent, tasks.len())?;

    // The filter first: what is left over must not be offered to the same framework at once.
    set_filter(emit, number, agent, filter_ms);
    // Taking nothing is declining, however it is said.
    let reason = if tasks.is_empty() { OfferEnd::Declined } else { OfferEnd::Accepted };
    for offer in standing {
        emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason }));
    }
    for (task, launch) in tasks.into_iter().zip(launches) {
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

fn check_task_count(state: &State, number: FrameworkNo, more: usize) -> Result<(), Refusal> {
    if state.frameworks.get(number).tasks.len() + more > TASKS_PER_FRAMEWORK_MAX {
        return Err(Refusal::TooMany { what: "tasks of this framework".into(), max: TASKS_PER_FRAMEWORK_MAX as u64 });
    }
    Ok(())
}

fn check_launch(launch: &LaunchV1) -> Result<(), Refusal> {
    check_run(&launch.run)?;
    check_resources(&launch.resources)?;
    check_ports(launch.resources.ports.count())
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
            Some((agent, held)) => (agent, held.checked_add(&offer.resources).expect("two offers never hold the same")),
        });
    }
    sum.ok_or(Refusal::OffersEmpty {})
}

fn check_launch_count(launches: &[LaunchV1]) -> Result<(), Refusal> {
    too_many_in_one("tasks", launches.len(), LAUNCHES_PER_COMMAND_MAX)?;
    let bytes = launches.iter().map(|launch| encoded_len(launch) + LAUNCH_BYTES_ADDED).sum();
    too_many_in_one("bytes of tasks", bytes, LAUNCH_BYTES_PER_COMMAND_MAX)
}

/// An offer does not hold the agent's room for tasks: that may have gone to jobs since it was made.
fn check_room_for(state: &State, agent: AgentNo, launches: usize) -> Result<(), Refusal> {
    let (agent, asked) = (state.agents.get(agent), u32::try_from(launches).unwrap_or(u32::MAX));
    match agent.tasks_left() {
        Some(left) if asked > left => Err(Refusal::AgentFull { agent: agent.id.clone(), asked, left }),
        Some(_) | None => Ok(()),
    }
}

/// The id of a launched task, if its name is legal.
fn task_id(framework: &FrameworkId, launch: &LaunchV1) -> Result<TaskId, Refusal> {
    let illegal = |error: log_schema::id::Error| Refusal::TaskNameIllegal { detail: error.to_string() };
    TaskId::of_framework(framework, &launch.name).map_err(illegal)
}

/// No task may be there already, or be launched twice.
fn check_new(
    state: &State,
    number: FrameworkNo,
    launches: &[LaunchV1],
    tasks: &[Result<TaskId, Refusal>],
) -> Result<(), Refusal> {
    let known = &state.frameworks.get(number).tasks;
    let mut seen = BTreeSet::new();
    let mut named = launches.iter().zip(tasks).filter_map(|(launch, task)| Some((&launch.name, task.as_ref().ok()?)));
    match named.find(|(name, _)| known.contains_key(*name) || !seen.insert(*name)) {
        Some((_, task)) => Err(Refusal::TaskExists { task: task.clone() }),
        None => Ok(()),
    }
}

/// All tasks together must fit in what was offered; no port may be asked for twice.
fn check_sum(launches: &[LaunchV1], offered: &Resources) -> Result<(), Refusal> {
    let mut sum = Resources::default();
    for launch in launches {
        let exceeds = |asked| Refusal::LaunchesExceedOffers { asked: shown(asked), offered: shown(offered) };
        sum.try_add(&launch.resources).ok_or_else(|| exceeds(&launch.resources))?;
        if !sum.fits_in(offered) {
            return Err(exceeds(&sum));
        }
    }
    Ok(())
}

/// Resources as a refusal shows them: ports in countless ranges are cut short.
#[expect(clippy::unnecessary_box_returns, reason = "a refusal's two sides are boxed where they are made")]
fn shown(resources: &Resources) -> Box<Resources> {
    let ranges = resources.ports.ranges().iter().copied().take(PORT_RANGES_SHOWN_MAX).collect();
    let ports = PortRanges::new(ranges).expect("ranges of a legal set");
    let Resources { cpu, mem, disk, gpu, ports: _, custom } = resources;
    Box::new(Resources { cpu: *cpu, mem: *mem, disk: *disk, gpu: *gpu, ports, custom: custom.clone() })
}
