//! The timeline: which events were about one agent, job, task, framework, role, or the cell.
//!
//! An index into the log with one short line for people: the event itself stays in the log, at
//! `(decision, index)`. An event is listed under one entity, the one that it is foremost about.
//! Offers are not listed: an offer's row says all that ever happens to it.

use compact_str::{CompactString, ToCompactString, format_compact};
use log_schema::{
    AgentId, Event, FrameworkId, JobId, Offset, RoleName, TaskId, TimeMs,
    event::{PlacementDeferredV1, TaskStatusChangedV1},
};
use serde::{Deserialize, Serialize};

use super::{Moment, View};
use crate::fold::Now;

/// The name of this projection.
pub const NAME: &str = "timeline";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 4;

/// What a timeline is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// The cell itself.
    Cell,
    /// An agent.
    Agent(AgentId),
    /// A framework.
    Framework(FrameworkId),
    /// A job; its tasks have timelines of their own.
    Job(JobId),
    /// A role.
    Role(RoleName),
    /// A task.
    Task(TaskId),
}

/// One event in a timeline; a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// The decision that holds the event.
    pub at: Moment,
    /// The place of the event among all events of that decision, from 0.
    pub index: u32,
    /// The command that it answers.
    pub command: Offset,
    /// The event's name on the wire.
    pub event: CompactString,
    /// A few words for people, such as `on a17`.
    pub text: CompactString,
}

/// What is stored of an entry; the rest is in the key.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored(pub(crate) TimeMs, pub(crate) Offset, pub(crate) CompactString, pub(crate) CompactString);

impl Entity {
    /// What the keys of this timeline begin with.
    pub(crate) fn write_prefix(&self, key: &mut Vec<u8>) {
        let (sort, id) = match self {
            Self::Cell => (b'c', ""),
            Self::Agent(id) => (b'a', id.as_str()),
            Self::Framework(id) => (b'f', id.as_str()),
            Self::Job(id) => (b'j', id.as_str()),
            Self::Role(id) => (b'r', id.as_str()),
            Self::Task(id) => (b't', id.as_str()),
        };
        write_prefix(sort, id, key);
    }
}

fn write_prefix(sort: u8, id: &str, key: &mut Vec<u8>) {
    key.push(View::Timeline as u8);
    key.push(sort);
    key.extend_from_slice(id.as_bytes());
    key.push(0);
}

/// Writes the key and the value of the entry for an event, if it is listed at all.
pub(crate) fn write(now: &Now, event: &Event, key: &mut Vec<u8>, value: &mut Vec<u8>) -> bool {
    let Some((sort, id)) = about(event) else { return false };
    write_prefix(sort, id, key);
    key.extend_from_slice(&now.moment.offset.0.to_be_bytes());
    key.extend_from_slice(&now.index.to_be_bytes());
    let stored = (now.moment.time, now.command, event.name(), text(event));
    rmp_serde::encode::write(value, &stored).expect("numbers and text can be encoded");
    true
}

/// What an event is foremost about. Nothing, where it is about an offer or log time.
fn about(event: &Event) -> Option<(u8, &str)> {
    Some(match event {
        Event::TimeAdvanced(_) | Event::OfferMade(_) | Event::OfferEnded(_) => return None,
        Event::AgentAdmitted(e) => (b'a', e.agent.as_str()),
        Event::AgentChanged(e) => (b'a', e.agent.as_str()),
        Event::AgentOvercommitted(e) => (b'a', e.agent.as_str()),
        Event::AgentRelieved(e) => (b'a', e.agent.as_str()),
        Event::AgentStartFailed(e) => (b'a', e.agent.as_str()),
        Event::AgentStartForgiven(e) => (b'a', e.agent.as_str()),
        Event::AgentSuspended(e) => (b'a', e.agent.as_str()),
        Event::AgentResumed(e) => (b'a', e.agent.as_str()),
        Event::AgentPortsHeld(e) => (b'a', e.agent.as_str()),
        Event::AgentPortsFreed(e) => (b'a', e.agent.as_str()),
        Event::AgentUnreachable(e) => (b'a', e.agent.as_str()),
        Event::AgentReturned(e) => (b'a', e.agent.as_str()),
        Event::AgentIdentified(e) => (b'a', e.agent.as_str()),
        Event::AgentStrayed(e) => (b'a', e.agent.as_str()),
        Event::AgentLeaving(e) => (b'a', e.agent.as_str()),
        Event::AgentRemoved(e) => (b'a', e.agent.as_str()),
        Event::JobAccepted(e) => (b'j', e.spec.id.as_str()),
        Event::JobScaled(e) => (b'j', e.job.as_str()),
        Event::JobStopping(e) => (b'j', e.job.as_str()),
        Event::JobEnded(e) => (b'j', e.job.as_str()),
        Event::JobForgotten(e) => (b'j', e.job.as_str()),
        Event::PlacementDeferred(e) => (b'j', e.job.as_str()),
        Event::TaskPlaced(e) => (b't', e.task.as_str()),
        Event::TaskStatusChanged(e) => (b't', e.task.as_str()),
        Event::TaskKillRequested(e) => (b't', e.task.as_str()),
        Event::TaskRestartScheduled(e) => (b't', e.task.as_str()),
        Event::TaskRestartDue(e) => (b't', e.task.as_str()),
        Event::TaskRestartForgotten(e) => (b't', e.task.as_str()),
        Event::TaskWithdrawn(e) => (b't', e.task.as_str()),
        Event::TaskForgotten(e) => (b't', e.task.as_str()),
        Event::FrameworkSubscribed(e) => (b'f', e.framework.as_str()),
        Event::FrameworkEnding(e) => (b'f', e.framework.as_str()),
        Event::FrameworkRemoved(e) => (b'f', e.framework.as_str()),
        Event::OffersSuppressed(e) => (b'f', e.framework.as_str()),
        Event::OffersRevived(e) => (b'f', e.framework.as_str()),
        Event::FilterSet(e) => (b'f', e.framework.as_str()),
        Event::FilterExpired(e) => (b'f', e.framework.as_str()),
        Event::RoleSet(e) => (b'r', e.role.as_str()),
        Event::ParametersSet(_) | Event::LogicActivated(_) => (b'c', ""),
    })
}

/// A few words beside the event's name, where the name does not say it all.
fn text(event: &Event) -> CompactString {
    match event {
        Event::AgentAdmitted(e) => e.capacity.to_compact_string(),
        Event::AgentChanged(e) => e.capacity.to_compact_string(),
        Event::AgentOvercommitted(e) => format_compact!("its tasks hold {}, and it has {}", e.used, e.capacity),
        Event::AgentStartFailed(e) => {
            let fault = format_compact!("{:?}", e.fault).to_ascii_lowercase();
            format_compact!("{}, fault of the {fault}, counts for {} ms", e.task, e.counts_ms)
        }
        Event::AgentStartForgiven(e) => e.task.as_str().into(),
        Event::AgentSuspended(e) => format_compact!("for {} ms", e.suspended_ms),
        Event::AgentPortsHeld(e) => format_compact!("{} for {} ms", e.ports, e.held_ms),
        Event::AgentPortsFreed(e) => e.ports.to_compact_string(),
        Event::AgentIdentified(e) => e.identity.as_str().into(),
        Event::AgentStrayed(e) => format_compact!("had obeyed up to offset {}, which the log lost", e.obeyed),
        Event::JobAccepted(e) => tasks(e.spec.count),
        Event::JobScaled(e) => format_compact!("to {}", tasks(e.count)),
        Event::JobEnded(e) => format_compact!("{:?}", e.outcome).to_ascii_lowercase(),
        Event::PlacementDeferred(e) => deferred(e),
        Event::TaskPlaced(e) => format_compact!("on {}", e.agent),
        Event::TaskStatusChanged(e) => status(e),
        Event::TaskRestartForgotten(e) => format_compact!("{} still count", e.restarts),
        Event::TaskRestartScheduled(e) => format_compact!("in {} ms, restart {}", e.delay_ms, e.restarts),
        Event::FrameworkSubscribed(e) => format_compact!("role {}", e.role),
        Event::FilterSet(e) => format_compact!("{} for {} ms", e.agent, e.filter_ms),
        Event::FilterExpired(e) => e.agent.as_str().into(),
        Event::RoleSet(e) => format_compact!("weight {}", e.weight),
        Event::LogicActivated(e) => format_compact!("version {}", e.version),
        Event::TimeAdvanced(_)
        | Event::AgentRelieved(_)
        | Event::AgentResumed(_)
        | Event::AgentUnreachable(_)
        | Event::AgentReturned(_)
        | Event::AgentLeaving(_)
        | Event::AgentRemoved(_)
        | Event::JobStopping(_)
        | Event::JobForgotten(_)
        | Event::TaskKillRequested(_)
        | Event::TaskRestartDue(_)
        | Event::TaskWithdrawn(_)
        | Event::TaskForgotten(_)
        | Event::FrameworkEnding(_)
        | Event::FrameworkRemoved(_)
        | Event::OffersSuppressed(_)
        | Event::OffersRevived(_)
        | Event::OfferMade(_)
        | Event::OfferEnded(_)
        | Event::ParametersSet(_) => CompactString::default(),
    }
}

fn tasks(count: u32) -> CompactString {
    if count == 1 { "1 task".into() } else { format_compact!("{count} tasks") }
}

fn status(event: &TaskStatusChangedV1) -> CompactString {
    let state = event.state.name();
    let Some(end) = &event.end else { return state.into() };
    match (end.exit_code, end.signal) {
        (Some(code), _) => format_compact!("{state}, exit code {code}"),
        (None, Some(signal)) => format_compact!("{state}, signal {signal}"),
        (None, None) => format_compact!("{state}, {:?}", end.reason),
    }
}

fn deferred(event: &PlacementDeferredV1) -> CompactString {
    let mut text = format_compact!("{} wait:", event.waiting);
    for (reason, agents) in &event.reasons {
        text.push_str(&format_compact!(" {reason:?} x{agents}"));
    }
    text
}
