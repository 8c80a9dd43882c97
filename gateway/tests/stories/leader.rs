//! A leader that follows a script: it places every task on the first agent, and offers what is left of
//! each agent to one framework at a time.
//!
//! It is no allocator: it only decides what the stories need, and never twice in another way. It keeps
//! no time, so that the stories can count every event.

use std::{collections::BTreeMap, sync::Arc};

use command_log::{
    Follower, Log,
    reader::{Reader, Verdict},
};
use log_schema::{
    AgentId, AgentIdentity, AnswerV1, Command, DecisionV1, Envelope, EpochNumber, EpochV1, Event, FrameworkId,
    Incarnation, JobId, OfferId, Offset, Principal, Refusal, Resources, TaskId, decision::AskedV1, event::*,
    job::JobSpecV1,
};

/// What the leader remembers.
#[derive(Default)]
pub struct Leader {
    /// What is left of each agent: neither held by a task nor offered.
    agents: BTreeMap<AgentId, Resources>,
    identities: BTreeMap<AgentId, AgentIdentity>,
    jobs: BTreeMap<JobId, JobSpecV1>,
    tasks: BTreeMap<TaskId, (AgentId, Incarnation)>,
    /// The offers that stand.
    offers: BTreeMap<OfferId, (AgentId, Resources)>,
    offers_made: u64,
    frameworks: Vec<FrameworkId>,
    keys: BTreeMap<AskedV1, Offset>,
    incarnations: u64,
}

type Said = Result<Vec<Event>, Refusal>;

/// Claims the next epoch.
pub async fn claim(log: &dyn Log, epoch: u64) {
    let claim = EpochV1 { epoch: EpochNumber(epoch), node: Principal::new("n1").unwrap(), logic_version: 1 };
    log.append(vec![claim.to_record()]).await.expect("a log in memory takes all");
}

/// Claims the first epoch, then answers every command as it comes.
pub async fn lead(log: Arc<dyn Log>) {
    claim(&*log, 1).await;
    let mut follower = Follower::new(Arc::clone(&log), Offset(0));
    let (mut reader, mut leader) = (Reader::new(), Leader::default());
    loop {
        let mut answers = Vec::new();
        for stored in follower.next_batch().await.expect("a log in memory can be read") {
            let verdict = reader.judge(&stored).expect("the script follows the rule");
            if verdict == Verdict::Command {
                answers.push(leader.answer(stored.offset, Command::from_record(&stored.record)));
            }
        }
        if !answers.is_empty() {
            let decision = decision(&reader, answers);
            log.append(vec![decision.to_record()]).await.expect("a log in memory takes all");
        }
    }
}

/// The decision that answers everything which the reader has judged.
pub fn decision(reader: &Reader, answers: Vec<AnswerV1>) -> DecisionV1 {
    let to = reader.next().previous().expect("something was judged");
    let chain = reader.chain_at(to).expect("it is undecided");
    DecisionV1 { epoch: reader.epoch(), from: reader.first_undecided(), to, chain, answers }
}

impl Leader {
    fn answer(&mut self, at: Offset, command: Result<(Envelope, Command), log_schema::command::Error>) -> AnswerV1 {
        let (envelope, command) = command.expect("the stories send whole commands");
        let asked = AskedV1 { principal: envelope.principal, key: envelope.key, digest: 0 };
        let mut answer = AnswerV1 { at, asked: Some(asked.clone()), refusal: None, repeats: None, events: Vec::new() };
        if let Some(first) = self.keys.get(&asked) {
            answer.repeats = Some(*first);
            return answer;
        }
        let by = asked.principal.clone();
        self.keys.insert(asked, at);
        match self.decide(command, by) {
            Ok(events) => answer.events = events,
            Err(refusal) => answer.refusal = Some(refusal),
        }
        answer
    }

    fn decide(&mut self, command: Command, owner: Principal) -> Said {
        match command {
            Command::SubmitJob(c) => self.submit(c.job),
            Command::StopJob(c) if !self.jobs.contains_key(&c.job) => Err(Refusal::JobUnknown { job: c.job }),
            Command::StopJob(c) => Ok(vec![Event::JobStopping(JobStoppingV1 { job: c.job, grace_ms: c.grace_ms })]),
            Command::KillTask(c) => match self.tasks.get(&c.task).cloned() {
                Some((agent, incarnation)) => Ok(vec![Event::TaskKillRequested(TaskKillRequestedV1 {
                    task: c.task,
                    incarnation,
                    agent,
                    grace_ms: c.grace_ms,
                    purpose: log_schema::event::KillPurpose::Asked,
                })]),
                None => Err(Refusal::TaskUnknown { task: c.task }),
            },
            Command::ReportAgent(c) => self.report(c),
            Command::UpdateTaskStatus(c) => Ok(vec![Event::TaskStatusChanged(TaskStatusChangedV1 {
                task: c.task,
                incarnation: c.incarnation,
                agent: c.agent,
                state: c.state,
                end: c.end,
            })]),
            Command::SubscribeFramework(c) => Ok(self.subscribe(c.framework, c.role, owner)),
            Command::AcceptOffers(c) => self.accept(c),
            Command::DeclineOffers(c) => self.decline(c),
            Command::SetRole(c) => Ok(vec![Event::RoleSet(RoleSetV1 { role: c.role, weight: c.weight })]),
            Command::Tick(c) => Ok(vec![Event::TimeAdvanced(TimeAdvancedV1 { now: c.now })]),
            _ => Ok(Vec::new()),
        }
    }

    fn submit(&mut self, spec: JobSpecV1) -> Said {
        if self.jobs.contains_key(&spec.id) {
            return Err(Refusal::JobExists { job: spec.id });
        }
        let mut events = vec![Event::JobAccepted(Box::new(JobAcceptedV1 { spec: spec.clone() }))];
        if let Some(agent) = self.agents.keys().next().cloned() {
            for index in 0..spec.count {
                events.push(self.place(TaskId::of_job(&spec.id, index), &agent, spec.resources.clone(), None));
            }
        }
        self.jobs.insert(spec.id.clone(), spec);
        Ok(events)
    }

    fn place(
        &mut self,
        task: TaskId,
        agent: &AgentId,
        resources: Resources,
        run: Option<Box<log_schema::job::RunSpecV1>>,
    ) -> Event {
        // The script looks at no limit: where an agent holds too much, nothing is left to offer.
        let left = self.agents.get_mut(agent).expect("placed on an admitted agent");
        *left = left.checked_sub(&resources).unwrap_or_default();
        self.incarnations += 1;
        let incarnation = Incarnation(self.incarnations);
        self.tasks.insert(task.clone(), (agent.clone(), incarnation));
        Event::TaskPlaced(TaskPlacedV1 { task, incarnation, agent: agent.clone(), resources, run })
    }

    fn report(&mut self, report: log_schema::command::ReportAgentV1) -> Said {
        let log_schema::command::ReportAgentV1 { agent, capacity, attributes, tasks_max, identity, .. } = report;
        match (self.identities.get(&agent).cloned(), &identity) {
            (Some(holder), Some(identity)) if holder != *identity => {
                return Err(Refusal::AgentIdentityTaken { agent, identity: identity.clone(), holder });
            }
            (_, Some(identity)) => drop(self.identities.insert(agent.clone(), identity.clone())),
            (_, None) => {}
        }
        if self.agents.contains_key(&agent) {
            return Ok(Vec::new());
        }
        let number = u32::try_from(self.agents.len()).unwrap();
        self.agents.insert(agent.clone(), capacity.clone());
        let admitted = AgentAdmittedV1 { agent: agent.clone(), number, capacity, attributes, tasks_max };
        let identified = identity.map(|identity| Event::AgentIdentified(AgentIdentifiedV1 { agent, identity }));
        Ok([Event::AgentAdmitted(admitted)].into_iter().chain(identified).collect())
    }

    fn subscribe(&mut self, framework: FrameworkId, role: log_schema::RoleName, owner: Principal) -> Vec<Event> {
        self.frameworks.push(framework.clone());
        let subscribed = FrameworkSubscribedV1 { framework: framework.clone(), role, owner };
        let mut events = vec![Event::FrameworkSubscribed(subscribed)];
        events.extend(self.offer_what_is_left(&framework));
        events
    }

    /// Offers to one framework what is left of every agent.
    fn offer_what_is_left(&mut self, framework: &FrameworkId) -> Vec<Event> {
        let mut events = Vec::new();
        for (agent, left) in self.agents.iter_mut().filter(|(_, left)| !left.is_empty()) {
            self.offers_made += 1;
            let (offer, agent, resources) = (OfferId(self.offers_made), agent.clone(), std::mem::take(left));
            self.offers.insert(offer, (agent.clone(), resources.clone()));
            events.push(Event::OfferMade(OfferMadeV1 { offer, framework: framework.clone(), agent, resources }));
        }
        events
    }

    /// Ends the offers, and offers the same to the first other framework.
    fn decline(&mut self, decline: log_schema::command::DeclineOffersV1) -> Said {
        let ends = decline.offers.into_iter().map(|offer| self.end(offer, OfferEnd::Declined));
        let mut events = ends.collect::<Result<Vec<_>, _>>()?;
        if let Some(other) = self.frameworks.iter().find(|other| **other != decline.framework).cloned() {
            events.extend(self.offer_what_is_left(&other));
        }
        Ok(events)
    }

    fn accept(&mut self, accept: log_schema::command::AcceptOffersV1) -> Said {
        let mut events = Vec::new();
        let mut agent = None;
        for offer in accept.offers {
            agent = self.offers.get(&offer).map(|(agent, _)| agent.clone());
            events.push(self.end(offer, OfferEnd::Accepted)?);
        }
        let agent = agent.ok_or(Refusal::OffersEmpty {})?;
        for launch in accept.launches {
            let task = TaskId::of_framework(&accept.framework, &launch.name).expect("the stories name tasks well");
            events.push(self.place(task, &agent, launch.resources, Some(Box::new(launch.run))));
        }
        Ok(events)
    }

    fn end(&mut self, offer: OfferId, reason: OfferEnd) -> Result<Event, Refusal> {
        let (agent, resources) = self.offers.remove(&offer).ok_or(Refusal::OfferUnknown { offer })?;
        let left = self.agents.get_mut(&agent).expect("offered of an admitted agent");
        *left = left.checked_add(&resources).expect("it was taken from there");
        Ok(Event::OfferEnded(OfferEndedV1 { offer, reason }))
    }
}
