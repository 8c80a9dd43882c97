//! What clients ask for: commands that are cheap to decide, in an order that says what must come of them.

use serde_json::{Value, json};

/// More than any machine has: a job of this waits until it is stopped.
const TOO_LARGE: &str = "cpu=4000 mem=16Mi";
const SMALL: &str = "cpu=0.01 mem=16Mi";
/// One round in so many places a task on a machine; one in so many asks for what must be refused.
const PLACED_EVERY: u64 = 8;
const REFUSED_EVERY: u64 = 5;
/// What every mutation is asked to say.
const SAID: &str = "{ offset decisionOffset repeats userErrors { code } }";

/// A mutation, and the key under which it is sent however often.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) key: String,
    pub(crate) document: String,
    pub(crate) input: Value,
    /// The refusal that must come of it.
    pub(crate) refusal: Option<&'static str>,
}

impl Command {
    fn new(key: String, mutation: &str, kind: &str, mut input: Value) -> Self {
        let document = format!("mutation($input: {kind}!) {{ done: {mutation}(input: $input) {SAID} }}");
        input["key"] = key.as_str().into();
        Self { key, document, input, refusal: None }
    }

    fn submit(key: String, job: Value) -> Self {
        Self::new(key, "submitJob", "SubmitJobInput", json!({ "job": job }))
    }

    fn scale(key: String, job: &str, count: u32) -> Self {
        Self::new(key, "scaleJob", "ScaleJobInput", json!({ "job": job, "count": count }))
    }

    fn stop(key: String, job: &str) -> Self {
        Self::new(key, "stopJob", "StopJobInput", json!({ "job": job }))
    }
}

/// The commands of one round of one client.
pub(crate) fn round(client: u64, number: u64) -> Vec<Command> {
    let name = format!("c{client}-{number}");
    let key = |what: &str| format!("{name}-{what}");
    let mut commands = if number.is_multiple_of(PLACED_EVERY) {
        vec![Command::submit(key("place"), job(&name, SMALL))]
    } else {
        vec![
            Command::submit(key("submit"), job(&name, TOO_LARGE)),
            Command::scale(key("grow"), &name, 3),
            Command::scale(key("shrink"), &name, 2),
            Command::stop(key("stop"), &name),
        ]
    };
    if number.is_multiple_of(REFUSED_EVERY) {
        let again = Command::submit(key("again"), job(&name, SMALL));
        commands.insert(1, Command { refusal: Some("JobExists"), ..again });
    }
    commands
}

/// Two tasks that somebody really runs: each leaves a line where it starts.
pub(crate) fn real_job(number: u64, results: &str) -> Command {
    let name = format!("real-{number}");
    let mut job = job(&name, SMALL);
    job["count"] = 2.into();
    job["command"] = json!(["sh", "-c", r#"echo "$QUIPU_TASK $QUIPU_INCARNATION" >>"$RESULTS/starts""#]);
    job["env"] = json!([{ "name": "RESULTS", "value": results }]);
    job["constraints"] = json!([{ "attribute": "real", "values": ["yes"] }]);
    Command::submit(format!("{name}-submit"), job)
}

fn job(name: &str, resources: &str) -> Value {
    json!({
        "name": name,
        "kind": "BATCH",
        "resources": resources,
        "command": ["true"],
        "constraints": [{ "attribute": "real", "values": ["no"] }],
        "restart": { "on": "NEVER" },
    })
}
