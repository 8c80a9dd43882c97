//! Why a task fits nowhere, as numbers of agents by reason.

use std::collections::BTreeMap;

use log_schema::{Resources, event::Reason};

use super::fit::{enough_ports, fits, meets};
use crate::state::{
    agents::{Agent, Agents},
    queue::Ask,
};

/// Counts every agent that cannot take the task under the first reason that holds for it.
pub fn reasons(ask: &Ask, agents: &Agents) -> BTreeMap<Reason, u32> {
    let mut counts = BTreeMap::new();
    for reason in agents.iter().filter_map(|agent| reason(ask, agent)) {
        *counts.entry(reason).or_insert(0) += 1;
    }
    counts
}

/// The first reason why the agent cannot take the task; `None` where it can.
pub fn reason(ask: &Ask, agent: &Agent) -> Option<Reason> {
    match () {
        () if fits(ask, agent) => None,
        () if !agent.is_up() => Some(Reason::AgentAway),
        () if agent.overcommitted => Some(Reason::AgentOvercommitted),
        () if agent.suspended.is_some() => Some(Reason::AgentSuspended),
        () if !meets(&ask.constraints, agent) => Some(Reason::ConstraintUnmet),
        () => too_small(ask, &agent.capacity).or_else(|| taken(ask, &agent.free)).or(Some(Reason::TasksTaken)),
    }
}

/// What is short in `room`, in the order of [`Reason`].
fn shortage(ask: &Ask, room: &Resources) -> Option<Short> {
    let wanted = &ask.resources;
    match () {
        () if wanted.cpu > room.cpu => Some(Short::Cpu),
        () if wanted.mem > room.mem => Some(Short::Mem),
        () if wanted.disk > room.disk => Some(Short::Disk),
        () if wanted.gpu > room.gpu => Some(Short::Gpu),
        () if !enough_ports(ask, &room.ports) => Some(Short::Ports),
        () if !wanted.fits_in(room) => Some(Short::Custom),
        () => None,
    }
}

enum Short {
    Cpu,
    Mem,
    Disk,
    Gpu,
    Ports,
    Custom,
}

fn too_small(ask: &Ask, capacity: &Resources) -> Option<Reason> {
    shortage(ask, capacity).map(|short| match short {
        Short::Cpu => Reason::CpuTooSmall,
        Short::Mem => Reason::MemTooSmall,
        Short::Disk => Reason::DiskTooSmall,
        Short::Gpu => Reason::GpuTooSmall,
        Short::Ports => Reason::PortsTooFew,
        Short::Custom => Reason::CustomTooSmall,
    })
}

fn taken(ask: &Ask, free: &Resources) -> Option<Reason> {
    shortage(ask, free).map(|short| match short {
        Short::Cpu => Reason::CpuTaken,
        Short::Mem => Reason::MemTaken,
        Short::Disk => Reason::DiskTaken,
        Short::Gpu => Reason::GpuTaken,
        Short::Ports => Reason::PortsTaken,
        Short::Custom => Reason::CustomTaken,
    })
}
