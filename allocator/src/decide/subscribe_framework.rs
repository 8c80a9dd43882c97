//! [`Command::SubscribeFramework`](log_schema::Command::SubscribeFramework): a framework comes, or comes back.

use log_schema::{Event, Principal, Refusal, command::SubscribeFrameworkV1, event::FrameworkSubscribedV1};

use super::{Emit, frameworks::check_owner};

/// The most frameworks in one cell.
pub const FRAMEWORKS_MAX: usize = 10_000;

pub(super) fn decide(emit: &mut Emit<'_>, command: SubscribeFrameworkV1, by: &Principal) -> Result<(), Refusal> {
    let SubscribeFrameworkV1 { framework, role } = command;
    let frameworks = &emit.state.frameworks;
    let Some(number) = frameworks.number(framework.as_str()) else {
        if frameworks.count() >= FRAMEWORKS_MAX {
            return Err(Refusal::TooMany { what: "frameworks".into(), max: FRAMEWORKS_MAX as u64 });
        }
        emit.emit(Event::FrameworkSubscribed(FrameworkSubscribedV1 { framework, role, owner: by.clone() }));
        return Ok(());
    };
    check_owner(emit.state, number, by)?;
    let known = frameworks.get(number);
    if known.ending {
        return Err(Refusal::FrameworkEnding { framework });
    }
    if known.role != role {
        let subscribed = known.role.clone();
        return Err(Refusal::RoleDiffers { framework, subscribed, asked: role });
    }
    Ok(())
}
