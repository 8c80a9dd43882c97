//! Follows a job from its submission to its end: which runs there are, how each ended, and the job.
//!
//! Pure: it is told events and says what is news. Who listens and writes is `run`.

use std::collections::BTreeMap;

use log_schema::{TaskId, TaskOwner};
use serde_json::Value;

use crate::output::Node;

/// What is listened to.
pub(crate) const EVENTS: &str = "
subscription FollowJob($since: String!, $job: String!) {
  events(since: $since, filter: { job: $job }) { cursor name body }
}";

/// Ends of starts whose program never ran.
const NOTHING_RAN: [&str; 4] = ["never_began", "cannot_start", "machine_fault", "ports_held"];

/// How a run of a task ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `finished`, `failed`, `killed` or `lost`.
    pub(crate) state: String,
    /// Why, such as `exited` or `cannot_start`.
    pub(crate) reason: String,
    /// The exit code, where it exited.
    pub(crate) exit_code: Option<i64>,
    /// The signal, where one ended it.
    pub(crate) signal: Option<i64>,
    /// A line for people.
    pub(crate) message: Option<String>,
}

/// What an event means for whoever follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// There is output of this run, or will be.
    Output { task: String, incarnation: u64 },
    /// No agent can take the tasks that wait; the reasons as in `quipu why`.
    Deferred(String),
    /// Tasks that waited are placed.
    Placed { task: String, agent: String },
    /// The job is over.
    Over,
}

/// A job that is followed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Follow {
    /// The last end of each task, by index.
    ends: BTreeMap<u32, Ended>,
    /// Runs whose output was announced.
    announced: BTreeMap<String, u64>,
    outcome: Option<String>,
}

impl Follow {
    /// Takes an event.
    pub(crate) fn take(&mut self, event: &Value) -> Option<News> {
        let node = Node::new(event, 0);
        let body = node.at("/body");
        match node.find("/name")? {
            "placement.deferred" => Some(News::Deferred(deferred(&body))),
            "task.placed" => Some(News::Placed { task: body.text("/task"), agent: body.text("/agent") }),
            "task.status_changed" => self.status(&body),
            "job.ended" => {
                self.outcome = Some(body.text("/outcome"));
                Some(News::Over)
            }
            _ => None,
        }
    }

    fn status(&mut self, body: &Node<'_>) -> Option<News> {
        let (task, incarnation) = (body.text("/task"), body.number("/incarnation"));
        let state = body.text("/state");
        if !matches!(state.as_str(), "running" | "finished" | "failed" | "killed" | "lost") {
            return None;
        }
        if !body.is_absent("/end")
            && let Some(index) = index(&task)
        {
            self.ends.insert(index, Ended::read(state, &body.at("/end")));
        }
        // Of a start of which nothing ran there is no output to wait for.
        if NOTHING_RAN.contains(&body.text("/end/reason").as_str()) {
            return None;
        }
        if self.announced.insert(task.clone(), incarnation) == Some(incarnation) {
            return None;
        }
        Some(News::Output { task, incarnation })
    }

    /// How the job ended: `succeeded`, `failed` or `stopped`.
    pub(crate) fn outcome(&self) -> Option<&str> {
        self.outcome.as_deref()
    }

    /// The exit code for all tasks together: that of the first one, by index, that did not finish.
    pub(crate) fn exit_code(&self) -> u8 {
        let failed = self.ends.values().find(|end| end.state != "finished");
        match (failed, self.outcome()) {
            (Some(end), _) => end.exit_code(),
            (None, Some("succeeded") | None) => 0,
            (None, Some(_)) => 1,
        }
    }

    /// The tasks that did not finish, with how they ended.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (u32, &Ended)> {
        self.ends.iter().filter(|(_, end)| end.state != "finished").map(|(index, end)| (*index, end))
    }
}

impl Ended {
    fn read(state: String, end: &Node<'_>) -> Self {
        let integer = |pointer: &str| end.at(pointer).value().as_i64();
        Self {
            state,
            reason: end.text("/reason"),
            exit_code: integer("/exit_code"),
            signal: integer("/signal"),
            message: end.find("/message").map(Into::into),
        }
    }

    /// As a shell would have it: 128 and the signal, 127 for what could not be started.
    fn exit_code(&self) -> u8 {
        let code = match (self.exit_code, self.signal, self.reason.as_str()) {
            (Some(code), ..) => code,
            (None, Some(signal), _) => 128 + signal,
            (None, None, "cannot_start" | "machine_fault" | "ports_held") => 127,
            (None, None, _) => 1,
        };
        // Whoever failed is not shown as a success, whatever its code is modulo 256.
        u8::try_from(code & 0xff).ok().filter(|code| *code != 0).unwrap_or(1)
    }

    /// How it ended, in a few words.
    pub(crate) fn words(&self) -> String {
        let how = match (self.exit_code, self.signal) {
            // The code is that of whoever was left over: it does not tell why.
            _ if self.reason == "out_of_memory" => "out of memory".into(),
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => self.reason.replace('_', " "),
        };
        match &self.message {
            Some(message) => format!("{} ({how}): {message}", self.state),
            None => format!("{} ({how})", self.state),
        }
    }
}

fn index(task: &str) -> Option<u32> {
    match TaskId::new(task).ok()?.owner() {
        TaskOwner::Job { index, .. } => Some(index),
        TaskOwner::Framework { .. } => None,
    }
}

/// The reasons of an event have the form of the log; the sentence is of the form of the gateway.
fn deferred(body: &Node<'_>) -> String {
    let reasons = body.at("/reasons").value().as_object().cloned().unwrap_or_default();
    let reasons: Vec<_> =
        reasons.into_iter().map(|(reason, agents)| serde_json::json!({ "reason": reason, "agents": agents })).collect();
    let deferred = serde_json::json!({ "waiting": body.number("/waiting"), "reasons": reasons });
    super::why::reason::sentence(&Node::new(&deferred, 0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(task: &str, state: &str, end: &Value) -> Value {
        json!({ "name": "task.status_changed", "body": { "task": task, "incarnation": 5, "state": state, "end": end } })
    }

    fn follow(events: &[Value]) -> (Follow, Vec<News>) {
        let mut follow = Follow::default();
        let news = events.iter().filter_map(|event| follow.take(event)).collect();
        (follow, news)
    }

    #[test]
    fn the_output_of_a_run_is_announced_once() {
        let end = json!({ "reason": "exited", "exit_code": 3 });
        let (follow, news) = follow(&[
            status("a.0", "starting", &json!(null)),
            status("a.0", "running", &json!(null)),
            status("a.0", "failed", &end),
        ]);
        assert_eq!(news, [News::Output { task: "a.0".into(), incarnation: 5 }]);
        assert_eq!(follow.exit_code(), 3);
    }

    #[test]
    fn of_a_start_of_which_nothing_ran_no_output_is_waited_for() {
        for reason in NOTHING_RAN {
            let (_, news) = follow(&[status("a.0", "failed", &json!({ "reason": reason }))]);
            assert_eq!(news, [], "{reason}");
        }
    }

    #[test]
    fn a_run_that_ended_before_it_was_seen_running_has_output_too() {
        let (_, news) = follow(&[status("a.0", "finished", &json!({ "reason": "exited", "exit_code": 0 }))]);
        assert_eq!(news.len(), 1);
    }

    #[test]
    fn the_exit_code_is_that_of_the_first_task_that_did_not_finish() {
        let ends = [
            ("a.2", "failed", json!({ "reason": "exited", "exit_code": 9 }), 9),
            ("a.1", "failed", json!({ "reason": "signalled", "signal": 11 }), 139),
            ("a.0", "finished", json!({ "reason": "exited", "exit_code": 0 }), 139),
        ];
        let mut follow = Follow::default();
        for (task, state, end, code) in ends {
            follow.take(&status(task, state, &end));
            assert_eq!(follow.exit_code(), code, "{task}");
        }
    }

    #[test]
    fn what_could_not_start_or_was_lost_is_never_a_success() {
        let code = |end: &Value| follow(&[status("a.0", "failed", end)]).0.exit_code();
        assert_eq!(code(&json!({ "reason": "cannot_start", "message": "no such file" })), 127);
        assert_eq!(code(&json!({ "reason": "agent_lost" })), 1);
        assert_eq!(code(&json!({ "reason": "exited", "exit_code": 256 })), 1);
    }

    #[test]
    fn a_job_that_was_stopped_before_anything_ran_is_no_success() {
        let (follow, news) = follow(&[json!({ "name": "job.ended", "body": { "job": "a", "outcome": "stopped" } })]);
        assert_eq!((news, follow.exit_code()), (vec![News::Over], 1));
    }

    #[test]
    fn reasons_for_waiting_are_told_in_words() {
        let event = json!({ "name": "placement.deferred", "body": { "job": "a", "waiting": 1, "reasons": { "cpu_taken": 2 } } });
        let (_, news) = follow(&[event]);
        assert_eq!(news, [News::Deferred("1 task waits: of 2 agents, 2 have too little CPU left".into())]);
    }
}
