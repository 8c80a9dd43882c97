//! Folds what happens to jobs.

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{
    JobId,
    event::{JobAcceptedV1, JobEndedV1, JobForgottenV1, JobScaledV1, JobStoppingV1, PlacementDeferredV1},
    job::JobSpecV1,
};

use crate::state::{
    State,
    agents::amounts_of,
    jobs::{Job, JobNo, Spec, Standing},
    queue::{Ask, Openness, TASKS_PER_TURN, TASKS_PER_TURN_DEFERRED},
    timers::Due,
};

impl State {
    pub(crate) fn job_accepted(&mut self, event: &JobAcceptedV1) {
        let JobSpecV1 { id, kind, role, count, resources, ports, run: _, constraints, restart } = &event.spec;
        let ask = Ask { resources: amounts_of(resources), ports: *ports, constraints: constraints.clone() };
        let number = self.jobs.next_number();
        self.jobs.insert(Job {
            number,
            count: *count,
            span: *count,
            retired: BTreeSet::new(),
            shape: self.queue.shape_for(ask),
            standing: Standing::Running,
            tasks: Vec::new(),
            withdrawn: BTreeSet::new(),
            again: BTreeSet::new(),
            backing_off: BTreeSet::new(),
            alive: BTreeSet::new(),
            active: 0,
            turn: None,
            placed_in_turn: 0,
            deferred: false,
            grace_ms: None,
            counted: BTreeMap::new(),
            spec: Spec { id: id.clone(), kind: *kind, role: role.clone(), restart: *restart },
        });
        self.job_changed(number);
    }

    pub(crate) fn job_scaled(&mut self, event: &JobScaledV1) {
        let number = self.job_no(event.job.as_str());
        let job = self.jobs.get_mut(number);
        job.scale(event.count, event.span);
        self.job_changed(number);
    }

    pub(crate) fn job_stopping(&mut self, event: &JobStoppingV1) {
        let number = self.job_no(event.job.as_str());
        let job = self.jobs.get_mut(number);
        job.standing = Standing::Stopping;
        job.grace_ms = event.grace_ms;
        // Those that were asked to end are asked again, in slices like all others: their grace may be another now.
        for index in 0..job.fresh() {
            job.unlist(index);
            let task = job.task_mut(index);
            (task.kill_requested, task.restart_requested) = (false, false);
            job.list(index);
        }
        self.job_changed(number);
    }

    pub(crate) fn job_ended(&mut self, event: &JobEndedV1) {
        let number = self.job_no(event.job.as_str());
        let timer = self.timers.set(self.parameters.ended_kept_ms, Due::ForgetJob(number));
        let job = self.jobs.get_mut(number);
        job.standing = Standing::Ended(event.outcome, timer);
        std::mem::take(&mut job.counted).into_values().for_each(|counted| self.timers.cancel(counted.timer));
        self.job_changed(number);
        self.queue.release(self.jobs.get(number).shape);
    }

    pub(crate) fn job_forgotten(&mut self, event: &JobForgottenV1) {
        let number = self.job_no(event.job.as_str());
        let job = self.jobs.remove(number);
        let Standing::Ended(_, timer) = job.standing else { panic!("job {} is forgotten before its end", event.job) };
        self.timers.cancel(timer);
    }

    pub(crate) fn placement_deferred(&mut self, event: &PlacementDeferredV1) {
        let number = self.job_no(event.job.as_str());
        let shape = self.jobs.get(number).shape;
        if self.queue.get(shape).openness == Openness::Open {
            self.queue.block(shape);
            let said = |job: &JobNo| self.jobs.get(*job).deferred;
            let unsaid: Vec<_> = self.queue.waiting_with(shape).filter(|job| !said(job)).collect();
            self.unsaid.extend(unsaid);
        }
        self.jobs.get_mut(number).deferred = true;
        self.unsaid.remove(&number);
    }

    pub(crate) fn job_no(&self, name: &str) -> JobNo {
        self.jobs.number(name).unwrap_or_else(|| panic!("an event names job {name}, which is not there"))
    }

    pub(crate) fn job_id(&self, number: JobNo) -> JobId {
        self.jobs.get(number).spec.id.clone()
    }

    /// Keeps the queue and the set of jobs with too many or too few tasks true after a change of a job.
    pub(crate) fn job_changed(&mut self, number: JobNo) {
        let job = self.jobs.get_mut(number);
        let waits = job.waits();
        let turn_max = if job.deferred { TASKS_PER_TURN_DEFERRED } else { TASKS_PER_TURN };
        if let Some(turn) = job.turn.filter(|_| !waits || job.placed_in_turn >= turn_max) {
            job.turn = None;
            job.placed_in_turn = 0;
            self.queue.leave(job.shape, &job.spec.role, turn);
        }
        if waits && job.turn.is_none() {
            job.turn = Some(self.queue.enter(job.shape, &job.spec.role, number));
            if !job.deferred && matches!(self.queue.get(job.shape).openness, Openness::Blocked(_)) {
                self.unsaid.insert(number);
            }
        }
        if !waits {
            job.deferred = false;
            self.unsaid.remove(&number);
        }
        if job.next_surplus().or_else(|| job.next_revival()).is_some() {
            self.surplus.insert(number);
        } else {
            self.surplus.remove(&number);
        }
    }
}
