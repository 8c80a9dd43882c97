//! One event as one line.

use log_schema::Resources;
use serde_json::Value;

use crate::output::{Format, Node, plain};

/// Fields of bodies that stand in the line already, or are too long for one.
const NOT_SHOWN: [&str; 6] = ["job", "task", "run", "offer", "role", "framework"];

/// An event as it is written: a line for people, a line of JSON, or a document of YAML.
pub(super) fn text(format: Format, event: &Value) -> anyhow::Result<String> {
    match format {
        Format::Table => Ok(line(&Node::new(event, 0))),
        Format::Json => Ok(serde_json::to_string(event)? + "\n"),
        Format::Yaml => Ok(format!("---\n{}\n", serde_saphyr::to_string(event)?.trim_end())),
    }
}

fn line(event: &Node<'_>) -> String {
    let (time, name) = (event.text("/time"), event.text("/name"));
    let clock = time.get(11..23).unwrap_or(&time).to_owned();
    let subject = ["/task", "/job", "/offer", "/framework", "/role", "/agent"].iter().find_map(|who| event.find(who));
    let subject = subject.unwrap_or_default();
    let words = words(event.at("/body").value(), subject);
    let line = format!("{clock}  {:>9}  {name:<24} {subject:<20} {words}", event.text("/cursor"));
    plain(line.trim_end()) + "\n"
}

/// The fields of a body, as in `agent=a1 cpu=1 mem=64Mi`; those that name the subject are left out.
fn words(body: &Value, subject: &str) -> String {
    let Some(fields) = body.as_object() else { return scalar(body) };
    let is_shown = |(name, value): &(&String, &Value)| {
        !NOT_SHOWN.contains(&name.as_str()) && !value.is_null() && value.as_str() != Some(subject)
    };
    let parts: Vec<_> = fields.iter().filter(is_shown).map(|(name, value)| word(name, value)).collect();
    parts.join(" ")
}

fn word(name: &str, value: &Value) -> String {
    match (name, value) {
        ("resources" | "capacity", value) => resources(value).unwrap_or_else(|| format!("{name}={}", scalar(value))),
        ("spec", spec) => word("count", &spec["count"]),
        (name, Value::Object(_)) => format!("{name}={{{}}}", words(value, "")),
        (name, value) => format!("{name}={}", scalar(value)),
    }
}

fn resources(value: &Value) -> Option<String> {
    serde_json::from_value::<Resources>(value.clone()).ok().map(|resources| resources.to_string())
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, who: &Value, body: &Value) -> Value {
        let mut event = json!({
            "offset": "812", "index": 0, "cursor": "812:0", "time": "2026-07-29T10:15:00.042Z", "name": name, "body": body,
        });
        event.as_object_mut().expect("a map").extend(who.as_object().expect("a map").clone());
        event
    }

    #[test]
    fn events_are_lines_with_the_time_the_cursor_and_what_changed() {
        let events = [
            event(
                "task.placed",
                &json!({ "task": "web.0", "agent": "a1" }),
                &json!({
                    "task": "web.0", "incarnation": 3, "agent": "a1", "resources": { "cpu": 500, "mem": 64 },
                }),
            ),
            event(
                "task.status_changed",
                &json!({ "task": "web.0" }),
                &json!({
                    "task": "web.0", "incarnation": 3, "agent": "a1", "state": "failed",
                    "end": { "reason": "exited", "exit_code": 1 },
                }),
            ),
            event(
                "placement.deferred",
                &json!({ "job": "web" }),
                &json!({
                    "job": "web", "waiting": 2, "reasons": { "cpu_taken": 3 },
                }),
            ),
            event("agent.unreachable", &json!({ "agent": "a1" }), &json!({ "agent": "a1" })),
        ];
        let text: String = events.iter().map(|event| text(Format::Table, event).expect("written")).collect();
        insta::assert_snapshot!(text, @"
        10:15:00.042      812:0  task.placed              web.0                agent=a1 incarnation=3 cpu=0.5 mem=64Mi
        10:15:00.042      812:0  task.status_changed      web.0                agent=a1 end={exit_code=1 reason=exited} incarnation=3 state=failed
        10:15:00.042      812:0  placement.deferred       web                  reasons={cpu_taken=3} waiting=2
        10:15:00.042      812:0  agent.unreachable        a1
        ");
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let event = event("role.set", &json!({ "role": "web" }), &json!({ "role": "web", "weight": 2 }));
        let text = text(Format::Json, &event).expect("written");
        assert_eq!(text.lines().count(), 1);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), event);
    }
}
