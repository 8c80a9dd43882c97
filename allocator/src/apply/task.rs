//! Folds what happens to tasks.

use log_schema::{
    Resources, TaskId, TaskOwner, TaskState,
    event::{
        KillPurpose, TaskForgottenV1, TaskKillRequestedV1, TaskPlacedV1, TaskRestartDueV1, TaskRestartForgottenV1,
        TaskRestartScheduledV1, TaskStatusChangedV1, TaskWithdrawnV1,
    },
    job::{JobKind, RESTART_COUNTS_MS},
};

use crate::state::{
    State,
    frameworks::{FrameworkNo, FrameworkTask},
    jobs::{Counted, JobNo},
    roles::change_amounts,
    task::{Phase, Task, TaskRef},
    timers::Due,
};

impl State {
    pub(crate) fn task_placed(&mut self, event: &TaskPlacedV1) {
        let TaskPlacedV1 { task, incarnation, agent, resources, run: _ } = event;
        let agent = self.agent_no(agent);
        let task_ref = self.task_ref(task);
        self.use_share(&task_ref, resources, true);
        assert!(incarnation.0 == self.starts + 1, "starts are numbered in order");
        self.starts = incarnation.0;
        let host = self.agents.get_mut(agent);
        host.allocated.try_add(resources).expect("what is free is not allocated");
        host.tasks.insert(&task_ref);
        self.take_room(agent, resources);
        let place = |task: &mut Task| {
            task.phase = Phase::Active(TaskState::Placed);
            task.incarnation = *incarnation;
            task.agent = agent;
            task.resources = resources.clone();
            task.kill_requested = false;
            task.restart_requested = false;
        };
        match task_ref {
            TaskRef::Job { job, index } => self.job_task_placed(job, index, place),
            TaskRef::Framework { framework, name } => {
                let framework = self.frameworks.get_mut(framework);
                let mut task = Task { doomed: false, ..Task::withdrawn() };
                place(&mut task);
                framework.tasks.insert(name.clone(), FrameworkTask { task, forget: None });
                framework.alive.insert(name);
                framework.active += 1;
            }
        }
    }

    fn job_task_placed(&mut self, number: JobNo, index: u32, place: impl Fn(&mut Task)) {
        let job = self.jobs.get_mut(number);
        if !job.again.remove(&index) {
            assert_eq!(index, job.fresh(), "fresh tasks are placed in order");
            job.start_fresh();
        }
        place(job.task_mut(index));
        job.active += 1;
        job.list(index);
        job.placed_in_turn += 1;
        self.job_changed(number);
    }

    pub(crate) fn task_status_changed(&mut self, event: &TaskStatusChangedV1) {
        let task_ref = self.task_ref(&event.task);
        if let TaskRef::Job { job, index } = task_ref {
            self.jobs.get_mut(job).unlist(index);
        }
        let task = self.task_mut(&task_ref);
        let before = task.active().expect("only an active task changes its state");
        assert!(before.may_become(event.state), "task {}: {before} to {}", event.task, event.state);
        if !event.state.is_terminal() {
            task.phase = Phase::Active(event.state);
            let agent = task.agent;
            if let TaskRef::Job { job, index } = task_ref {
                self.jobs.get_mut(job).list(index);
            }
            if event.state == TaskState::Running {
                self.start_succeeded(agent);
            }
            return;
        }
        task.phase = Phase::Ended(event.state);
        let (agent, resources) = (task.agent, std::mem::take(&mut task.resources));
        let host = self.agents.get_mut(agent);
        host.tasks.remove(&task_ref);
        host.allocated.try_sub(&resources).expect("what a task holds is allocated");
        self.free_room(agent, &resources);
        self.use_share(&task_ref, &resources, false);
        self.task_ended(task_ref);
    }

    fn task_ended(&mut self, task_ref: TaskRef) {
        match task_ref {
            TaskRef::Job { job: number, index: _ } => {
                let job = self.jobs.get_mut(number);
                job.active -= 1;
                self.job_changed(number);
            }
            TaskRef::Framework { framework: number, name } => {
                let timer = self.timers.set(self.parameters.ended_kept_ms, Due::ForgetTask(number, name.clone()));
                let framework = self.frameworks.get_mut(number);
                framework.active -= 1;
                framework.alive.remove(&name);
                framework.tasks.get_mut(&name).expect("it just ended").forget = Some(timer);
            }
        }
    }

    pub(crate) fn task_kill_requested(&mut self, event: &TaskKillRequestedV1) {
        let task_ref = self.task_ref(&event.task);
        match &task_ref {
            TaskRef::Job { job: number, index } => {
                let job = self.jobs.get_mut(*number);
                job.unlist(*index);
                job.retire(*index, event.purpose);
                let task = job.task_mut(*index);
                task.kill_requested = true;
                task.restart_requested = event.purpose == KillPurpose::Restart;
                task.doomed = match event.purpose {
                    KillPurpose::Asked => true,
                    KillPurpose::Restart => false,
                    KillPurpose::Surplus => task.doomed,
                };
                job.list(*index);
                self.job_changed(*number);
            }
            TaskRef::Framework { framework, name } => {
                let framework = self.frameworks.get_mut(*framework);
                framework.alive.remove(name);
                framework.tasks.get_mut(name).expect("a task that is killed is known").task.kill_requested = true;
            }
        }
    }

    pub(crate) fn task_restart_scheduled(&mut self, event: &TaskRestartScheduledV1) {
        let (number, index) = self.job_task(&event.task);
        let job = self.jobs.get_mut(number);
        job.retired.remove(&index);
        if index >= job.fresh() {
            job.withdrawn.remove(&index);
            self.job_changed(number);
            return;
        }
        let timer = (event.delay_ms > 0).then(|| self.timers.set(event.delay_ms, Due::Restart(number, index)));
        self.count_restarts(number, index, event.restarts, event.delay_ms);
        let job = self.jobs.get_mut(number);
        let task = job.task_mut(index);
        task.doomed = false;
        task.restart_requested = false;
        task.phase = timer.map_or(Phase::Waiting, Phase::BackingOff);
        let set = if timer.is_some() { &mut job.backing_off } else { &mut job.again };
        set.insert(index);
        self.job_changed(number);
    }

    pub(crate) fn task_restart_forgotten(&mut self, event: &TaskRestartForgottenV1) {
        let (number, index) = self.job_task(&event.task);
        self.forget_restarts(number, index);
        self.jobs.get_mut(number).task_mut(index).restarts = event.restarts;
        if event.restarts > 0 {
            let timer = self.timers.set(RESTART_COUNTS_MS / 2, Due::RestartsForgotten(number, index));
            self.jobs.get_mut(number).counted.insert(index, Counted { timer, early: event.restarts });
        }
    }

    /// Counts the restarts of a task up to the one that was just scheduled. Those of a service are forgotten in time.
    fn count_restarts(&mut self, number: JobNo, index: u32, restarts: u32, delay_ms: u64) {
        let job = self.jobs.get_mut(number);
        job.task_mut(index).restarts = restarts;
        if job.spec.kind == JobKind::Batch {
            return;
        }
        match job.counted.get(&index) {
            _ if restarts == 0 => self.forget_restarts(number, index),
            // Back-off is no healthy running: a long one must not end itself.
            Some(counted) => self.timers.postpone(counted.timer, delay_ms),
            None => {
                let timer = self
                    .timers
                    .set(delay_ms.saturating_add(RESTART_COUNTS_MS / 2), Due::RestartsForgotten(number, index));
                job.counted.insert(index, Counted { timer, early: 0 });
            }
        }
    }

    fn forget_restarts(&mut self, number: JobNo, index: u32) {
        if let Some(counted) = self.jobs.get_mut(number).counted.remove(&index) {
            self.timers.cancel(counted.timer);
        }
    }

    pub(crate) fn task_restart_due(&mut self, event: &TaskRestartDueV1) {
        let (number, index) = self.job_task(&event.task);
        self.stop_backing_off(number, index);
        let job = self.jobs.get_mut(number);
        job.task_mut(index).phase = Phase::Waiting;
        job.again.insert(index);
        self.job_changed(number);
    }

    pub(crate) fn task_withdrawn(&mut self, event: &TaskWithdrawnV1) {
        let (number, index) = self.job_task(&event.task);
        self.stop_backing_off(number, index);
        let job = self.jobs.get_mut(number);
        job.again.remove(&index);
        job.retire(index, event.purpose);
        if index < job.fresh() {
            let task = job.task_mut(index);
            task.phase = Phase::Ended(TaskState::Killed);
            task.doomed = event.purpose == KillPurpose::Asked;
        } else {
            job.withdraw_fresh(index);
        }
        self.job_changed(number);
    }

    pub(crate) fn task_forgotten(&mut self, event: &TaskForgottenV1) {
        let TaskRef::Framework { framework, name } = self.task_ref(&event.task) else {
            panic!("only a framework's task is forgotten by itself")
        };
        let task = self.frameworks.get_mut(framework).tasks.remove(&name).expect("a task that is forgotten was known");
        self.timers.cancel(task.forget.expect("only an ended task is forgotten"));
    }

    fn stop_backing_off(&mut self, number: JobNo, index: u32) {
        let job = self.jobs.get_mut(number);
        if job.backing_off.remove(&index)
            && let Phase::BackingOff(timer) = job.task_mut(index).phase
        {
            self.timers.cancel(timer);
        }
    }

    /// Adds to or takes from what a task's role, and its framework, hold.
    fn use_share(&mut self, task: &TaskRef, resources: &Resources, more: bool) {
        match task {
            TaskRef::Job { job, .. } => self.roles.change(&self.jobs.get(*job).spec.role, resources, more),
            TaskRef::Framework { framework, .. } => self.use_framework_share(*framework, resources, more),
        }
    }

    /// Adds to or takes from what a framework and its role hold.
    pub(crate) fn use_framework_share(&mut self, framework: FrameworkNo, resources: &Resources, more: bool) {
        let framework = self.frameworks.get_mut(framework);
        change_amounts(&mut framework.used, resources, more);
        self.roles.change(&framework.role, resources, more);
    }

    pub(crate) fn task_ref(&self, id: &TaskId) -> TaskRef {
        self.find_task_ref(id).unwrap_or_else(|| panic!("an event names task {id}, whose owner is not there"))
    }

    /// The task by small numbers, if its job or framework is known.
    pub(crate) fn find_task_ref(&self, id: &TaskId) -> Option<TaskRef> {
        match id.owner() {
            TaskOwner::Job { job, index } => self.jobs.number(job).map(|job| TaskRef::Job { job, index }),
            TaskOwner::Framework { framework, name } => {
                let framework = self.frameworks.number(framework)?;
                Some(TaskRef::Framework { framework, name: name.into() })
            }
        }
    }

    /// A task that was placed before, if it is remembered.
    pub fn find_task(&self, task_ref: &TaskRef) -> Option<&Task> {
        match task_ref {
            TaskRef::Job { job, index } => self.jobs.get(*job).task(*index),
            TaskRef::Framework { framework, name } => {
                self.frameworks.get(*framework).tasks.get(name).map(|known| &known.task)
            }
        }
    }

    fn task_mut(&mut self, task_ref: &TaskRef) -> &mut Task {
        match task_ref {
            TaskRef::Job { job, index } => self.jobs.get_mut(*job).task_mut(*index),
            TaskRef::Framework { framework, name } => {
                let known = self.frameworks.get_mut(*framework).tasks.get_mut(name);
                &mut known.expect("an event names a task that was placed").task
            }
        }
    }

    fn job_task(&self, id: &TaskId) -> (JobNo, u32) {
        match self.task_ref(id) {
            TaskRef::Job { job, index } => (job, index),
            TaskRef::Framework { .. } => panic!("only a job's task is restarted or withdrawn"),
        }
    }
}
