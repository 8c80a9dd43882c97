//! From a placement to a supervisor: what the task runs, with which environment, under which limits.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use log_schema::{
    AgentId, Offset, PortRanges, Resources, TaskOwner,
    job::RunSpecV1,
    task::{EndReason, EndV1},
};

use crate::{
    cgroup::{Group, Layout, Limits, TASK_PROCESSES_MAX},
    journal,
    output::Kept,
    ports,
    sandbox::{self, Sandbox, Spec, TaskKey},
};

/// Where a task finds programs. Nothing comes from the agent's own environment, which is that of whoever
/// started it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The language of a task: none, with text in UTF-8.
const LANG: &str = "C.UTF-8";

/// A task that is to run here.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) key: TaskKey,
    /// The offset of the decision that says so.
    pub(crate) at: Offset,
    /// The last offset that this decision answered.
    pub(crate) to: Offset,
    pub(crate) resources: Resources,
    /// What it runs; absent where the cell never said.
    pub(crate) run: Option<RunSpecV1>,
}

/// The task cannot be started. A person reads the message in the task's end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The sandbox.
    #[error("could not prepare the sandbox")]
    Sandbox(#[from] sandbox::Error),
    /// The journal: without it nothing is started.
    #[error("the agent could not note the start")]
    Journal(#[from] journal::Error),
    /// Ports that the cell gave to the task are somebody else's.
    #[error("another program on this machine holds port {ports}")]
    PortsHeld { ports: PortRanges },
    /// Nothing to run.
    #[error("the cell did not say what the task runs")]
    NoRunSpec,
    /// The supervisor's program.
    #[error("could not start the supervisor {program:?}")]
    Supervisor { program: OsString, source: io::Error },
}

impl Error {
    /// The end of a task that was not started, whose message the caller adds.
    pub(crate) fn end(&self) -> EndV1 {
        match self {
            Self::PortsHeld { ports } => EndV1 { ports: ports.clone(), ..EndV1::because(EndReason::PortsHeld) },
            Self::NoRunSpec => EndV1::because(EndReason::CannotStart),
            // None depends on what the task runs: the next one would fare no better here.
            Self::Journal(_) | Self::Sandbox(_) | Self::Supervisor { .. } => EndV1::because(EndReason::MachineFault),
        }
    }
}

/// What starting takes beside the placement.
#[derive(Debug)]
pub(crate) struct Starter {
    pub(crate) agent: AgentId,
    /// Where the sandboxes are.
    pub(crate) sandboxes: PathBuf,
    /// The program and arguments that supervise the sandbox given as the last argument.
    pub(crate) supervisor_command: Vec<OsString>,
    pub(crate) layout: Layout,
    pub(crate) output: Kept,
    /// Held and signed by this agent.
    pub(crate) agent_lock: PathBuf,
}

impl Starter {
    /// The sandbox of a start, there or not.
    pub(crate) fn sandbox(&self, key: &TaskKey) -> Sandbox {
        Sandbox::of(&self.sandboxes, key)
    }

    /// Starts the supervisor of a sandbox that was made, whose standard output says when the program runs.
    pub(crate) fn start(&self, placement: &Placement) -> Result<Child, Error> {
        let held = ports::held(&placement.resources.ports);
        if !held.is_empty() {
            return Err(Error::PortsHeld { ports: held });
        }
        let sandbox = self.sandbox(&placement.key);
        sandbox.write_spec(&self.spec(placement, &sandbox)?)?;
        let mut words = self.supervisor_command.iter();
        let program = words.next().cloned().unwrap_or_default();
        let failed = |source| Error::Supervisor { program: program.clone(), source };
        let complaints = File::create(sandbox.complaints()).map_err(failed)?;
        let mut command = Command::new(&program);
        command.args(words).arg(sandbox.dir()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints);
        command.spawn().map_err(failed)
    }

    fn spec(&self, placement: &Placement, sandbox: &Sandbox) -> Result<Spec, Error> {
        let Placement { key, at, to, resources, run } = placement;
        let run = run.as_ref().ok_or(Error::NoRunSpec)?;
        let work = sandbox.work();
        Ok(Spec {
            key: key.clone(),
            placed_at: *at,
            placed_to: *to,
            argv: run.argv.clone(),
            env: environment(&self.agent, key, resources, run, &work).into_iter().collect(),
            // A relative directory is one below the sandbox's.
            directory: run.directory.as_ref().map_or_else(|| work.clone(), |directory| work.join(directory)),
            kill_grace_ms: run.kill_grace_ms,
            group: Group::new(self.layout.clone(), key.directory_name()),
            limits: limits(resources),
            output: self.output,
            agent_lock: self.agent_lock.clone(),
        })
    }
}

fn limits(resources: &Resources) -> Limits {
    Limits { cpu_millis: resources.cpu.0, mem_mib: resources.mem.0, processes_max: TASK_PROCESSES_MAX }
}

/// The same variables each time, then the task's own, which win. `docs/reference/task-environment.md` lists them.
fn environment(
    agent: &AgentId,
    key: &TaskKey,
    resources: &Resources,
    run: &RunSpecV1,
    work: &Path,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    set("PATH", PATH.to_owned());
    set("LANG", LANG.to_owned());
    set("HOME", work.display().to_string());
    set("QUIPU_TASK", key.task.to_string());
    set("QUIPU_INCARNATION", key.incarnation.to_string());
    set("QUIPU_AGENT", agent.to_string());
    set("QUIPU_SANDBOX", work.display().to_string());
    match key.task.owner() {
        TaskOwner::Job { job, index } => {
            set("QUIPU_JOB", job.to_owned());
            set("QUIPU_INDEX", index.to_string());
        }
        TaskOwner::Framework { framework, .. } => {
            set("QUIPU_FRAMEWORK", framework.to_owned());
        }
    }
    for (index, port) in resources.ports.iter().enumerate() {
        set(&format!("PORT{index}"), port.to_string());
    }
    env.extend(run.env.clone());
    env
}

#[cfg(test)]
mod tests {
    use log_schema::{Incarnation, TaskId};

    use super::*;

    fn env(task: &str, ports: Vec<(u16, u16)>, own: &[(&str, &str)]) -> BTreeMap<String, String> {
        let key = TaskKey { task: TaskId::new(task).expect("a legal id"), incarnation: Incarnation(2) };
        let resources = Resources { ports: PortRanges::new(ports).expect("ranges"), ..Resources::default() };
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let run = RunSpecV1 { argv: vec!["true".into()], env: own, directory: None, kill_grace_ms: 0 };
        environment(&AgentId::new("a1").expect("a legal id"), &key, &resources, &run, Path::new("work"))
    }

    #[test]
    fn a_task_of_a_job_knows_its_job_index_and_ports() {
        let env = env("web.7", vec![(31_000, 31_000), (31_005, 31_006)], &[]);
        assert_eq!((env["QUIPU_JOB"].as_str(), env["QUIPU_INDEX"].as_str()), ("web", "7"));
        assert_eq!((env["PORT0"].as_str(), env["PORT1"].as_str(), env["PORT2"].as_str()), ("31000", "31005", "31006"));
        assert_eq!((env["QUIPU_INCARNATION"].as_str(), env["QUIPU_AGENT"].as_str()), ("2", "a1"));
    }

    #[test]
    fn a_task_gets_these_variables_and_no_others_from_the_agent() {
        let names = env("web.7", vec![(31_000, 31_000)], &[]).into_keys().collect::<Vec<_>>().join(" ");
        assert_eq!(
            names,
            "HOME LANG PATH PORT0 QUIPU_AGENT QUIPU_INCARNATION QUIPU_INDEX QUIPU_JOB QUIPU_SANDBOX QUIPU_TASK"
        );
    }

    #[test]
    fn a_task_of_a_framework_knows_its_framework_and_its_own_variables_win() {
        let env = env("spark/exec-1", Vec::new(), &[("QUIPU_AGENT", "mine"), ("PATH", "/mine")]);
        assert_eq!(env["QUIPU_FRAMEWORK"], "spark");
        assert!(!env.contains_key("QUIPU_JOB"));
        assert_eq!((env["QUIPU_AGENT"].as_str(), env["PATH"].as_str()), ("mine", "/mine"));
    }
}
