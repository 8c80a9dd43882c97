//! Sums of resources that are changed in place, and never fall below zero.
//!
//! The schema's own `checked_add` makes a new value each time, ports and custom scalars included;
//! here nearly every amount has neither.

use log_schema::Resources;

use crate::{Contradiction, fold::Fault};

/// Adds, ports included: for the sums of one agent.
pub(crate) fn add(sum: &mut Resources, part: &Resources) -> Result<(), Fault> {
    if !part.ports.is_empty() {
        *sum = sum.checked_add(part).ok_or_else(|| wrong("a sum", sum, part))?;
        return Ok(());
    }
    add_scalars(sum, part)
}

/// Takes away, ports included.
pub(crate) fn sub(sum: &mut Resources, part: &Resources) -> Result<(), Fault> {
    if !part.ports.is_empty() {
        *sum = sum.checked_sub(part).ok_or_else(|| wrong("a difference", sum, part))?;
        return Ok(());
    }
    sub_scalars(sum, part)
}

/// Adds all but ports: for sums over several agents, where one port number is many ports.
pub(crate) fn add_scalars(sum: &mut Resources, part: &Resources) -> Result<(), Fault> {
    try_add_scalars(sum, part).ok_or_else(|| wrong("a sum", sum, part))
}

/// Takes away all but ports.
pub(crate) fn sub_scalars(sum: &mut Resources, part: &Resources) -> Result<(), Fault> {
    try_sub_scalars(sum, part).ok_or_else(|| wrong("a difference", sum, part))
}

fn try_add_scalars(sum: &mut Resources, part: &Resources) -> Option<()> {
    sum.cpu = sum.cpu.checked_add(part.cpu)?;
    sum.mem = sum.mem.checked_add(part.mem)?;
    sum.disk = sum.disk.checked_add(part.disk)?;
    sum.gpu = sum.gpu.checked_add(part.gpu)?;
    for (name, units) in &part.custom {
        let all = sum.custom.entry(name.clone()).or_insert(0);
        *all = all.checked_add(*units)?;
    }
    Some(())
}

fn try_sub_scalars(sum: &mut Resources, part: &Resources) -> Option<()> {
    sum.cpu = sum.cpu.checked_sub(part.cpu)?;
    sum.mem = sum.mem.checked_sub(part.mem)?;
    sum.disk = sum.disk.checked_sub(part.disk)?;
    sum.gpu = sum.gpu.checked_sub(part.gpu)?;
    for (name, units) in &part.custom {
        let all = sum.custom.get_mut(name)?;
        *all = all.checked_sub(*units)?;
        if *all == 0 {
            sum.custom.remove(name);
        }
    }
    Some(())
}

fn wrong(what: &'static str, sum: &Resources, part: &Resources) -> Fault {
    Contradiction::Amount { what, amounts: format!("{sum} and {part}") }.into()
}

/// A number of things without some of them.
pub(crate) fn less(count: u32, by: u32, what: &'static str) -> Result<u32, Fault> {
    count.checked_sub(by).ok_or_else(|| Contradiction::Amount { what, amounts: format!("{count} less {by}") }.into())
}

/// For `skip_serializing_if`.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
pub(crate) fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// For `skip_serializing_if`.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}
