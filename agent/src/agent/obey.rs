//! From decisions to deeds. Obeying twice changes nothing.

use command_log::remote::protocol::LinkStored;
use log_schema::{AgentId, DecisionV1, Event, JobId, Offset, TaskOwner, event::TaskPlacedV1, job::RunSpecV1};

use super::{Agent, Error};
use crate::{
    sandbox::TaskKey,
    start::Placement,
    status::{Report, Status},
};

/// What a decision tells this agent to do.
enum Order {
    /// Remember what a job runs.
    Learn { job: JobId, run: Box<RunSpecV1> },
    /// The job is over.
    Forget { job: JobId },
    /// Start a task.
    Start(Box<Placement>),
    /// End a task that the cell wants ended; it waits for the report.
    Kill(TaskKey, Option<u64>),
    /// End a task that the cell has given up, if it is still alive.
    Abandon(TaskKey),
    /// The cell does not know this agent any more.
    Removed,
    /// The cell thinks that this agent is silent.
    ThoughtSilent,
}

impl Agent {
    /// Obeys what counts of these records, then notes how far that was.
    pub(super) fn obey(&mut self, records: &[LinkStored]) -> Result<(), Error> {
        // Before the first `Expected` there is nothing that these could follow.
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let mut orders = Vec::new();
        for stored in records {
            if let Some(decision) = reader.judge(stored)? {
                warn_of_refusals(&decision);
                orders.extend(self::orders(&decision, stored.offset, &self.id));
            }
        }
        let orders = self.sift(orders);
        let starts = orders.iter().filter_map(Order::start).collect::<Vec<_>>();
        if !starts.is_empty() {
            self.journal.begin(&starts);
        }
        for order in orders {
            self.carry_out(order);
        }
        self.start_next();
        self.note_position();
        self.reconcile_if_due();
        Ok(())
    }

    /// Learns what jobs run, tells it to placements, and drops placements that are over or were begun.
    fn sift(&mut self, orders: Vec<Order>) -> Vec<Order> {
        let mut sifted = Vec::with_capacity(orders.len());
        for order in orders {
            match order {
                Order::Learn { job, run } => {
                    self.jobs.insert(job, *run);
                }
                Order::Forget { job } => {
                    self.jobs.remove(&job);
                }
                Order::Start(placement) => sifted.extend(self.sift_start(placement).map(Order::Start)),
                other @ (Order::Kill(..) | Order::Abandon(_) | Order::Removed | Order::ThoughtSilent) => {
                    sifted.push(other);
                }
            }
        }
        sifted
    }

    fn sift_start(&mut self, mut placement: Box<Placement>) -> Option<Box<Placement>> {
        let Placement { ref key, to, .. } = *placement;
        let over = self.expected.as_ref().is_some_and(|expected| expected.is_over(key, to));
        let is_lost = self.lost.contains_key(key);
        if over || (self.journal.known(key).is_some() && !is_lost) {
            return None;
        }
        if let (None, TaskOwner::Job { job, .. }) = (&placement.run, key.task.owner()) {
            placement.run = self.jobs.get(&JobId::new(job).ok()?).cloned();
        }
        if let Some(next) = self.lost.get_mut(&placement.key) {
            // A number that the cell gives for the second time: begun when the lost start has ended.
            *next = Some(placement);
            return None;
        }
        Some(placement)
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Learn { .. } | Order::Forget { .. } => {}
            Order::Start(placement) => self.tasks.queue(placement),
            // It has not begun: its place is taken by a lost start of the same number.
            Order::Kill(key, _) if self.lost.contains_key(&key) => {
                self.lost.insert(key.clone(), None);
                self.report_unknown(key);
            }
            Order::Kill(key, _) if self.journal.known(&key).is_none() => self.report_unknown(key),
            Order::Kill(key, grace_ms) => self.kill(key, grace_ms),
            Order::Abandon(key) => self.kill(key, None),
            Order::Removed => {
                tracing::warn!(agent = %self.id, "the cell removed this agent; ending its tasks and joining again");
                for key in self.tasks.alive() {
                    self.kill(key, None);
                }
                self.announce();
            }
            Order::ThoughtSilent => self.announce(),
        }
    }

    /// Begins starts that wait, as many as there are places.
    pub(super) fn start_next(&mut self) {
        while let Some(placement) = self.tasks.next_start() {
            match self.prepare(&placement.key) {
                Ok(()) => self.tasks.start(placement),
                Err(ended) => self.task_ended(placement.key, ended),
            }
        }
    }

    /// Ends a task; one whose start still waits has ended by that.
    pub(super) fn kill(&mut self, key: TaskKey, grace_ms: Option<u64>) {
        if let Some(ended) = self.tasks.kill(&key, grace_ms) {
            self.task_ended(key, ended);
        }
    }

    pub(super) fn report_unknown(&mut self, key: TaskKey) {
        self.reports.add(Report::Status(Status::ended(key, super::reconcile::unknown(), None)));
    }

    /// Notes how far the agent obeyed, on the disk and for the next connection.
    pub(super) fn note_position(&mut self) {
        let Some(position) = self.reader.and_then(|reader| reader.position()) else { return };
        if self.journal.position() != Some(position) {
            self.journal.obeyed(position);
            *self.position.lock().expect("nobody panics while holding a position") = Some(position);
        }
    }
}

impl Order {
    fn start(&self) -> Option<(TaskKey, Offset, Offset)> {
        match self {
            Self::Start(placement) => Some((placement.key.clone(), placement.at, placement.to)),
            _ => None,
        }
    }
}

fn warn_of_refusals(decision: &DecisionV1) {
    for answer in &decision.answers {
        if let Some(refusal) = &answer.refusal {
            tracing::warn!(at = %answer.at, %refusal, "the cell refused a command of this agent");
        }
    }
}

fn orders(decision: &DecisionV1, at: Offset, me: &AgentId) -> Vec<Order> {
    decision.events().filter_map(|event| order(event, at, decision.to, me)).collect()
}

/// What one event means here; most mean nothing.
fn order(event: &Event, at: Offset, to: Offset, me: &AgentId) -> Option<Order> {
    match event {
        Event::JobAccepted(body) => {
            Some(Order::Learn { job: body.spec.id.clone(), run: Box::new(body.spec.run.clone()) })
        }
        Event::JobEnded(body) => Some(Order::Forget { job: body.job.clone() }),
        Event::TaskPlaced(body) if body.agent == *me => Some(Order::Start(Box::new(placement(body, at, to)))),
        Event::TaskKillRequested(body) if body.agent == *me => {
            Some(Order::Kill(TaskKey { task: body.task.clone(), incarnation: body.incarnation }, body.grace_ms))
        }
        Event::TaskStatusChanged(body) if body.agent == *me && body.state.is_terminal() => {
            Some(Order::Abandon(TaskKey { task: body.task.clone(), incarnation: body.incarnation }))
        }
        Event::AgentRemoved(body) if body.agent == *me => Some(Order::Removed),
        Event::AgentUnreachable(body) if body.agent == *me => Some(Order::ThoughtSilent),
        // Everything else is about somebody else, or changes nothing on this machine.
        _ => None,
    }
}

fn placement(body: &TaskPlacedV1, at: Offset, to: Offset) -> Placement {
    let key = TaskKey { task: body.task.clone(), incarnation: body.incarnation };
    let run = body.run.as_deref().cloned();
    Placement { key, at, to, resources: body.resources.clone(), run }
}
