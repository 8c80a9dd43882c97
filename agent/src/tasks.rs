//! The tasks of this agent that have not ended: starting, adopting, ending them.
//!
//! It never waits: each task has a watcher on the runtime, which reports as [`Input`]s. Starts queue
//! here, and so many at once as [`STARTS_AT_ONCE_MAX`] are under way:
//!
//! ```text
//! queue ──> place taken ──> sandbox ──> supervisor ──> program runs, or the start is slow: place free
//!   └── ended while it waits: nothing was made, nothing has to be undone
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    error::Error as _,
    sync::Arc,
    time::Duration,
};

use log_schema::{TaskState, task::EndV1};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

use crate::{
    agent::Input,
    journal::Begun,
    part,
    room::Room,
    sandbox::{Ended, Sandbox, TaskKey, now},
    start::{Error, Placement, Starter},
    telemetry::Running,
    watch::{self, Notice, Supervisor},
};

/// The most starts that are under way at once, from the sandbox to the running program. More would
/// not end sooner on a machine of a few cores, and would keep the agent and the tasks that run from them.
pub(crate) const STARTS_AT_ONCE_MAX: usize = 16;
/// How long a start keeps its place from others at most.
const START_PATIENCE: Duration = Duration::from_secs(2);

/// Tasks that have not ended, as far as the agent has heard.
pub(crate) struct Tasks {
    starter: Arc<Starter>,
    alive: BTreeMap<TaskKey, Alive>,
    /// In the order of their placement; what is no longer [`Stage::Queued`] is passed over.
    queue: VecDeque<TaskKey>,
    /// Starts that keep their place from others.
    under_way: BTreeSet<TaskKey>,
    /// One permit for each start that is being made on another thread.
    makers: Arc<Semaphore>,
    room: Room,
    /// Tasks that are no longer queued and have not ended: what `room` bounds.
    begun: usize,
    running: Running,
    watchers: JoinSet<()>,
    runtime: Handle,
    inputs: mpsc::Sender<Input>,
}

struct Alive {
    stage: Stage,
    kill_wanted: bool,
}

enum Stage {
    /// Nothing was made of it yet.
    Queued(Box<Placement>),
    /// Its supervisor is being started, or looked for.
    Unsupervised,
    /// Its supervisor was seen alive.
    Supervised(Supervisor),
}

impl Tasks {
    /// No tasks yet. Watchers run on `runtime`; `running` is kept up to date for telemetry.
    pub(crate) fn new(
        starter: Starter,
        room: Room,
        running: Running,
        runtime: Handle,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        Self {
            starter: Arc::new(starter),
            alive: BTreeMap::new(),
            queue: VecDeque::new(),
            under_way: BTreeSet::new(),
            makers: Arc::new(Semaphore::new(STARTS_AT_ONCE_MAX)),
            room,
            begun: 0,
            running,
            watchers: JoinSet::new(),
            runtime,
            inputs,
        }
    }

    /// Takes a start behind those that wait.
    pub(crate) fn queue(&mut self, placement: Box<Placement>) {
        let key = placement.key.clone();
        self.alive.insert(key.clone(), Alive { stage: Stage::Queued(placement), kill_wanted: false });
        self.queue.push_back(key);
    }

    /// The next start that is still wanted, where there is a place for one.
    pub(crate) fn next_start(&mut self) -> Option<Box<Placement>> {
        while self.under_way.len() < self.room.starts_max && self.begun < self.room.tasks_max {
            let Some(alive) = self.alive.get_mut(&self.queue.pop_front()?) else { continue };
            match std::mem::replace(&mut alive.stage, Stage::Unsupervised) {
                Stage::Queued(placement) => {
                    self.under_way.insert(placement.key.clone());
                    self.begun += 1;
                    if self.begun == self.room.tasks_max {
                        tracing::warn!(room = self.room.statement(), "no room for more tasks; starts wait for ends");
                    }
                    return Some(placement);
                }
                other @ (Stage::Unsupervised | Stage::Supervised(_)) => alive.stage = other,
            }
        }
        None
    }

    /// Makes the sandbox of a start; the error says how the task ended before it began.
    pub(crate) fn prepare(&self, key: &TaskKey) -> Result<(), Ended> {
        self.starter.sandbox(key).create().map_err(|error| cannot_start(&error.into()))
    }

    /// Starts the supervisor in a sandbox that was made, beside everything else.
    pub(crate) fn start(&mut self, placement: Box<Placement>) {
        let makers = Arc::clone(&self.makers);
        let permit = makers.try_acquire_owned().ok();
        self.watch(begin(Arc::clone(&self.starter), placement, permit, self.inputs.clone()));
    }

    /// A start needs its place no longer, although its program was not seen running.
    pub(crate) fn is_slow(&mut self, key: &TaskKey) {
        self.under_way.remove(key);
    }

    /// Waits for the starts that are being made: the next agent on the directory must not meet them.
    pub(crate) fn leave(&self) {
        let all = u32::try_from(STARTS_AT_ONCE_MAX).expect("a small number");
        let _ = self.runtime.block_on(self.makers.acquire_many(all));
    }

    /// Takes over a task of an earlier agent, running or not.
    pub(crate) fn adopt(&mut self, key: TaskKey, begun: Begun) {
        let sandbox = self.starter.sandbox(&key);
        let alive = Alive { stage: Stage::Unsupervised, kill_wanted: sandbox.kill_wanted() };
        self.begun += 1;
        self.alive.insert(key.clone(), alive);
        self.watch(adopt(sandbox, key, begun, self.inputs.clone()));
    }

    /// The supervisor of a task was started, or found.
    pub(crate) fn supervised(&mut self, key: &TaskKey, supervisor: Supervisor) {
        let Some(alive) = self.alive.get_mut(key) else { return };
        if alive.kill_wanted {
            let sandbox = self.starter.sandbox(key);
            end(&sandbox, key, Some(&supervisor), sandbox.kill_grace_ms());
        }
        alive.stage = Stage::Supervised(supervisor);
    }

    /// The program of a task runs.
    pub(crate) fn runs(&mut self, key: &TaskKey) {
        self.under_way.remove(key);
        if let Some(Stage::Supervised(supervisor)) = self.alive.get(key).map(|alive| &alive.stage) {
            let mut running = self.running.lock().expect("nobody panics while holding the running tasks");
            running.insert(key.clone(), supervisor.pid);
        }
    }

    /// A task ended. False: that was known.
    pub(crate) fn ended(&mut self, key: &TaskKey) -> bool {
        self.running.lock().expect("nobody panics while holding the running tasks").remove(key);
        self.under_way.remove(key);
        while self.watchers.try_join_next().is_some() {}
        let ended = self.alive.remove(key);
        if ended.as_ref().is_some_and(|alive| !matches!(alive.stage, Stage::Queued(_))) {
            self.begun -= 1;
        }
        ended.is_some()
    }

    /// Ends a task in its own time: SIGTERM, its grace or the one that is given, SIGKILL. Asked again with less, it
    /// ends sooner. What is not alive is left alone. A start that still waits has ended by this: that end is returned.
    pub(crate) fn kill(&mut self, key: &TaskKey, grace_ms: Option<u64>) -> Option<Ended> {
        let alive = self.alive.get_mut(key)?;
        alive.kill_wanted = true;
        match &alive.stage {
            Stage::Queued(_) => {
                return Some(watch::killed());
            }
            Stage::Unsupervised => end(&self.starter.sandbox(key), key, None, grace_ms),
            Stage::Supervised(supervisor) => end(&self.starter.sandbox(key), key, Some(supervisor), grace_ms),
        }
        None
    }

    /// How many tasks at once there is room for.
    pub(crate) fn room(&self) -> u32 {
        u32::try_from(self.room.tasks_max).unwrap_or(u32::MAX)
    }

    /// Whether no task is alive.
    pub(crate) fn are_none(&self) -> bool {
        self.alive.is_empty()
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
        let watcher = part::run("what watches a task", self.inputs.clone(), watcher);
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

/// Says in the sandbox that the task is to end, and tells its supervisor.
fn end(sandbox: &Sandbox, key: &TaskKey, supervisor: Option<&Supervisor>, grace_ms: Option<u64>) {
    // A sandbox that is not there yet, or no more, has nobody to read it.
    if sandbox.exists()
        && let Err(error) = sandbox.want_kill(grace_ms)
    {
        tracing::error!(%key, error = &error as &dyn std::error::Error, "could not note that a task is to end");
    }
    if let Some(supervisor) = supervisor {
        supervisor.ask_to_end();
    }
}

/// From a sandbox to the end of its task.
async fn begin(
    starter: Arc<Starter>,
    placement: Box<Placement>,
    permit: Option<OwnedSemaphorePermit>,
    inputs: mpsc::Sender<Input>,
) {
    let (key, sandbox) = (placement.key.clone(), starter.sandbox(&placement.key));
    let making = spawn_blocking(move || {
        let made = supervise(&starter, &placement);
        drop(permit);
        made
    });
    match making.await {
        Ok(Ok((supervisor, notice))) => {
            let _ = inputs.send(Input::Supervised { key: key.clone(), supervisor: supervisor.clone() }).await;
            follow(sandbox, key, supervisor, notice, inputs).await;
        }
        Ok(Err(error)) => {
            let ended = cannot_start(&error);
            // Kept for a restart of the agent.
            let _ = sandbox.write_ended(&ended);
            let _ = inputs.send(Input::Ended { key, ended }).await;
        }
        // Otherwise the runtime ends, and the agent with it.
        Err(ended) => {
            if let Ok(panic) = ended.try_into_panic() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn supervise(starter: &Starter, placement: &Placement) -> Result<(Supervisor, Notice), Error> {
    let mut child = starter.start(placement)?;
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

/// From a supervisor to the end of its task.
async fn follow(sandbox: Sandbox, key: TaskKey, supervisor: Supervisor, notice: Notice, inputs: mpsc::Sender<Input>) {
    // A closed channel means that the agent is leaving: nobody needs to know.
    let mut running = std::pin::pin!(watch::running(&sandbox, &supervisor, notice));
    let runs = if let Ok(runs) = timeout(START_PATIENCE, &mut running).await {
        runs
    } else {
        let _ = inputs.send(Input::Slow { key: key.clone() }).await;
        running.await
    };
    if runs {
        let _ = inputs.send(Input::Running { key: key.clone() }).await;
    }
    let ended = watch::ended(sandbox.clone(), supervisor.clone()).await;
    let _ = inputs.send(Input::Ended { key, ended }).await;
}

async fn adopt(sandbox: Sandbox, key: TaskKey, begun: Begun, inputs: mpsc::Sender<Input>) {
    match watch::adopt(&sandbox, begun).await {
        Ok(supervisor) => {
            let _ = inputs.send(Input::Supervised { key: key.clone(), supervisor: supervisor.clone() }).await;
            follow(sandbox, key, supervisor, Notice::File, inputs).await;
        }
        Err(ended) => {
            let _ = inputs.send(Input::Ended { key, ended }).await;
        }
    }
}

/// The end of a task that was not started.
pub(crate) fn cannot_start(error: &Error) -> Ended {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let end = EndV1 { message: Some(message), ..error.end() };
    Ended { state: TaskState::Failed, end, observed: now() }
}

#[cfg(test)]
mod tests {
    use log_schema::{AgentId, Incarnation, Offset, Resources, TaskId};

    use super::*;
    use crate::{cgroup::Layout, output::Kept};

    fn placement(task: &str) -> Box<Placement> {
        let key = TaskKey { task: TaskId::new(task).expect("a legal id"), incarnation: Incarnation(1) };
        Box::new(Placement { key, at: Offset(1), to: Offset(0), resources: Resources::default(), run: None })
    }

    #[tokio::test]
    async fn an_agent_begins_no_more_tasks_than_it_has_room_for() {
        let starter = Starter {
            agent: AgentId::new("a1").expect("a legal id"),
            sandboxes: "nowhere".into(),
            supervisor_command: Vec::new(),
            layout: Layout::none("not wanted"),
            output: Kept::default(),
            agent_lock: "nowhere".into(),
        };
        let room = Room { tasks_max: 2, starts_max: 1, ..Room::find(1) };
        let mut tasks = Tasks::new(starter, room, Running::default(), Handle::current(), mpsc::channel(1).0);
        for task in ["a.0", "b.0", "c.0", "d.0"] {
            tasks.queue(placement(task));
        }
        let mut next = || tasks.next_start().map(|placement| placement.key);
        let first = next().expect("there is room");
        assert_eq!(next(), None, "one start at a time");
        tasks.runs(&first);
        let second = tasks.next_start().expect("there is room for two tasks").key;
        tasks.runs(&second);
        assert!(tasks.next_start().is_none(), "there is room for two tasks only");
        // One that waits takes no room, so its end makes none.
        let waiting = placement("c.0").key;
        assert!(tasks.kill(&waiting, None).is_some() && tasks.ended(&waiting));
        assert!(tasks.next_start().is_none());
        assert!(tasks.ended(&first));
        assert_eq!(tasks.next_start().expect("there is room again").key, placement("d.0").key);
    }
}
