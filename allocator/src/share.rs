//! Dominant resource fairness: whose job gets the next place, and who is offered something next.
//!
//! Ghodsi et al., "Dominant Resource Fairness" (NSDI 2011): a user's dominant share is the largest
//! of its shares of each resource; the user with the lowest one, divided by its weight, goes next.
//! Here users are roles, and within a role its frameworks; its jobs take turns. Shares are fractions compared by
//! cross-multiplication: no rounding, no floats.

use std::cmp::Ordering;

use log_schema::{Resources, RoleName};

use crate::state::{
    State,
    agents::{Agent, AgentNo},
    frameworks::{Framework, FrameworkNo},
    jobs::JobNo,
    queue::ShapeNo,
    roles::WEIGHT_DEFAULT,
};

/// The most of any amount that one agent may report.
///
/// With at most [`AGENTS_MAX`] agents and weights of at most [`WEIGHT_MAX`], a product of two
/// totals and a weight stays below 2^124, so 128-bit arithmetic cannot overflow.
pub const AMOUNT_MAX: u64 = 1 << 36;
/// The most agents in one cell.
pub const AGENTS_MAX: u32 = 1 << 16;
/// The largest weight of a role.
pub const WEIGHT_MAX: u32 = 1 << 20;

/// A share of the cell as a fraction; the denominator is not zero.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    part: u64,
    whole: u64,
}

impl Share {
    /// No share of anything.
    const NOTHING: Self = Self { part: 0, whole: 1 };

    /// The largest share that `used` has of any resource in `total`.
    pub fn dominant(used: &Resources, total: &Resources) -> Self {
        let custom = used.custom.iter().map(|(name, amount)| (*amount, total.custom(name)));
        let amounts = [
            (used.cpu.0, total.cpu.0),
            (used.mem.0, total.mem.0),
            (used.disk.0, total.disk.0),
            (used.gpu.0, total.gpu.0),
        ];
        let shares = amounts.into_iter().chain(custom).filter(|(_, whole)| *whole > 0);
        let shares = shares.map(|(part, whole)| Self { part, whole });
        shares.max_by(|a, b| a.compare(1, *b, 1)).unwrap_or(Self::NOTHING)
    }

    /// Compares `self / weight` with `other / other_weight`.
    pub fn compare(self, weight: u32, other: Self, other_weight: u32) -> Ordering {
        let left = u128::from(self.part) * u128::from(other.whole) * u128::from(other_weight);
        let right = u128::from(other.part) * u128::from(self.whole) * u128::from(weight);
        left.cmp(&right)
    }
}

/// The role that the next free place goes to: of those with a job that may be placed, the one with the
/// lowest weighted dominant share. Ties go to the role whose name comes first.
pub fn next_role(state: &State) -> Option<&RoleName> {
    let mut ready = state.queue.ready_roles();
    let first = ready.next()?;
    // One role is the usual case, and needs no arithmetic.
    let mut least: Option<(Share, u32)> = None;
    let mut next = first;
    for role in ready {
        let (least_share, least_weight) = *least.get_or_insert_with(|| weighted(state, next));
        let (share, weight) = weighted(state, role);
        if share.compare(weight, least_share, least_weight) == Ordering::Less {
            (next, least) = (role, Some((share, weight)));
        }
    }
    Some(next)
}

/// The job that the next free place goes to, with its shape.
pub fn next_job(state: &State) -> Option<(JobNo, ShapeNo)> {
    state.queue.first_of(next_role(state)?)
}

/// A role's dominant share and its weight.
fn weighted(state: &State, role: &RoleName) -> (Share, u32) {
    match state.roles.find(role) {
        Some(role) => (Share::dominant(&role.used, &state.agents.total), role.weight),
        None => (Share::NOTHING, WEIGHT_DEFAULT),
    }
}

/// The framework that an agent's free resources go to: of the role with the lowest weighted dominant
/// share the framework with the lowest one. Ties go to the role whose name comes first, and to the
/// framework that subscribed first. A framework that gave an offer of this agent back goes behind all
/// that have not: else one that takes nothing has the lowest share for ever, and gets every offer.
pub fn next_framework(state: &State, agent: AgentNo) -> Option<FrameworkNo> {
    let agent = state.agents.get(agent);
    let total = &state.agents.total;
    let standing = |framework| Standing::of(framework, state, total);
    let takers = || state.frameworks.iter().filter(|framework| takes(framework, agent));
    let fresh = takers().filter(|framework| !agent.declined_by.contains(&framework.number));
    let first = fresh.map(standing).min_by(Standing::order);
    let first = first.or_else(|| takers().map(standing).min_by(Standing::order));
    first.map(|standing| standing.framework.number)
}

/// Where a framework stands in the order.
struct Standing<'a> {
    framework: &'a Framework,
    own: Share,
    role: Share,
    weight: u32,
}

impl<'a> Standing<'a> {
    fn of(framework: &'a Framework, state: &State, total: &Resources) -> Self {
        let (role, weight) = weighted(state, &framework.role);
        Self { framework, own: Share::dominant(&framework.used, total), role, weight }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.role
            .compare(self.weight, other.role, other.weight)
            .then_with(|| self.framework.role.cmp(&other.framework.role))
            .then_with(|| self.own.compare(1, other.own, 1))
            .then_with(|| self.framework.number.cmp(&other.framework.number))
    }
}

/// Whether a framework would take an offer of this agent.
fn takes(framework: &Framework, agent: &Agent) -> bool {
    framework.wants_offers() && !framework.filters.contains_key(&agent.number)
}
