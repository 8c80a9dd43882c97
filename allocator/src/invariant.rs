//! What must hold after every event, as functions with sentences for names. Tests, simulations and
//! auditors call [`check_all`]; each returns what is wrong, in words.

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{Resources, command::Policy};

use crate::{
    place::{
        best_of,
        fit::{fits, would_fit_without_offers},
    },
    state::{
        State,
        agents::amounts_of,
        jobs::{Job, Standing},
        queue::Openness,
        task::{Phase, Task},
    },
};

type Check = fn(&State) -> Result<(), String>;

/// Every invariant, by name.
pub const ALL: &[(&str, Check)] = &[
    ("only_an_overcommitted_agent_promises_more_than_it_has", only_an_overcommitted_agent_promises_more_than_it_has),
    ("what_counts_against_an_agent_is_known_by_owner", what_counts_against_an_agent_is_known_by_owner),
    ("what_agents_hold_is_what_tasks_hold", what_agents_hold_is_what_tasks_hold),
    ("what_roles_hold_is_what_tasks_and_offers_hold", what_roles_hold_is_what_tasks_and_offers_hold),
    ("no_two_active_tasks_share_an_incarnation", no_two_active_tasks_share_an_incarnation),
    ("a_job_counts_its_tasks_right", a_job_counts_its_tasks_right),
    ("a_blocked_shape_knows_every_agent_it_fits_on", a_blocked_shape_knows_every_agent_it_fits_on),
    ("an_ended_job_holds_nothing", an_ended_job_holds_nothing),
    ("an_agent_is_offered_only_while_somebody_wants_it", an_agent_is_offered_only_while_somebody_wants_it),
    ("offers_and_filters_are_known_on_both_sides", offers_and_filters_are_known_on_both_sides),
    ("the_index_finds_what_a_scan_finds", the_index_finds_what_a_scan_finds),
];

/// Checks every invariant; the error names the first that is broken.
pub fn check_all(state: &State) -> Result<(), String> {
    ALL.iter().try_for_each(|(name, check)| check(state).map_err(|what| format!("{name}: {what}")))
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn sum<'a>(parts: impl Iterator<Item = &'a Resources>) -> Result<Resources, String> {
    let mut total = Resources::default();
    for part in parts {
        total = total.checked_add(part).ok_or_else(|| format!("{part} overlaps {total}"))?;
    }
    Ok(total)
}

fn active_tasks(state: &State) -> impl Iterator<Item = &Task> {
    let of_jobs = state.jobs.iter().flat_map(|job| &job.tasks);
    let of_frameworks = state.frameworks.iter().flat_map(|framework| framework.tasks.values().map(|known| &known.task));
    of_jobs.chain(of_frameworks).filter(|task| task.active().is_some())
}

/// No agent promises more than it has, but for one that reported less than its tasks hold: that one promises
/// nothing more, neither to tasks nor in offers.
pub fn only_an_overcommitted_agent_promises_more_than_it_has(state: &State) -> Result<(), String> {
    state.agents.iter().try_for_each(|agent| {
        if agent.overcommitted {
            let idle = agent.free.is_empty() && agent.offered.is_empty();
            return must(idle, || format!("agent {} is overcommitted, and promises more", agent.id));
        }
        let promised = sum([&agent.allocated, &agent.offered].into_iter())?;
        let left = agent.capacity.checked_sub(&promised);
        let mut left = left.ok_or_else(|| format!("agent {} has {}, not {promised}", agent.id, agent.capacity))?;
        agent.ports_held.values().for_each(|held| left.ports = left.ports.minus(held));
        must(left == agent.free, || format!("agent {} has {left} free, not {}", agent.id, agent.free))
    })
}

/// The failed starts of agents, and the agents of each owner, say the same.
pub fn what_counts_against_an_agent_is_known_by_owner(state: &State) -> Result<(), String> {
    let mut on: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for agent in state.agents.iter() {
        for owner in agent.failed_starts.keys() {
            on.entry(owner.clone()).or_default().insert(agent.number);
        }
    }
    must(on == state.failed_on, || format!("owners know {:?}, agents {on:?}", state.failed_on))
}

/// An agent's allocated resources are those of the active tasks on it.
pub fn what_agents_hold_is_what_tasks_hold(state: &State) -> Result<(), String> {
    let mut held: BTreeMap<_, Vec<&Resources>> = BTreeMap::new();
    active_tasks(state).for_each(|task| held.entry(task.agent).or_default().push(&task.resources));
    state.agents.iter().try_for_each(|agent| {
        let tasks = held.remove(&agent.number).unwrap_or_default();
        must(tasks.len() == agent.tasks.len(), || format!("agent {} lists {} tasks", agent.id, agent.tasks.len()))?;
        let total = sum(tasks.into_iter())?;
        must(total == agent.allocated, || format!("agent {} holds {}, its tasks {total}", agent.id, agent.allocated))
    })?;
    must(held.is_empty(), || format!("{} agents of active tasks are gone", held.len()))
}

/// A role's use is that of its jobs' tasks, its frameworks' tasks and their offers.
pub fn what_roles_hold_is_what_tasks_and_offers_hold(state: &State) -> Result<(), String> {
    let mut held: BTreeMap<_, Vec<Resources>> = BTreeMap::new();
    for job in state.jobs.iter() {
        let tasks = job.tasks.iter().filter(|task| task.active().is_some());
        held.entry(job.spec.role.clone()).or_default().extend(tasks.map(|task| amounts_of(&task.resources)));
    }
    for framework in state.frameworks.iter() {
        held.entry(framework.role.clone()).or_default().push(framework.used.clone());
    }
    state.roles.iter().try_for_each(|(name, role)| {
        let total = sum(held.get(name).into_iter().flatten())?;
        must(total == role.used, || format!("role {name} holds {}, not {total}", role.used))
    })
}

/// Starts are numbered over the whole cell.
pub fn no_two_active_tasks_share_an_incarnation(state: &State) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    active_tasks(state).try_for_each(|task| {
        must(seen.insert(task.incarnation), || format!("incarnation {} runs twice", task.incarnation))
    })
}

/// A job's sets and counts follow from its tasks.
pub fn a_job_counts_its_tasks_right(state: &State) -> Result<(), String> {
    state.jobs.iter().try_for_each(|job| {
        let wrong = |what: &str| format!("job {}: {what}", job.spec.id);
        let indexes = |wanted: fn(&Task) -> bool| -> BTreeSet<u32> {
            (0..).zip(&job.tasks).filter(|(_, task)| wanted(task)).map(|(index, _)| index).collect()
        };
        let active = indexes(|task| task.active().is_some());
        must(active.len() == job.active as usize, || wrong("active"))?;
        let alive: BTreeSet<_> = (0..job.fresh()).filter_map(|index| job.end_order(index)).collect();
        must(alive == job.alive, || wrong("alive"))?;
        must(job.retired.iter().chain(&job.withdrawn).all(|index| *index < job.span), || wrong("span"))?;
        must(job.again.iter().chain(&job.backing_off).all(|index| job.is_wanted(*index)), || wrong("retired"))?;
        must(indexes(|task| matches!(task.phase, Phase::Waiting)) == job.again, || wrong("again"))?;
        must(indexes(|task| matches!(task.phase, Phase::BackingOff(_))) == job.backing_off, || wrong("backing off"))?;
        must(job.withdrawn.iter().all(|index| *index > job.fresh()), || wrong("withdrawn"))?;
        must((job.turn.is_some()) == (job.waiting() > 0), || wrong("in the queue"))?;
        must(job.next_surplus().or_else(|| job.next_revival()).is_some() == state.surplus.contains(&job.number), || {
            wrong("surplus")
        })
    })
}

/// Were a fitting agent forgotten, its room would stay empty while tasks wait.
pub fn a_blocked_shape_knows_every_agent_it_fits_on(state: &State) -> Result<(), String> {
    state.queue.blocked().try_for_each(|number| {
        let shape = state.queue.get(number);
        let Openness::Blocked(woken) = &shape.openness else { return Err(format!("shape {number} is open")) };
        let could = state.agents.iter().filter(|agent| would_fit_without_offers(&shape.ask, agent));
        let could: BTreeSet<_> = could.map(|agent| agent.number).collect();
        must(could == *woken, || format!("shape {number} knows {woken:?}, and fits on {could:?}"))
    })
}

/// What has ended is out of every account.
pub fn an_ended_job_holds_nothing(state: &State) -> Result<(), String> {
    let ended = |job: &&Job| matches!(job.standing, Standing::Ended(..));
    state.jobs.iter().filter(ended).try_for_each(|job| {
        let idle = job.active == 0 && job.again.is_empty() && job.backing_off.is_empty();
        must(idle, || format!("job {} has ended with work left", job.spec.id))
    })
}

/// An agent is offered while it is up, has something free, and somebody wants it; never otherwise.
pub fn an_agent_is_offered_only_while_somebody_wants_it(state: &State) -> Result<(), String> {
    let wanting: Vec<_> = state.frameworks.iter().filter(|framework| framework.wants_offers()).collect();
    must(wanting.len() == state.frameworks.wanting as usize, || "wanting".to_owned())?;
    state.agents.iter().try_for_each(|agent| {
        let wanted = wanting.iter().any(|framework| !framework.filters.contains_key(&agent.number));
        let offerable = agent.takes_work() && agent.has_free() && wanted;
        let known = state.frameworks.offerable.contains(&agent.number);
        must(offerable == known, || format!("agent {} is offerable: {offerable}, and known as: {known}", agent.id))
    })
}

/// An offer that stands is known to its agent and its framework, and a filter to its agent.
pub fn offers_and_filters_are_known_on_both_sides(state: &State) -> Result<(), String> {
    let of_frameworks: usize = state.frameworks.iter().map(|framework| framework.offers.len()).sum();
    let of_agents: usize = state.agents.iter().map(|agent| agent.offers.len()).sum();
    let standing = state.frameworks.offers.len();
    must(of_frameworks == standing && of_agents == standing, || {
        format!("{standing} offers stand, frameworks know {of_frameworks}, agents {of_agents}")
    })?;
    state.agents.iter().try_for_each(|agent| {
        let filters = state.frameworks.iter().filter(|framework| framework.filters.contains_key(&agent.number)).count();
        must(filters == agent.filtered_by as usize, || format!("agent {} is filtered by {filters}", agent.id))
    })
}

/// The index is exact.
pub fn the_index_finds_what_a_scan_finds(state: &State) -> Result<(), String> {
    let Some(mut index) = state.index.clone() else { return Ok(()) };
    state.queue.asks().try_for_each(|ask| {
        [Policy::Binpack, Policy::Spread].into_iter().try_for_each(|policy| {
            let scanned = best_of(state.agents.iter().filter(|agent| fits(ask, agent)), policy);
            let found = index.best(ask, policy, &state.agents, &BTreeSet::new());
            must(found == scanned, || format!("for {ask:?} the index finds {found:?}, a scan {scanned:?}"))
        })
    })
}
