//! [`Command::SetRole`](log_schema::Command::SetRole): a role gets a weight.

use log_schema::{Event, Refusal, command::SetRoleV1, event::RoleSetV1};

use super::Emit;
use crate::share::WEIGHT_MAX;

/// The most roles in one cell.
pub const ROLES_MAX: usize = 100_000;

pub(super) fn decide(emit: &mut Emit<'_>, command: SetRoleV1) -> Result<(), Refusal> {
    let SetRoleV1 { role, weight } = command;
    let roles = &emit.state.roles;
    if roles.find(&role).is_none() && roles.count() >= ROLES_MAX {
        return Err(Refusal::TooMany { what: "roles".into(), max: ROLES_MAX as u64 });
    }
    if !(1..=WEIGHT_MAX).contains(&weight) {
        return Err(Refusal::WeightOutOfRange { role, weight, min: 1, max: WEIGHT_MAX });
    }
    if roles.get(&role).weight != weight {
        emit.emit(Event::RoleSet(RoleSetV1 { role, weight }));
    }
    Ok(())
}
