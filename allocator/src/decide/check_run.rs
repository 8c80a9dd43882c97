//! What a task runs and asks for: the checks that jobs and frameworks share.

use log_schema::{
    Refusal, Resources,
    job::{RUN_BYTES_MAX, RunSpecV1},
};

use crate::share::AMOUNT_MAX;

/// The longest grace between SIGTERM and SIGKILL: an hour.
const KILL_GRACE_MS_MAX: u64 = 3_600_000;

/// Checks what a task runs.
pub(super) fn check_run(run: &RunSpecV1) -> Result<(), Refusal> {
    let illegal = |detail: String| Err(Refusal::CommandIllegal { detail });
    if run.argv.first().is_none_or(String::is_empty) {
        return Err(Refusal::CommandEmpty {});
    }
    if let Some(part) = run.argv.iter().chain(run.env.values()).chain(&run.directory).find(|part| part.contains('\0')) {
        return illegal(format!("{part:?} holds a zero byte"));
    }
    let bad_name = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
    if let Some(name) = run.env.keys().find(bad_name) {
        return illegal(format!("{name:?} is not the name of a variable"));
    }
    let (bytes, max) = (run.bytes() as u64, RUN_BYTES_MAX as u64);
    if bytes > max {
        return Err(Refusal::CommandTooLong { bytes, max });
    }
    in_range("kill_grace_ms", run.kill_grace_ms, 0, KILL_GRACE_MS_MAX)
}

/// Checks what a task asks for.
pub(super) fn check_resources(resources: &Resources) -> Result<(), Refusal> {
    check_amounts(resources)?;
    if resources.cpu.is_zero() && resources.mem.is_zero() {
        return Err(Refusal::ResourcesEmpty {});
    }
    Ok(())
}

/// Checks that amounts can be counted over a whole cell.
pub(super) fn check_amounts(resources: &Resources) -> Result<(), Refusal> {
    let Resources { cpu, mem, disk, gpu, custom, ports: _ } = resources;
    let named = [("cpu", cpu.0), ("mem", mem.0), ("disk", disk.0), ("gpu", gpu.0)].into_iter();
    let mut all = named.chain(custom.iter().map(|(name, amount)| (name.as_str(), *amount)));
    all.try_for_each(|(name, amount)| in_range(name, amount, 0, AMOUNT_MAX))
}

/// Checks a number against its bounds.
pub(super) fn in_range(name: &str, value: u64, min: u64, max: u64) -> Result<(), Refusal> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Refusal::ParameterOutOfRange { name: name.into(), value, min, max })
}
