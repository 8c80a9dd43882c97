//! [`Command::ActivateLogic`](log_schema::Command::ActivateLogic): another version of the logic decides from here on.

use log_schema::{Event, Refusal, command::ActivateLogicV1, event::LogicActivatedV1};

use super::Emit;
use crate::LOGIC_VERSION;

pub(super) fn decide(emit: &mut Emit<'_>, command: &ActivateLogicV1) -> Result<(), Refusal> {
    let asked = command.version;
    if !(1..=LOGIC_VERSION).contains(&asked) {
        return Err(Refusal::LogicUnknown { asked, newest: LOGIC_VERSION });
    }
    if emit.state.logic_version != asked {
        emit.emit(Event::LogicActivated(LogicActivatedV1 { version: asked }));
    }
    Ok(())
}
