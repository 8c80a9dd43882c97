//! [`Command::Tick`](log_schema::Command::Tick): log time moves on.

use log_schema::{Event, Refusal, command::TickV1, event::TimeAdvancedV1};

use super::Emit;

pub(super) fn decide(emit: &mut Emit<'_>, command: &TickV1) -> Result<(), Refusal> {
    let now = emit.state.now;
    if command.now < now {
        return Err(Refusal::TimeRunsBackwards { now, said: command.now });
    }
    if command.now > now {
        emit.emit(Event::TimeAdvanced(TimeAdvancedV1 { now: command.now }));
    }
    Ok(())
}
