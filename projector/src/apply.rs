//! What each event changes: one table, every event, nothing hidden behind `_`.

use log_schema::{
    AgentId, Event, FrameworkId, JobId, RoleName, TaskId, TaskOwner, TaskState,
    event::{
        AgentAdmittedV1, AgentChangedV1, FrameworkSubscribedV1, JobAcceptedV1, JobEndedV1, JobScaledV1, OfferEndedV1,
        OfferMadeV1, TaskPlacedV1, TaskRestartScheduledV1, TaskStatusChangedV1, TaskWithdrawnV1,
    },
};

use crate::{
    fold::{Fault, Now, Tables},
    row::{
        AgentRow, AgentState, FrameworkState, Phase, TaskCounts, TaskRunRow, agent, cell, filter, framework, job,
        offer, role, task, usage,
    },
};

type Done = Result<(), Fault>;

impl Tables {
    /// Applies one event to every row that it changes.
    pub(crate) fn apply(&mut self, now: &Now, event: &Event) -> Done {
        match event {
            Event::TimeAdvanced(e) => cell::time_advanced(&mut self.cell, e.now),

            Event::AgentAdmitted(e) => self.agent_admitted(now, e),
            Event::AgentChanged(e) => self.agent_changed(now, e),
            Event::AgentOvercommitted(e) => self.agent_health(&e.agent, |row| row.overcommitted = true),
            Event::AgentRelieved(e) => self.agent_health(&e.agent, |row| row.overcommitted = false),
            Event::AgentStartFailed(e) => self.agent_health(&e.agent, |row| agent::start_failed(row, e)),
            Event::AgentStartForgiven(e) => self.agent_health(&e.agent, |row| agent::start_forgiven(row, &e.task)),
            Event::AgentSuspended(e) => self.agent_health(&e.agent, |row| row.suspended = true),
            Event::AgentResumed(e) => self.agent_health(&e.agent, |row| row.suspended = false),
            Event::AgentPortsHeld(e) => {
                self.agent_health(&e.agent, |row| row.ports_held = row.ports_held.union(&e.ports))
            }
            Event::AgentPortsFreed(e) => {
                self.agent_health(&e.agent, |row| row.ports_held = row.ports_held.minus(&e.ports))
            }
            Event::AgentUnreachable(e) => self.agent_moved(now, &e.agent, AgentState::Unreachable),
            Event::AgentReturned(e) => self.agent_moved(now, &e.agent, AgentState::Up),
            Event::AgentIdentified(e) => agent::identified(&mut self.agents, e),
            Event::AgentStrayed(e) => agent::strayed(&mut self.agents, now, e),
            Event::AgentLeaving(e) => self.agent_moved(now, &e.agent, AgentState::Leaving),
            Event::AgentRemoved(e) => self.agent_moved(now, &e.agent, AgentState::Removed),

            Event::JobAccepted(e) => self.job_accepted(now, e),
            Event::JobScaled(e) => self.job_scaled(now, e),
            Event::JobStopping(e) => self.job_stopping(now, &e.job),
            Event::JobEnded(e) => self.job_ended(now, e),
            Event::JobForgotten(e) => job::forgotten(&mut self.jobs, &e.job),
            Event::PlacementDeferred(e) => job::deferred(&mut self.jobs, now, e),

            Event::TaskPlaced(e) => self.task_placed(now, e),
            Event::TaskStatusChanged(e) => self.task_status_changed(now, e),
            Event::TaskKillRequested(e) => task::kill_requested(&mut self.tasks, now, e),
            Event::TaskRestartScheduled(e) => self.task_restart_scheduled(now, e),
            Event::TaskRestartDue(e) => self.task_restart_due(now, &e.task),
            Event::TaskRestartForgotten(e) => task::restart_forgotten(&mut self.tasks, e),
            Event::TaskWithdrawn(e) => self.task_withdrawn(now, e),
            Event::TaskForgotten(e) => task::forgotten(&mut self.tasks, &e.task),

            Event::FrameworkSubscribed(e) => self.framework_subscribed(now, e),
            Event::FrameworkEnding(e) => self.framework_moved(now, &e.framework, FrameworkState::Ending),
            Event::FrameworkRemoved(e) => self.framework_moved(now, &e.framework, FrameworkState::Removed),
            Event::OffersSuppressed(e) => framework::suppressed(&mut self.frameworks, &e.framework, true),
            Event::OffersRevived(e) => framework::suppressed(&mut self.frameworks, &e.framework, false),
            Event::FilterSet(e) => filter::set(&mut self.frameworks, &mut self.filters, now, e),
            Event::FilterExpired(e) => filter::expired(&mut self.filters, e),
            Event::OfferMade(e) => self.offer_made(now, e),
            Event::OfferEnded(e) => self.offer_ended(now, e),

            Event::RoleSet(e) => role::named(&mut self.roles, &e.role).map(|row| row.weight = e.weight),
            Event::ParametersSet(e) => cell::parameters_set(&mut self.cell, now, e),
            Event::LogicActivated(e) => cell::logic_activated(&mut self.cell, now, e.version),
        }
    }

    fn agent_admitted(&mut self, now: &Now, event: &AgentAdmittedV1) -> Done {
        agent::admitted(&mut self.agents, now, event)?;
        usage::agent_enters(usage::now(&mut self.usage, now)?, AgentState::Up, &event.capacity)
    }

    fn agent_changed(&mut self, now: &Now, event: &AgentChangedV1) -> Done {
        let state = self.agents.expect(&event.agent)?.state;
        let before = agent::changed(&mut self.agents, event)?;
        let row = usage::now(&mut self.usage, now)?;
        usage::agent_leaves(row, state, &before)?;
        usage::agent_enters(row, state, &event.capacity)
    }

    fn agent_health(&mut self, agent: &AgentId, change: impl FnOnce(&mut AgentRow)) -> Done {
        self.agents.must(agent).map(change)
    }

    fn agent_moved(&mut self, now: &Now, agent: &AgentId, to: AgentState) -> Done {
        let before = agent::moved(&mut self.agents, now, agent, to)?;
        let capacity = &self.agents.expect(agent)?.capacity;
        let row = usage::now(&mut self.usage, now)?;
        usage::agent_leaves(row, before, capacity)?;
        usage::agent_enters(row, to, capacity)
    }

    fn job_accepted(&mut self, now: &Now, event: &JobAcceptedV1) -> Done {
        let before = job::accepted(&mut self.jobs, &mut self.job_specs, &mut self.tasks, now, event)?;
        let counted = before.map_or_else(TaskCounts::default, |job| job.tasks);
        self.job_counted(now, &event.spec.id, &counted)?;
        role::named(&mut self.roles, &event.spec.role)?.jobs += 1;
        usage::now(&mut self.usage, now)?.jobs += 1;
        Ok(())
    }

    fn job_scaled(&mut self, now: &Now, event: &JobScaledV1) -> Done {
        let counted = self.jobs.expect(&event.job)?.tasks;
        job::scaled(&mut self.jobs, &mut self.tasks, now, event)?;
        self.job_counted(now, &event.job, &counted)
    }

    fn job_stopping(&mut self, now: &Now, job: &JobId) -> Done {
        let counted = self.jobs.expect(job)?.tasks;
        job::stopping(&mut self.jobs, now, job)?;
        self.job_counted(now, job, &counted)
    }

    fn job_counted(&mut self, now: &Now, job: &JobId, before: &TaskCounts) -> Done {
        let after = self.jobs.expect(job)?.tasks;
        usage::tasks_counted(usage::now(&mut self.usage, now)?, before, &after)
    }

    fn job_ended(&mut self, now: &Now, event: &JobEndedV1) -> Done {
        let role = job::ended(&mut self.jobs, now, &event.job, event.outcome)?;
        let jobs = &mut role::named(&mut self.roles, &role)?.jobs;
        *jobs = crate::ledger::less(*jobs, 1, "jobs of a role")?;
        let jobs = &mut usage::now(&mut self.usage, now)?.jobs;
        *jobs = crate::ledger::less(*jobs, 1, "jobs")?;
        Ok(())
    }

    fn task_placed(&mut self, now: &Now, event: &TaskPlacedV1) -> Done {
        let TaskPlacedV1 { task, agent, resources, run, .. } = event;
        let from = task::placed(&mut self.tasks, now, event)?;
        if let Some(run) = run {
            self.task_runs.put(TaskRunRow { task: task.clone(), run: (**run).clone() })?;
        }
        let role = self.task_stepped(now, task, from, Phase::Placed)?;
        if let Some(framework) = framework_of(task) {
            framework::task_taken(self.frameworks.must(&framework)?, resources)?;
        }
        agent::task_taken(&mut self.agents, agent, resources)?;
        role::task_taken(&mut self.roles, &role, resources)?;
        crate::ledger::add_scalars(&mut usage::now(&mut self.usage, now)?.used, resources)
    }

    fn task_status_changed(&mut self, now: &Now, event: &TaskStatusChangedV1) -> Done {
        let (from, freed) = task::status_changed(&mut self.tasks, now, event)?;
        let role = self.task_stepped(now, &event.task, Some(from), event.state.into())?;
        if event.state == TaskState::Running {
            self.agent_health(&event.agent, agent::start_succeeded)?;
        }
        let Some(freed) = freed else { return Ok(()) };
        if let Some(framework) = framework_of(&event.task) {
            framework::task_freed(self.frameworks.must(&framework)?, &freed)?;
        }
        agent::task_freed(&mut self.agents, &event.agent, &freed)?;
        role::task_freed(&mut self.roles, &role, &freed)?;
        usage::run_ended(usage::now(&mut self.usage, now)?, event.state, &freed)
    }

    /// Counts a task off one phase and onto another, for its job or framework and the cell. Returns its role.
    fn task_stepped(&mut self, now: &Now, task: &TaskId, from: Option<Phase>, to: Phase) -> Result<RoleName, Fault> {
        let (counted, role) = match task.owner() {
            TaskOwner::Job { job, index } => {
                let job = self.jobs.must(&JobId::new(job).expect("part of a task id"))?;
                (Some(job::task_stepped(job, index, from, to)?), job.role.clone())
            }
            TaskOwner::Framework { framework, .. } => {
                let framework = self.frameworks.must(&FrameworkId::new(framework).expect("part of a task id"))?;
                framework::task_stepped(framework, from, to)?;
                (from, framework.role.clone())
            }
        };
        let tasks = &mut usage::now(&mut self.usage, now)?.tasks;
        tasks.give(to, 1);
        counted.map_or(Ok(()), |from| tasks.take(from, 1))?;
        Ok(role)
    }

    fn task_restart_scheduled(&mut self, now: &Now, event: &TaskRestartScheduledV1) -> Done {
        let (from, to) = task::restart_scheduled(&mut self.tasks, now, event)?;
        self.task_stepped(now, &event.task, Some(from), to)?;
        if let TaskOwner::Job { job, .. } = event.task.owner() {
            self.jobs.must(&JobId::new(job).expect("part of a task id"))?.restarts += 1;
        }
        Ok(())
    }

    fn task_restart_due(&mut self, now: &Now, task: &TaskId) -> Done {
        let from = task::restart_due(&mut self.tasks, now, task)?;
        self.task_stepped(now, task, Some(from), Phase::Waiting).map(drop)
    }

    fn task_withdrawn(&mut self, now: &Now, event: &TaskWithdrawnV1) -> Done {
        let from = task::withdrawn(&mut self.tasks, now, event)?;
        self.task_stepped(now, &event.task, from, Phase::Withdrawn).map(drop)
    }

    fn framework_subscribed(&mut self, now: &Now, event: &FrameworkSubscribedV1) -> Done {
        if framework::subscribed(&mut self.frameworks, now, event)? {
            role::named(&mut self.roles, &event.role)?.frameworks += 1;
            usage::now(&mut self.usage, now)?.frameworks += 1;
        }
        Ok(())
    }

    fn framework_moved(&mut self, now: &Now, framework: &FrameworkId, to: FrameworkState) -> Done {
        let role = framework::moved(&mut self.frameworks, now, framework, to)?;
        if to == FrameworkState::Removed {
            let members = &mut role::named(&mut self.roles, &role)?.frameworks;
            *members = crate::ledger::less(*members, 1, "frameworks of a role")?;
            let frameworks = &mut usage::now(&mut self.usage, now)?.frameworks;
            *frameworks = crate::ledger::less(*frameworks, 1, "frameworks")?;
        }
        Ok(())
    }

    fn offer_made(&mut self, now: &Now, event: &OfferMadeV1) -> Done {
        let OfferMadeV1 { framework, agent, resources, .. } = event;
        offer::made(&mut self.offers, now, event)?;
        let framework = self.frameworks.must(framework)?;
        framework::offer_made(framework, resources)?;
        agent::offer_made(&mut self.agents, agent, resources)?;
        role::offer_made(&mut self.roles, &framework.role, resources)?;
        let usage = usage::now(&mut self.usage, now)?;
        usage.offers += 1;
        crate::ledger::add_scalars(&mut usage.offered, resources)
    }

    fn offer_ended(&mut self, now: &Now, event: &OfferEndedV1) -> Done {
        let offer = offer::ended(&mut self.offers, now, event)?;
        let framework = self.frameworks.must(&offer.framework)?;
        framework::offer_ended(framework, &offer.resources)?;
        agent::offer_ended(&mut self.agents, &offer.agent, &offer.resources)?;
        role::offer_ended(&mut self.roles, &framework.role, &offer.resources)?;
        let usage = usage::now(&mut self.usage, now)?;
        usage.offers = crate::ledger::less(usage.offers, 1, "offers")?;
        crate::ledger::sub_scalars(&mut usage.offered, &offer.resources)
    }
}

fn framework_of(task: &TaskId) -> Option<FrameworkId> {
    match task.owner() {
        TaskOwner::Job { .. } => None,
        TaskOwner::Framework { framework, .. } => Some(FrameworkId::new(framework).expect("part of a task id")),
    }
}
