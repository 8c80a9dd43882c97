//! Roles: weights, and what the jobs and frameworks of each role hold.

use compact_str::CompactString;
use log_schema::{Resources, RoleName};
use serde::{Deserialize, Serialize};

use super::{Row, View};
use crate::{
    fold::{Fault, Table},
    ledger,
};

/// The name of this projection.
pub const NAME: &str = "roles";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 1;

/// The weight of a role that was never set.
pub const WEIGHT_DEFAULT: u32 = 1;

/// One role, from the first time that something names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRow {
    /// Which role.
    pub name: RoleName,
    /// Its weight.
    pub weight: u32,
    /// What the tasks of its jobs and frameworks hold, without ports.
    pub used: Resources,
    /// What stands offered to its frameworks, without ports.
    pub offered: Resources,
    /// How many tasks hold resources.
    pub tasks: u32,
    /// How many of its jobs have not ended.
    pub jobs: u32,
    /// How many of its frameworks are subscribed or ending.
    pub frameworks: u32,
}

/// The resource of which a role has the largest part of the cell, as two whole numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dominant {
    /// Which resource: `cpu`, `mem`, `disk`, `gpu` or the name of a custom one.
    pub resource: CompactString,
    /// How much of it the role holds or is offered, in the resource's unit.
    pub held: u64,
    /// How much of it the cell has.
    pub capacity: u64,
}

impl Row for RoleRow {
    type Id = RoleName;
    const VIEW: View = View::Roles;

    fn id(&self) -> RoleName {
        self.name.clone()
    }

    fn write_key(id: &RoleName, key: &mut Vec<u8>) {
        key.extend_from_slice(id.as_str().as_bytes());
    }
}

impl RoleRow {
    /// The largest of the role's parts of `capacity` (the cell's, see [`super::UsageRow::capacity`]):
    /// what its tasks hold and what its frameworks are offered. None where it holds nothing.
    pub fn dominant(&self, capacity: &Resources) -> Option<Dominant> {
        let parts = |of: &Resources| [("cpu", of.cpu.0), ("mem", of.mem.0), ("disk", of.disk.0), ("gpu", of.gpu.0)];
        let fixed = parts(&self.used).into_iter().zip(parts(&self.offered)).zip(parts(capacity));
        let fixed = fixed.map(|(((name, used), (_, offered)), (_, all))| (name, used.saturating_add(offered), all));
        let custom = capacity
            .custom
            .iter()
            .map(|(name, all)| (name.as_str(), self.used.custom(name).saturating_add(self.offered.custom(name)), *all));
        let held = fixed.chain(custom).filter(|(_, held, all)| *held > 0 && *all > 0);
        let largest = held.reduce(|best, next| if is_larger(&next, &best) { next } else { best });
        largest.map(|(name, held, capacity)| Dominant { resource: name.into(), held, capacity })
    }
}

/// Whether `a` is a larger part of its whole than `b`, by cross-multiplication.
fn is_larger(a: &(&str, u64, u64), b: &(&str, u64, u64)) -> bool {
    u128::from(a.1) * u128::from(b.2) > u128::from(b.1) * u128::from(a.2)
}

type Roles = Table<RoleRow>;

/// The row of a role, made on first use.
pub(crate) fn named<'a>(roles: &'a mut Roles, name: &RoleName) -> Result<&'a mut RoleRow, Fault> {
    roles.or_insert_with(name, || RoleRow {
        name: name.clone(),
        weight: WEIGHT_DEFAULT,
        used: Resources::default(),
        offered: Resources::default(),
        tasks: 0,
        jobs: 0,
        frameworks: 0,
    })
}

pub(crate) fn task_taken(roles: &mut Roles, role: &RoleName, resources: &Resources) -> Result<(), Fault> {
    let row = named(roles, role)?;
    row.tasks += 1;
    ledger::add_scalars(&mut row.used, resources)
}

pub(crate) fn task_freed(roles: &mut Roles, role: &RoleName, resources: &Resources) -> Result<(), Fault> {
    let row = named(roles, role)?;
    row.tasks = ledger::less(row.tasks, 1, "tasks of a role")?;
    ledger::sub_scalars(&mut row.used, resources)
}

pub(crate) fn offer_made(roles: &mut Roles, role: &RoleName, resources: &Resources) -> Result<(), Fault> {
    ledger::add_scalars(&mut named(roles, role)?.offered, resources)
}

pub(crate) fn offer_ended(roles: &mut Roles, role: &RoleName, resources: &Resources) -> Result<(), Fault> {
    ledger::sub_scalars(&mut named(roles, role)?.offered, resources)
}
