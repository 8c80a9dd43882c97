//! [`Command::SetParameters`](log_schema::Command::SetParameters): parameters of the cell change.

use log_schema::{Event, Refusal, command::SetParametersV1, event::ParametersV1};

use super::{Emit, check_run::in_range};

/// The longest time that a parameter may say: a year.
const TIME_MS_MAX: u64 = 31_536_000_000;

pub(super) fn decide(emit: &mut Emit<'_>, command: &SetParametersV1) -> Result<(), Refusal> {
    let before = &emit.state.parameters;
    let time = |name, asked: Option<u64>, now: u64, min: u64| {
        let value = asked.unwrap_or(now);
        in_range(name, value, min, TIME_MS_MAX).map(|()| value)
    };
    let after = ParametersV1 {
        policy: command.policy.unwrap_or(before.policy),
        offer_ttl_ms: time("offer_ttl_ms", command.offer_ttl_ms, before.offer_ttl_ms, 1)?,
        agent_lost_after_ms: time("agent_lost_after_ms", command.agent_lost_after_ms, before.agent_lost_after_ms, 1)?,
        key_kept_ms: time("key_kept_ms", command.key_kept_ms, before.key_kept_ms, 0)?,
        ended_kept_ms: time("ended_kept_ms", command.ended_kept_ms, before.ended_kept_ms, 0)?,
    };
    if after != *before {
        emit.emit(Event::ParametersSet(after));
    }
    Ok(())
}
