//! What a task runs and asks for: the checks that jobs and frameworks share.

use compact_str::CompactString;
use log_schema::{
    Refusal, Resources,
    job::{PORTS_PER_TASK_MAX, RUN_BYTES_MAX, RunSpecV1},
    resource_name,
    resources::CUSTOM_SCALARS_MAX,
};

use crate::share::AMOUNT_MAX;

/// The longest grace between SIGTERM and SIGKILL: an hour.
const KILL_GRACE_MS_MAX: u64 = 3_600_000;
/// The most ranges in which ports may be reported or asked for.
const PORT_RANGES_MAX: usize = 64;
/// As much of an illegal command line as a refusal shows, in characters.
const SHOWN_CHARS_MAX: usize = 64;

/// Checks the numbers in what a task runs and asks for.
pub(super) fn check_numbers(run: &RunSpecV1, resources: &Resources) -> Result<(), Refusal> {
    in_range("kill_grace_ms", run.kill_grace_ms, 0, KILL_GRACE_MS_MAX)?;
    check_amounts(resources)
}

/// Checks a grace that was given with a stop, a kill or a restart.
pub(super) fn check_grace(grace_ms: Option<u64>) -> Result<(), Refusal> {
    grace_ms.map_or(Ok(()), |grace_ms| in_range("grace_ms", grace_ms, 0, KILL_GRACE_MS_MAX))
}

/// Checks that amounts can be counted over a whole cell.
pub(super) fn check_amounts(resources: &Resources) -> Result<(), Refusal> {
    let Resources { cpu, mem, disk, gpu, custom, ports } = resources;
    let named = [("cpu", cpu.0), ("mem", mem.0), ("disk", disk.0), ("gpu", gpu.0)].into_iter();
    let mut all = named.chain(custom.iter().map(|(name, amount)| (name.as_str(), *amount)));
    all.try_for_each(|(name, amount)| in_range(name, amount, 0, AMOUNT_MAX))?;
    at_most("custom resources", custom.len(), CUSTOM_SCALARS_MAX)?;
    check_custom_names(resources)?;
    at_most("port ranges", ports.ranges().len(), PORT_RANGES_MAX)
}

/// No custom resource may have a name that is surely meant to be another one: nobody would ever have it.
fn check_custom_names(resources: &Resources) -> Result<(), Refusal> {
    let misnamed = |name: &CompactString| Some((name.clone(), resource_name::meant(name)?));
    match resources.custom.keys().find_map(misnamed) {
        Some((name, meant)) => Err(Refusal::ResourceMisnamed { name, meant: meant.into() }),
        None => Ok(()),
    }
}

/// Checks what a task runs.
pub(super) fn check_run(run: &RunSpecV1) -> Result<(), Refusal> {
    // Escaped rather than `{:?}`, whose form may differ with the version of Rust: it is recorded.
    let illegal = |text: &str, what: &str| {
        let shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_default).collect();
        Err(Refusal::CommandIllegal { detail: format!("\"{shown}\" {what}") })
    };
    if run.argv.first().is_none_or(String::is_empty) {
        return Err(Refusal::CommandEmpty {});
    }
    if let Some(part) = run.argv.iter().chain(run.env.values()).chain(&run.directory).find(|part| part.contains('\0')) {
        return illegal(part, "holds a zero byte");
    }
    let bad_name = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
    if let Some(name) = run.env.keys().find(bad_name) {
        return illegal(name, "is not the name of a variable");
    }
    let (bytes, max) = (run_bytes(run) as u64, RUN_BYTES_MAX as u64);
    if bytes > max {
        return Err(Refusal::CommandTooLong { bytes, max });
    }
    Ok(())
}

/// The size of a command line, its environment and its directory, each part with the zero that ends
/// it for the system: so many short parts count too.
fn run_bytes(run: &RunSpecV1) -> usize {
    let parts = run.argv.len() + 2 * run.env.len() + 1;
    run.bytes() + run.directory.as_ref().map_or(0, String::len) + parts
}

/// Checks what a task asks for.
pub(super) fn check_resources(resources: &Resources) -> Result<(), Refusal> {
    if resources.cpu.is_zero() && resources.mem.is_zero() {
        return Err(Refusal::ResourcesEmpty {});
    }
    Ok(())
}

/// Checks how many ports a task asks for.
pub(super) fn check_ports(asked: u32) -> Result<(), Refusal> {
    if asked > u32::from(PORTS_PER_TASK_MAX) {
        let asked = u16::try_from(asked).unwrap_or(u16::MAX);
        return Err(Refusal::TooManyPorts { asked, max: PORTS_PER_TASK_MAX });
    }
    Ok(())
}

/// Checks a number of things against its bound.
pub(super) fn at_most(name: &str, count: usize, max: usize) -> Result<(), Refusal> {
    in_range(name, count as u64, 0, max as u64)
}

/// Checks a number against its bounds.
pub(super) fn in_range(name: &str, value: u64, min: u64, max: u64) -> Result<(), Refusal> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Refusal::ParameterOutOfRange { name: name.into(), value, min, max })
}
