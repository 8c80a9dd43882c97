//! Events and answers as short lines for people.

use std::{collections::BTreeMap, fmt::Write};

use log_schema::{AnswerV1, Event, event::KillPurpose, task::EndV1};
use serde::Serialize;

/// More events of one name in a row than this are told as a number.
const ALIKE_MAX: usize = 4;
/// More events than this in one answer are told as numbers, by name.
const TOLD_MAX: usize = 12;
/// What is told of one answer takes a line each where it is longer than this.
const LINE_MAX: usize = 100;

/// What was answered to one record.
pub(crate) fn answer(answer: Option<&AnswerV1>) -> String {
    let Some(answer) = answer else { return "-".to_owned() };
    let mut parts = Vec::new();
    if let Some(refusal) = &answer.refusal {
        parts.push(format!("refused {} {}: {refusal}", refusal.number(), refusal.name()));
    }
    if let Some(first) = answer.repeats {
        parts.push(format!("repeats {first}"));
    }
    match answer.events.len() {
        0..=TOLD_MAX => answer.events.chunk_by(|a, b| a.name() == b.name()).for_each(|alike| match alike.len() {
            0..=ALIKE_MAX => parts.extend(alike.iter().map(event)),
            many => parts.push(format!("{} x{many}", alike[0].name())),
        }),
        _ => parts.push(answers(std::slice::from_ref(answer))),
    }
    match parts.iter().map(String::len).sum() {
        0 => "nothing changes".to_owned(),
        1..=LINE_MAX => parts.join("; "),
        _ => parts.join("\n    "),
    }
}

/// What was answered to many records, as numbers.
pub(crate) fn answers(answers: &[AnswerV1]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in answers.iter().flat_map(|answer| &answer.events) {
        *counts.entry(event.name()).or_default() += 1;
    }
    if answers.len() > 1 {
        for refusal in answers.iter().filter_map(|answer| answer.refusal.as_ref()) {
            *counts.entry(refusal.name()).or_default() += 1;
        }
    }
    counts.iter().map(|(name, count)| format!("{name} x{count}")).collect::<Vec<_>>().join("; ")
}

/// One event.
pub(crate) fn event(event: &Event) -> String {
    let name = event.name();
    let about = about(event);
    if about.is_empty() { name.to_owned() } else { format!("{name} {about}") }
}

fn tasks_max(tasks_max: Option<u32>) -> String {
    tasks_max.map_or(String::new(), |tasks_max| format!(" tasks-max={tasks_max}"))
}

fn about(event: &Event) -> String {
    match event {
        Event::TimeAdvanced(e) => e.now.to_string(),
        Event::AgentAdmitted(e) => {
            format!("{} {}{}{}", e.agent, e.capacity, pairs(&e.attributes), tasks_max(e.tasks_max))
        }
        Event::AgentChanged(e) => {
            format!("{} {}{}{}", e.agent, e.capacity, pairs(&e.attributes), tasks_max(e.tasks_max))
        }
        Event::AgentOvercommitted(e) => format!("{} has {}, its tasks hold {}", e.agent, e.capacity, e.used),
        Event::AgentRelieved(e) => e.agent.to_string(),
        Event::AgentStartFailed(e) => {
            format!("{} {} fault={} for {} ms", e.agent, e.task, wire(&e.fault), e.counts_ms)
        }
        Event::AgentStartForgiven(e) => format!("{} {}", e.agent, e.task),
        Event::AgentSuspended(e) => format!("{} for {} ms, suspensions={}", e.agent, e.suspended_ms, e.suspensions),
        Event::AgentResumed(e) => e.agent.to_string(),
        Event::AgentPortsHeld(e) => format!("{} {} for {} ms", e.agent, e.ports, e.held_ms),
        Event::AgentPortsFreed(e) => format!("{} {}", e.agent, e.ports),
        Event::AgentUnreachable(e) => e.agent.to_string(),
        Event::AgentReturned(e) => e.agent.to_string(),
        Event::AgentIdentified(e) => format!("{} in {}", e.agent, e.identity),
        Event::AgentStrayed(e) => format!("{} obeyed up to {}", e.agent, e.obeyed),
        Event::AgentLeaving(e) => e.agent.to_string(),
        Event::AgentRemoved(e) => e.agent.to_string(),
        Event::JobAccepted(e) => e.spec.id.to_string(),
        Event::JobScaled(e) => format!("{} to {}", e.job, e.count),
        Event::JobStopping(e) => e.job.to_string(),
        Event::JobEnded(e) => format!("{} {}", e.job, wire(&e.outcome)),
        Event::JobForgotten(e) => e.job.to_string(),
        Event::PlacementDeferred(e) => {
            let reasons: Vec<_> = e.reasons.iter().map(|(reason, count)| format!("{reason:?} x{count}")).collect();
            format!("{} ({} wait): {}", e.job, e.waiting, reasons.join(", ")).trim_end().to_owned()
        }
        Event::TaskPlaced(e) => format!("{}#{} on {} {}", e.task, e.incarnation, e.agent, e.resources),
        Event::TaskStatusChanged(e) => {
            format!("{}#{} {}{}", e.task, e.incarnation, e.state, e.end.as_ref().map_or(String::new(), end))
        }
        Event::TaskKillRequested(e) => {
            let grace = e.grace_ms.map_or(String::new(), |grace| format!(" grace={grace}"));
            let restart = if e.purpose == KillPurpose::Restart { " restart" } else { "" };
            format!("{}#{} on {}{grace}{restart}", e.task, e.incarnation, e.agent)
        }
        Event::TaskRestartScheduled(e) => format!("{} in {} ms, restarts={}", e.task, e.delay_ms, e.restarts),
        Event::TaskRestartDue(e) => e.task.to_string(),
        Event::TaskRestartForgotten(e) => format!("{}, restarts={}", e.task, e.restarts),
        Event::TaskWithdrawn(e) => e.task.to_string(),
        Event::TaskForgotten(e) => e.task.to_string(),
        Event::FrameworkSubscribed(e) => format!("{} role={}", e.framework, e.role),
        Event::FrameworkEnding(e) => e.framework.to_string(),
        Event::FrameworkRemoved(e) => e.framework.to_string(),
        Event::OffersSuppressed(e) => e.framework.to_string(),
        Event::OffersRevived(e) => e.framework.to_string(),
        Event::FilterSet(e) => format!("{} on {} for {} ms", e.framework, e.agent, e.filter_ms),
        Event::FilterExpired(e) => format!("{} on {}", e.framework, e.agent),
        Event::OfferMade(e) => format!("{} to {} of {} {}", e.offer, e.framework, e.agent, e.resources),
        Event::OfferEnded(e) => format!("{} {}", e.offer, wire(&e.reason)),
        Event::RoleSet(e) => format!("{} weight={}", e.role, e.weight),
        Event::ParametersSet(e) => format!(
            "policy={} offer_ttl={} agent_lost_after={} key_kept={} ended_kept={}",
            wire(&e.policy),
            e.offer_ttl_ms,
            e.agent_lost_after_ms,
            e.key_kept_ms,
            e.ended_kept_ms
        ),
        Event::LogicActivated(e) => e.version.to_string(),
    }
}

fn pairs<K: AsRef<str>, V: AsRef<str>>(pairs: &BTreeMap<K, V>) -> String {
    pairs.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, " {}={}", name.as_ref(), value.as_ref());
        text
    })
}

fn end(end: &EndV1) -> String {
    let code = end.exit_code.map_or(String::new(), |code| format!(" {code}"));
    format!(" ({}{code})", wire(&end.reason))
}

/// A name as it stands on the wire.
fn wire<T: Serialize>(name: &T) -> String {
    let bytes = log_schema::codec::encode(name);
    log_schema::codec::decode("name", &bytes).expect("a name is text")
}
