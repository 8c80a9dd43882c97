//! Whether a task fits on an agent, and exactly what it would hold there.

use log_schema::{
    PortRanges, Resources,
    job::{ConstraintV1, Operator},
};

use crate::state::{agents::Agent, queue::Ask};

/// Whether the agent takes work, meets the constraints and has room.
pub fn fits(ask: &Ask, agent: &Agent) -> bool {
    agent.takes_work() && has_room(ask, &agent.free) && meets(&ask.constraints, agent)
}

/// Whether it would fit if the agent's offers were rescinded.
pub fn would_fit_without_offers(ask: &Ask, agent: &Agent) -> bool {
    agent.takes_work() && would_fit_in(ask, agent, &agent.free_without_offers())
}

/// Whether it would fit in this much room of an agent that takes work.
pub fn would_fit_in(ask: &Ask, agent: &Agent, room: &Resources) -> bool {
    has_room(ask, room) && meets(&ask.constraints, agent)
}

/// What the task would hold there: what it asks for, with the lowest free ports by number.
pub fn grant(ask: &Ask, agent: &Agent) -> Resources {
    let mut granted = ask.resources.clone();
    if ask.ports > 0 {
        granted.ports = agent.free.ports.lowest(u32::from(ask.ports)).expect("it fits");
    }
    granted
}

fn has_room(ask: &Ask, room: &Resources) -> bool {
    ask.resources.fits_in(room) && enough_ports(ask, &room.ports)
}

/// Whether there are as many ports as the task asks for.
pub fn enough_ports(ask: &Ask, ports: &PortRanges) -> bool {
    ask.ports == 0 || ports.count() >= u32::from(ask.ports)
}

/// Whether every constraint holds for the agent's attributes.
pub fn meets(constraints: &[ConstraintV1], agent: &Agent) -> bool {
    constraints.iter().all(|constraint| {
        let value = agent.attribute(&constraint.attribute);
        let listed = value.is_some_and(|value| constraint.values.iter().any(|wanted| wanted == value));
        match constraint.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
        }
    })
}
