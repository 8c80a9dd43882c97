//! Why a task has no place, as numbers of agents by reason.

use crate::{command::count, output::Node};

/// What a reason says of some agents, and what a person can do about it.
struct Words {
    reason: &'static str,
    one: &'static str,
    many: &'static str,
    advice: Advice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Advice {
    Wait,
    Loosen,
    Shrink,
    BringBack,
    Unwell,
}

macro_rules! reasons {
    ($($reason:literal: $one:literal, $many:literal => $advice:ident;)*) => {
        const REASONS: &[Words] = &[$(Words { reason: $reason, one: $one, many: $many, advice: Advice::$advice },)*];
    };
}

reasons! {
    "agent away": "is silent or leaving", "are silent or leaving" => BringBack;
    "agent overcommitted": "has less than its tasks hold already", "have less than their tasks hold already" => Wait;
    "agent suspended": "is suspended because starts failed on it", "are suspended because starts failed on them" => Unwell;
    "constraint unmet": "does not meet the constraints", "do not meet the constraints" => Loosen;
    "cpu too small": "has less CPU in all than one task needs", "have less CPU in all than one task needs" => Shrink;
    "mem too small": "has less memory in all than one task needs", "have less memory in all than one task needs" => Shrink;
    "disk too small": "has less disk in all than one task needs", "have less disk in all than one task needs" => Shrink;
    "gpu too small": "has less GPU in all than one task needs", "have less GPU in all than one task needs" => Shrink;
    "ports too few": "has fewer ports than one task needs", "have fewer ports than one task needs" => Shrink;
    "custom too small": "has too little of a custom resource", "have too little of a custom resource" => Shrink;
    "cpu taken": "has too little CPU left", "have too little CPU left" => Wait;
    "mem taken": "has too little memory left", "have too little memory left" => Wait;
    "disk taken": "has too little disk left", "have too little disk left" => Wait;
    "gpu taken": "has too little GPU left", "have too little GPU left" => Wait;
    "ports taken": "has too few ports left", "have too few ports left" => Wait;
    "custom taken": "has too little left of a custom resource", "have too little left of a custom resource" => Wait;
    "tasks taken": "has no room for more tasks", "have no room for more tasks" => Wait;
}

impl Advice {
    fn text(self) -> &'static str {
        match self {
            Self::Wait => "It is placed as soon as there is room: when something ends, or when an agent joins.",
            Self::Loosen => "`quipu agents` shows the attributes that the constraints are held against.",
            Self::Shrink => "No wait will help: ask for less, or add an agent that is large enough.",
            Self::Unwell => {
                "The agent could not start tasks; `quipu events` says of which and why. It is tried again by itself, after a while."
            }
            Self::BringBack => "`quipu agents` shows which agents are away; start them again, or add another one.",
        }
    }
}

/// The reasons in one line: `1 task waits: of 3 agents, 2 have too little CPU left, 1 is silent or leaving`.
pub(crate) fn sentence(deferred: &Node<'_>) -> String {
    let waiting = deferred.number("/waiting");
    let verb = if waiting == 1 { "waits" } else { "wait" };
    format!("{} {verb}: {}", count(waiting, "task"), why_nowhere(deferred))
}

/// Which custom resources of a job no agent has, if there are such; without a full stop.
pub(crate) fn missing(job: &Node<'_>) -> Option<String> {
    let names: Vec<_> = job.each("/missingResources").map(|name| name.text("")).collect();
    let names = names.split_last().map(|(last, rest)| match rest {
        [] => last.clone(),
        rest => format!("{} or {last}", rest.join(", ")),
    });
    names.map(|names| format!("no agent has any {names}, so it waits until one joins that has"))
}

/// Why no agent can take a task, without a full stop.
pub(super) fn why_nowhere(deferred: &Node<'_>) -> String {
    let reasons: Vec<_> = deferred.each("/reasons").collect();
    let agents: u64 = reasons.iter().map(|reason| reason.number("/agents")).sum();
    if agents == 0 {
        return "there is no agent in the cell".into();
    }
    let parts: Vec<_> = reasons.iter().map(part).collect();
    format!("of {}, {}", count(agents, "agent"), parts.join(", "))
}

/// What a person can do about it; the reason that most agents have decides.
pub(super) fn advice(deferred: &Node<'_>) -> &'static str {
    let weigh = |reason: Node<'_>| {
        let word = reason.word("/reason");
        let words = REASONS.iter().find(|words| words.reason == word)?;
        Some((words.advice, reason.number("/agents")))
    };
    let found: Vec<_> = deferred.each("/reasons").filter_map(weigh).collect();
    // One agent with no more than taken room is enough for a place to come by itself.
    if found.iter().any(|(advice, agents)| *advice == Advice::Wait && *agents > 0) {
        return Advice::Wait.text();
    }
    match found.iter().max_by_key(|(_, agents)| *agents) {
        Some((advice, _)) => advice.text(),
        None => "Start one with `quipu agent`, or with `quipu up` on this machine.",
    }
}

fn part(reason: &Node<'_>) -> String {
    let (word, agents) = (reason.word("/reason"), reason.number("/agents"));
    match REASONS.iter().find(|words| words.reason == word) {
        Some(words) if agents == 1 => format!("1 {}", words.one),
        Some(words) => format!("{agents} {}", words.many),
        None => format!("{agents}: {word}"),
    }
}

#[cfg(test)]
mod tests {
    use log_schema::event::Reason;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_reason_of_the_log_has_words() {
        let all = [
            Reason::AgentAway,
            Reason::AgentOvercommitted,
            Reason::AgentSuspended,
            Reason::ConstraintUnmet,
            Reason::CpuTooSmall,
            Reason::MemTooSmall,
            Reason::DiskTooSmall,
            Reason::GpuTooSmall,
            Reason::PortsTooFew,
            Reason::CustomTooSmall,
            Reason::CpuTaken,
            Reason::MemTaken,
            Reason::DiskTaken,
            Reason::GpuTaken,
            Reason::PortsTaken,
            Reason::CustomTaken,
            Reason::TasksTaken,
        ];
        for reason in all {
            let name = serde_json::to_value(reason).expect("a word");
            let word = Node::new(&name, 0).word("");
            assert!(REASONS.iter().any(|words| words.reason == word), "{word}");
        }
        assert_eq!(REASONS.len(), all.len());
    }

    #[test]
    fn reasons_are_counted_and_lead_to_advice() {
        let taken = json!({ "waiting": 1, "reasons": [
            { "reason": "CPU_TOO_SMALL", "agents": 2 }, { "reason": "MEM_TAKEN", "agents": 1 },
        ] });
        let node = Node::new(&taken, 0);
        assert_eq!(
            sentence(&node),
            "1 task waits: of 3 agents, 2 have less CPU in all than one task needs, 1 has too little memory left"
        );
        assert_eq!(advice(&node), Advice::Wait.text());
        let nobody = json!({ "waiting": 4, "reasons": [] });
        assert_eq!(sentence(&Node::new(&nobody, 0)), "4 tasks wait: there is no agent in the cell");
        assert!(advice(&Node::new(&nobody, 0)).contains("quipu agent"));
    }
}
