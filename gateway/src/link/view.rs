//! The filtered log of one agent: epochs, and what decisions say about it.
//!
//! ```text
//!  log    D 0..=2   D 3..=4   D 5..=9   E   D 10..=12
//!  about  a1        -         a1            -            (the agent is a1)
//!  view   D 0..=2             D 3..=9   E   D 10..=12    held back for a while, then sent empty
//! ```

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use command_log::{
    error::chain,
    remote::protocol::{
        CLOSE_OTHER_CELL, CLOSE_OUT_OF_RANGE, CLOSE_STRAYED, COALESCED_MS_MAX, ExpectedTask, FromGateway, LinkRecord,
        LinkStored, MESSAGE_BYTES_MAX, Query, RECORDS_PER_MESSAGE_MAX,
    },
};
use log_schema::{
    AgentId, AnswerV1, Chain, DecisionV1, EpochNumber, Event, JobId, Offset, Refusal, TaskOwner, TimeMs,
    event::JobAcceptedV1,
};
use projector::{
    Decided, Scope,
    row::{AgentRow, AgentState, JobSpecRow},
};
use tokio::{sync::mpsc, time::Instant};

use super::{CLOSE_TRY_AGAIN, End};
use crate::{
    desk::Desk,
    error::RequestError,
    event::Subjects,
    hub::{
        Anchor, Cursor, Entry,
        cursor::{self, read_decision},
    },
};

/// How long a link waits until this gateway has read as far as the agent.
const CATCH_UP_WAIT: Duration = Duration::from_secs(5);
/// How many tasks are asked for at once.
const TASKS_PAGE: usize = 1000;
/// The payload bytes that go into one message, if it holds more than one record.
const MESSAGE_BYTES: usize = MESSAGE_BYTES_MAX / 2;

/// What is expected of the agent, and the view from there on, or from where the agent was.
pub(super) async fn begin(desk: &Arc<Desk>, query: &Query) -> Result<(FromGateway, Follower), (u16, String)> {
    let since = desk.rows.as_of(None).map_err(later)?.offset();
    refuse_taken_name(desk, query)?;
    let remembered = remembered(desk, query).await?;
    let (expected, as_of) = expected(desk, &query.agent).await.map_err(later)?;
    let (cursor, to) = remembered.unwrap_or(as_of);
    let view = View::new(query.agent.clone(), to);
    Ok((expected, Follower { cursor, view, query: query.clone(), since }))
}

/// By the rows: the agent that has the name may be connected to another gateway. These rows may be behind; the
/// cell refuses what a link said too early.
fn refuse_taken_name(desk: &Arc<Desk>, query: &Query) -> Result<(), (u16, String)> {
    let scope = desk.rows.as_of(None).map_err(later)?;
    let known = scope.get::<AgentRow>(&query.agent).map_err(later)?;
    let holder = known.filter(|row| row.state == AgentState::Up).and_then(|row| row.identity);
    match holder {
        Some(holder) if holder != query.secret.identity() => Err(super::taken(query, &holder)),
        _ => Ok(()),
    }
}

/// The view as it follows the log.
pub(super) struct Follower {
    cursor: Cursor,
    view: View,
    query: Query,
    /// Whose the name is was looked up as of here; what older decisions say of that is history.
    since: Offset,
}

impl Follower {
    /// Sends the view, until the link ends.
    pub(super) async fn send(mut self, desk: &Arc<Desk>, queue: &mpsc::Sender<FromGateway>) -> End {
        loop {
            if let Err(end) = self.step(desk).await {
                return Some(end);
            }
            for message in self.view.messages() {
                queue.send(message).await.ok()?;
            }
        }
    }

    async fn step(&mut self, desk: &Arc<Desk>) -> Result<(), (u16, String)> {
        let entries = tokio::select! {
            entries = self.cursor.step() => entries.map_err(later)?,
            () = self.view.patience_over() => Vec::new(),
        };
        if entries.is_empty() {
            self.view.flush();
        }
        for entry in entries {
            self.mind_name(desk, &entry).await?;
            self.view.take(desk, entry).await.map_err(later)?;
        }
        Ok(())
    }

    /// Ends the link of an agent whose name the cell gave to another directory, or refused to this one: links of
    /// both may have opened before the cell decided.
    async fn mind_name(&self, desk: &Arc<Desk>, entry: &Entry) -> Result<(), (u16, String)> {
        let Entry::Decision(decided) = entry else { return Ok(()) };
        let is_refused = refuses_name(&decided.decision, &self.query);
        if decided.offset <= self.since || !(is_refused || gives_name_away(&decided.decision, &self.query)) {
            return Ok(());
        }
        desk.rows.wait_for(decided.offset).await.map_err(later)?;
        refuse_taken_name(desk, &self.query)?;
        // Refused, but the name has become free since: the agent has to report again.
        let again = || (CLOSE_TRY_AGAIN, format!("{} was another directory's, and is free again", self.query.agent));
        if is_refused { Err(again()) } else { Ok(()) }
    }
}

fn refuses_name(decision: &DecisionV1, query: &Query) -> bool {
    decision.answers.iter().any(|answer| match &answer.refusal {
        Some(Refusal::AgentIdentityTaken { agent, identity, .. }) => {
            *agent == query.agent && *identity == query.secret.identity()
        }
        _ => false,
    })
}

fn gives_name_away(decision: &DecisionV1, query: &Query) -> bool {
    decision.events().any(|event| match event {
        Event::AgentIdentified(e) => e.agent == query.agent && e.identity != query.secret.identity(),
        _ => false,
    })
}

fn later(error: impl Into<RequestError>) -> (u16, String) {
    (CLOSE_TRY_AGAIN, chain(&error.into()))
}

type Place = (Cursor, Option<Offset>);

/// Where the view of an agent goes on that has a memory.
async fn remembered(desk: &Arc<Desk>, query: &Query) -> Result<Option<Place>, (u16, String)> {
    let Query { from: Some(from), epoch: Some(epoch), to: Some(to), .. } = *query else { return Ok(None) };
    let mut marks = desk.known_marks();
    if from > marks.high {
        // Another gateway may have read further than this one has heard of.
        marks = desk.hub.log.watermarks().await.map_err(cursor::Error::from).map_err(later)?;
    }
    if from < marks.low || to >= from {
        let why = format!("the log holds {}..{}, and the agent was at {from}", marks.low, marks.high);
        return Err((CLOSE_OUT_OF_RANGE, why));
    }
    let obeyed = (to, query.chain.as_deref());
    let held = if from > marks.high { None } else { held(desk, obeyed).await? };
    let Some(anchor) = held else {
        return Err(strayed(desk, query, to).await?);
    };
    // The agent may have seen a later reign begin than the decision's.
    let anchor = Anchor { epoch: anchor.epoch.max(epoch), ..anchor };
    Ok(Some((Cursor::resume(&desk.hub, anchor.next(), anchor), Some(to))))
}

/// The anchor of the decision that ends with an offset, if the log still is what it was when the agent read it.
async fn held(desk: &Arc<Desk>, (to, seen): (Offset, Option<&str>)) -> Result<Option<Anchor>, (u16, String)> {
    match tokio::time::timeout(CATCH_UP_WAIT, anchor(desk, to)).await {
        Err(_) => Err((CLOSE_TRY_AGAIN, format!("this gateway has not read up to offset {to} yet"))),
        // No decision ends there.
        Ok(Err(RequestError::NotFound { .. } | RequestError::BadInput { .. })) => Ok(None),
        Ok(Err(error)) => Err((CLOSE_OUT_OF_RANGE, chain(&error))),
        Ok(Ok(anchor)) => Ok(seen.is_none_or(|seen| anchor.chain.to_string() == seen).then_some(anchor)),
    }
}

/// Tells a log that lost its end from the log of another cell: an agent gives up its tasks for the first alone.
async fn strayed(desk: &Arc<Desk>, query: &Query, to: Offset) -> Result<(u16, String), (u16, String)> {
    let other = || (CLOSE_OTHER_CELL, format!("this log does not hold where {} joined", query.agent));
    let Some(joined) = query.joined.filter(|joined| *joined <= to) else { return Ok(other()) };
    if joined >= desk.known_marks().high {
        return Ok(other());
    }
    match held(desk, (joined, query.joined_chain.as_deref())).await? {
        None => Ok(other()),
        Some(_) => Ok((CLOSE_STRAYED, format!("the log does not hold what {} obeyed up to {to}", query.agent))),
    }
}

/// The anchor of the decision that ends with `to`.
async fn anchor(desk: &Arc<Desk>, to: Offset) -> Result<Anchor, RequestError> {
    let anchor = if let Some(answered) = desk.hub.recent_answer(to) {
        Anchor::of(answered.decided.offset, &answered.decided.decision)
    } else {
        desk.rows.wait_answered(to).await?;
        let row = desk.rows.as_of(None)?.decision_about(to)?;
        let row = row.ok_or(RequestError::NotFound { what: "decision about offset", id: to.to_string() })?;
        Anchor::of(row.at.offset, &read_decision(&desk.hub, row.at.offset).await?)
    };
    if anchor.to != Some(to) {
        let why = format!("no decision ends with offset {to}");
        return Err(RequestError::BadInput { field: "to", why });
    }
    Ok(anchor)
}

/// What the rows say of the agent, and the place right after them.
async fn expected(desk: &Arc<Desk>, agent: &AgentId) -> Result<(FromGateway, Place), RequestError> {
    let scope = desk.rows.as_of(None)?;
    let decision = scope.decision()?;
    let to = decision.as_ref().map(|row| row.to);
    let epoch = decision.as_ref().map(|row| row.epoch).unwrap_or_default();
    let cursor = match &decision {
        None => Cursor::oldest(&desk.hub),
        Some(row) => Cursor::after_decision(&desk.hub, row.at.offset).await?,
    };
    let chain = match to {
        None => Chain::default(),
        Some(to) => anchor(desk, to).await?.chain,
    };
    let tasks = tasks_on(&scope, agent)?;
    Ok((FromGateway::Expected { epoch, to, chain, tasks }, (cursor, to)))
}

fn tasks_on(scope: &Scope, agent: &AgentId) -> Result<Vec<ExpectedTask>, RequestError> {
    let (mut tasks, mut after) = (Vec::new(), None);
    loop {
        let page = scope.tasks_on(agent, after.as_ref(), TASKS_PAGE)?;
        tasks.extend(page.rows.into_iter().filter_map(|row| {
            let run = row.run.as_ref()?;
            Some(ExpectedTask { incarnation: run.incarnation, placed: run.placed.offset, task: row.id })
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(tasks),
        }
    }
}

/// A decision that says nothing to the agent and was not sent.
#[derive(Clone, Copy, Debug)]
struct Held {
    offset: Offset,
    time: TimeMs,
    epoch: EpochNumber,
    to: Offset,
    chain: Chain,
    since: Instant,
}

/// The view as far as it was made: what is to be sent, and what is held back.
pub(crate) struct View {
    agent: AgentId,
    /// The first offset that no sent decision answers.
    from: Offset,
    held: Option<Held>,
    /// The jobs whose specs were sent on this link.
    specs: BTreeSet<JobId>,
    ready: Vec<LinkStored>,
}

impl View {
    pub(crate) fn new(agent: AgentId, to: Option<Offset>) -> Self {
        let from = to.map_or(Offset(0), Offset::next);
        Self { agent, from, held: None, specs: BTreeSet::new(), ready: Vec::new() }
    }

    /// Takes the next entry of the log.
    pub(crate) async fn take(&mut self, desk: &Desk, entry: Entry) -> Result<(), RequestError> {
        match entry {
            Entry::Epoch(reign) => {
                self.flush();
                let record = LinkRecord::from(reign.record.clone());
                self.ready.push(LinkStored { offset: reign.offset, time: reign.time, record });
            }
            // A cursor may begin with the decision that the agent obeyed last. It drops that, so a spec that went with it
            // would count as sent and never arrive.
            Entry::Decision(decided) if decided.decision.to < self.from => {}
            Entry::Decision(decided) => {
                let answers = self.trim(desk, &decided).await?;
                let Decided { offset, time, decision } = &*decided;
                let (epoch, to, chain) = (decision.epoch, decision.to, decision.chain);
                let since = self.held.map_or_else(Instant::now, |held| held.since);
                self.held = Some(Held { offset: *offset, time: *time, epoch, to, chain, since });
                if !answers.is_empty() {
                    self.release(answers);
                }
            }
        }
        Ok(())
    }

    /// Makes what is held back ready to be sent.
    pub(crate) fn flush(&mut self) {
        self.release(Vec::new());
    }

    fn release(&mut self, answers: Vec<AnswerV1>) {
        let Some(Held { offset, time, epoch, to, chain, .. }) = self.held.take() else { return };
        let decision = DecisionV1 { epoch, from: self.from, to, chain, answers };
        self.from = to.next();
        self.ready.push(LinkStored { offset, time, record: decision.to_record().into() });
    }

    /// Resolves when what is held back has waited long enough; never where nothing is.
    async fn patience_over(&self) {
        match self.held {
            Some(held) => tokio::time::sleep_until(held.since + Duration::from_millis(COALESCED_MS_MAX)).await,
            None => std::future::pending().await,
        }
    }

    /// What is ready, in messages within their bounds.
    pub(crate) fn messages(&mut self) -> Vec<FromGateway> {
        let (mut messages, mut records, mut bytes) = (Vec::new(), Vec::new(), 0);
        for stored in std::mem::take(&mut self.ready) {
            let size = Bytes::len(&stored.record.payload);
            if !records.is_empty() && (bytes + size > MESSAGE_BYTES || records.len() >= RECORDS_PER_MESSAGE_MAX) {
                messages.push(FromGateway::Records(std::mem::take(&mut records)));
                bytes = 0;
            }
            bytes += size;
            records.push(stored);
        }
        if !records.is_empty() {
            messages.push(FromGateway::Records(records));
        }
        messages
    }

    /// The answers that concern the agent, without the rest of them.
    async fn trim(&mut self, desk: &Desk, decided: &Decided) -> Result<Vec<AnswerV1>, RequestError> {
        let mut answers = Vec::new();
        for answer in &decided.decision.answers {
            let mut events = Vec::new();
            for event in &answer.events {
                if !concerns(&self.agent, event) {
                    continue;
                }
                events.extend(self.spec_before(desk, decided, event).await?);
                events.push(event.clone());
            }
            let refusal = answer.refusal.clone().filter(|refusal| is_about(&self.agent, refusal));
            if !events.is_empty() || refusal.is_some() {
                answers.push(AnswerV1 { at: answer.at, asked: None, refusal, repeats: None, events });
            }
        }
        Ok(answers)
    }

    /// The spec of a job before the first placement of it on this link.
    async fn spec_before(
        &mut self,
        desk: &Desk,
        decided: &Decided,
        event: &Event,
    ) -> Result<Option<Event>, RequestError> {
        let Event::TaskPlaced(placed) = event else { return Ok(None) };
        let TaskOwner::Job { job, .. } = placed.task.owner() else { return Ok(None) };
        let job = JobId::new(job).map_err(|error| RequestError::bad("job", &error))?;
        if self.specs.contains(&job) {
            return Ok(None);
        }
        let spec = find_spec(desk, decided, &job).await?;
        self.specs.insert(job);
        Ok(spec)
    }
}

/// Whether an event tells an agent what it is or has to do. Offers and filters tell it nothing.
fn concerns(agent: &AgentId, event: &Event) -> bool {
    let is_for_frameworks =
        matches!(event, Event::OfferMade(_) | Event::OfferEnded(_) | Event::FilterSet(_) | Event::FilterExpired(_));
    !is_for_frameworks && Subjects::of(event).agent == Some(agent)
}

/// Whether a refusal answers what the agent said of itself.
fn is_about(agent: &AgentId, refusal: &Refusal) -> bool {
    match refusal {
        Refusal::AgentIdentityTaken { agent: refused, .. }
        | Refusal::AgentLeaving { agent: refused }
        | Refusal::CapacityEmpty { agent: refused } => refused == agent,
        _ => false,
    }
}

/// The job as it was accepted: from the same decision, or from the rows as of it.
async fn find_spec(desk: &Desk, decided: &Decided, job: &JobId) -> Result<Option<Event>, RequestError> {
    let here = decided.decision.events().find(|event| matches!(event, Event::JobAccepted(e) if e.spec.id == *job));
    if let Some(accepted) = here {
        return Ok(Some(accepted.clone()));
    }
    if let Some(accepted) = desk.hub.spec(job, decided.offset) {
        return Ok(Some(Event::JobAccepted(Box::new(JobAcceptedV1 { spec: (*accepted).clone() }))));
    }
    desk.rows.wait_for(decided.offset).await?;
    let asked = decided.offset.max(desk.rows.horizon());
    let row = desk.rows.as_of(Some(asked))?.get::<JobSpecRow>(job)?;
    Ok(row.map(|row| Event::JobAccepted(Box::new(JobAcceptedV1 { spec: row.spec }))))
}
