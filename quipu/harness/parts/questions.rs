//! What stories ask of a cell over Kafka: through its gateways, of its files, and of the binary.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::Parts;
use crate::cell::{events::FIELDS, process, wait_for};

/// How long a whole log may take to be exported or decided again.
const WHOLE_LOG_TIME_MAX: Duration = Duration::from_mins(15);

impl Parts {
    /// How the newest gateway has read the log.
    pub fn log_status(&self) -> Value {
        let asked = "{ cell { log { epoch next epochsVoid decisionsVoid decisionsDuplicate halted } } }";
        self.last_client().ask(asked, json!({})).expect("an answer")["cell"]["log"].take()
    }

    /// The reign.
    pub fn epoch(&self) -> u64 {
        number(&self.log_status()["epoch"])
    }

    /// Submits a job under its name, again and again until the outcome is known.
    pub fn run_job(&self, name: &str, count: u32, shell: &str) {
        let job = json!({
            "name": name,
            "kind": "BATCH",
            "count": count,
            "resources": "cpu=0.05 mem=32Mi",
            "command": ["sh", "-c", shell],
            "env": [{ "name": "RESULTS", "value": self.path("results") }],
            "restart": { "on": "FAILURE", "limit": 3, "backoffMs": "50" },
        });
        let payload = wait_for("the job to be accepted", || self.last_client().submit(&job, name).ok());
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
    }

    /// Waits until a job has ended, and says how.
    pub fn await_end(&self, job: &str) -> String {
        wait_for(&format!("job {job} to end"), || {
            let asked = "query($name: String!) { job(name: $name) { state ended { offset } } }";
            let data = self.last_client().ask(asked, json!({ "name": job })).ok()?;
            let state = data["job"]["state"].as_str()?;
            (!data["job"]["ended"].is_null()).then(|| state.to_owned())
        })
    }

    /// The lines of a file that tasks write.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.results(name)).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    pub fn await_lines(&self, name: &str, count: usize) {
        wait_for(&format!("{count} lines in {name}"), || (self.lines(name).len() >= count).then_some(()));
    }

    /// Lets tasks go on that wait for this file.
    pub fn open_gate(&self, name: &str) {
        fs::write(self.results(name), b"").expect("a writable directory");
    }

    /// The events behind a cursor, as one gateway tells them.
    pub fn events_of(&self, gateway: usize, after: &str) -> Vec<Value> {
        wait_for("the events", || self.try_events_of(gateway, after))
    }

    pub fn try_events_of(&self, gateway: usize, after: &str) -> Option<Vec<Value>> {
        let asked = format!("query($after: String) {{ events(first: 500, after: $after) {{ nodes {{ {FIELDS} }} }} }}");
        let mut data = self.client(gateway).ask(&asked, json!({ "after": after })).ok()?;
        data["events"]["nodes"].as_array_mut().map(std::mem::take)
    }

    /// Decides the whole log again; the report of an audit that found nothing.
    pub fn assert_audited(&self) -> Value {
        let report = self.quipu(&["audit", "verify", "--log", &self.log()]);
        assert_eq!(report["finding"], Value::Null, "{report}");
        report
    }

    /// What a command of the binary prints as JSON.
    pub fn quipu(&self, arguments: &[&str]) -> Value {
        let mut command = self.command();
        command.args(arguments).args(["-o", "json"]);
        let ended = process::run_within(WHOLE_LOG_TIME_MAX, &mut command, self.root.path(), || {});
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}{}", ended.out, ended.err);
        serde_json::from_str(&ended.out).expect("JSON")
    }

    /// What a command says that has to fail.
    pub fn quipu_fails(&self, arguments: &[&str]) -> String {
        let ended = process::run(self.command().args(arguments), self.root.path(), || {});
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}{}", ended.out, ended.err);
        ended.err
    }

    fn results(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join("results").join(name)
    }

    /// The one that stories leave alone, where there are two.
    fn last_client(&self) -> crate::cell::Client {
        self.client(self.gateways.len() - 1)
    }
}

/// A number of the interface: those that may be large are text.
pub fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}
