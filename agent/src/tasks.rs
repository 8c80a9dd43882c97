//! The tasks of this agent that have not ended: starting, adopting, ending them.
//!
//! It never waits: each task has a watcher on the runtime, which reports as [`Input`]s.

use std::{collections::BTreeMap, error::Error as _};

use log_schema::{TaskState, task::EndV1};
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};

use crate::{
    agent::Input,
    sandbox::{Ended, Sandbox, TaskKey, now},
    start::{Error, Placement, Starter},
    telemetry::Running,
    watch::{self, Notice, Supervisor},
};

/// Tasks that have not ended, as far as the agent has heard.
pub(crate) struct Tasks {
    starter: Starter,
    alive: BTreeMap<TaskKey, Alive>,
    running: Running,
    watchers: JoinSet<()>,
    runtime: Handle,
    inputs: mpsc::Sender<Input>,
}

#[derive(Default)]
struct Alive {
    /// Absent while an adopted supervisor is being looked for.
    supervisor: Option<Supervisor>,
    kill_wanted: bool,
}

impl Tasks {
    /// No tasks yet. Watchers run on `runtime`; `running` is kept up to date for telemetry.
    pub(crate) fn new(starter: Starter, running: Running, runtime: Handle, inputs: mpsc::Sender<Input>) -> Self {
        Self { starter, alive: BTreeMap::new(), running, watchers: JoinSet::new(), runtime, inputs }
    }

    /// Starts a task, or says how it ended before it began.
    pub(crate) fn start(&mut self, placement: &Placement) -> Result<(), Ended> {
        let key = &placement.key;
        let sandbox = self.starter.sandbox(key);
        let (supervisor, notice) = self.supervise(placement).map_err(|error| {
            let ended = cannot_start(&error);
            // Kept for a restart of the agent; without a sandbox it is said once, now.
            if sandbox.exists() {
                let _ = sandbox.write_ended(&ended);
            }
            ended
        })?;
        self.alive.insert(key.clone(), Alive { supervisor: Some(supervisor.clone()), kill_wanted: false });
        self.watch(follow(sandbox, key.clone(), supervisor, notice, self.inputs.clone()));
        Ok(())
    }

    fn supervise(&self, placement: &Placement) -> Result<(Supervisor, Notice), Error> {
        let mut child = self.starter.start(placement)?;
        let stdout = child.stdout.take().expect("its standard output is a pipe");
        let supervisor = i32::try_from(child.id())
            .map_err(std::io::Error::other)
            .and_then(|pid| Supervisor::open(pid).map_err(std::io::Error::from));
        match supervisor {
            Ok(supervisor) => Ok((supervisor, Notice::Pipe(stdout))),
            Err(source) => {
                let _ = child.kill().and_then(|()| child.wait());
                Err(Error::Supervisor { program: "that was started".into(), source })
            }
        }
    }

    /// Takes over a task of an earlier agent, running or not.
    pub(crate) fn adopt(&mut self, key: TaskKey) {
        let sandbox = self.starter.sandbox(&key);
        let alive = Alive { supervisor: None, kill_wanted: sandbox.kill_wanted() };
        self.alive.insert(key.clone(), alive);
        self.watch(adopt(sandbox, key, self.inputs.clone()));
    }

    /// The supervisor of an adopted task was found.
    pub(crate) fn adopted(&mut self, key: &TaskKey, supervisor: Supervisor) {
        if let Some(alive) = self.alive.get_mut(key) {
            if alive.kill_wanted {
                supervisor.ask_to_end();
            }
            alive.supervisor = Some(supervisor);
        }
    }

    /// The program of a task runs.
    pub(crate) fn runs(&mut self, key: &TaskKey) {
        if let Some(pid) = self.alive.get(key).and_then(|alive| Some(alive.supervisor.as_ref()?.pid)) {
            self.running.lock().expect("nobody panics while holding the running tasks").insert(key.clone(), pid);
        }
    }

    /// A task ended. False: that was known.
    pub(crate) fn ended(&mut self, key: &TaskKey) -> bool {
        self.running.lock().expect("nobody panics while holding the running tasks").remove(key);
        while self.watchers.try_join_next().is_some() {}
        self.alive.remove(key).is_some()
    }

    /// Ends a task in its own time: SIGTERM, its grace, SIGKILL. What is not alive is left alone.
    pub(crate) fn kill(&mut self, key: &TaskKey) {
        let Some(alive) = self.alive.get_mut(key) else { return };
        if let Err(error) = self.starter.sandbox(key).want_kill() {
            tracing::error!(%key, error = &error as &dyn std::error::Error, "could not note that a task is to end");
        }
        alive.kill_wanted = true;
        if let Some(supervisor) = &alive.supervisor {
            supervisor.ask_to_end();
        }
    }

    /// Every task that is alive, in order.
    pub(crate) fn alive(&self) -> Vec<TaskKey> {
        self.alive.keys().cloned().collect()
    }

    /// The sandbox of a start, there or not.
    pub(crate) fn sandbox(&self, key: &TaskKey) -> Sandbox {
        self.starter.sandbox(key)
    }

    /// Removes a sandbox, beside everything else.
    pub(crate) fn remove_sandbox(&mut self, key: &TaskKey) {
        let sandbox = self.starter.sandbox(key);
        self.watchers.spawn_blocking_on(move || remove(&sandbox), &self.runtime);
    }

    fn watch(&mut self, watcher: impl Future<Output = ()> + Send + 'static) {
        self.watchers.spawn_on(watcher, &self.runtime);
    }
}

fn remove(sandbox: &Sandbox) {
    if sandbox.exists()
        && let Err(error) = sandbox.remove()
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "an old sandbox stays");
    }
}

/// From the start of a supervisor to the end of its task.
async fn follow(sandbox: Sandbox, key: TaskKey, supervisor: Supervisor, notice: Notice, inputs: mpsc::Sender<Input>) {
    // A closed channel means that the agent is leaving: nobody needs to know.
    if watch::running(&sandbox, &supervisor, notice).await {
        let _ = inputs.send(Input::Running { key: key.clone() }).await;
    }
    let ended = watch::ended(sandbox, supervisor).await;
    let _ = inputs.send(Input::Ended { key, ended }).await;
}

async fn adopt(sandbox: Sandbox, key: TaskKey, inputs: mpsc::Sender<Input>) {
    match watch::adopt(&sandbox).await {
        Ok(supervisor) => {
            let _ = inputs.send(Input::Adopted { key: key.clone(), supervisor: supervisor.clone() }).await;
            follow(sandbox, key, supervisor, Notice::File, inputs).await;
        }
        Err(ended) => {
            let _ = inputs.send(Input::Ended { key, ended }).await;
        }
    }
}

fn cannot_start(error: &Error) -> Ended {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let end = EndV1 { message: Some(message), ..error.end() };
    Ended { state: TaskState::Failed, end, observed: now() }
}
