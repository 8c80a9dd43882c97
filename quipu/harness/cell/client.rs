//! Questions and commands over HTTP. Nothing is retried: tests say themselves what they send twice.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use super::events::FIELDS;

/// How long one request may take: longer than the gateway lets it.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(40);
/// How many events a page has.
const EVENTS_PER_PAGE: u32 = 500;
const SUBMIT: &str = "mutation($input: SubmitJobInput!) { submitJob(input: $input) { \
                      offset decisionOffset repeats userErrors { code message } } }";

/// A client of the gateway of one cell, wherever it listens by then. Clones share connections.
#[derive(Clone)]
pub struct Client {
    dir: PathBuf,
    http: ureq::Agent,
}

impl Client {
    /// Under which name commands are sent.
    pub const PRINCIPAL: &str = "harness";

    /// A client of the cell in a directory.
    pub fn new(dir: PathBuf) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST_TIME_MAX))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self { dir, http: config.into() }
    }

    /// Where the gateway listens, once it has said so.
    pub fn url(&self) -> Option<String> {
        fs::read_to_string(self.dir.join("gateway-url")).ok().map(|url| url.trim().to_owned())
    }

    /// Whether the gateway has read the log and the cell is led.
    pub fn is_ready(&self) -> bool {
        let Some(url) = self.url() else { return false };
        self.http.get(format!("{url}/readyz")).call().is_ok_and(|response| response.status() == 200)
    }

    /// Asks the gateway. An error is one of the connection or of GraphQL, as text.
    pub fn ask(&self, document: &str, variables: Value) -> Result<Value, String> {
        let url = self.url().ok_or("the gateway has not said where it listens")?;
        let request = self.http.post(format!("{url}/graphql")).header("x-quipu-principal", Self::PRINCIPAL);
        let body = json!({ "query": document, "variables": variables });
        let mut response = request.send_json(body).map_err(|error| error.to_string())?;
        let mut answer: Value = response.body_mut().read_json().map_err(|error| error.to_string())?;
        match answer["errors"].get(0) {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["data"].take()),
        }
    }

    /// Every event of the log by the paged query, as the follower shows them.
    pub fn events(&self, filter: &Value) -> Result<Vec<Value>, String> {
        let document = format!(
            "query($after: String, $filter: EventFilter) {{ events(filter: $filter, first: {EVENTS_PER_PAGE}, after: $after) \
             {{ nodes {{ {FIELDS} }} lookedTo pageInfo {{ hasNextPage }} }} }}"
        );
        let (mut found, mut after) = (Vec::new(), json!("start"));
        loop {
            let mut page = self.ask(&document, json!({ "after": after, "filter": filter }))?["events"].take();
            found.extend(page["nodes"].as_array_mut().map(std::mem::take).unwrap_or_default());
            if page["pageInfo"]["hasNextPage"] == false {
                return Ok(found);
            }
            after = page["lookedTo"].take();
        }
    }

    /// Submits a job under a key; the payload of the mutation. An error means that nobody knows.
    pub fn submit(&self, job: &Value, key: &str) -> Result<Value, String> {
        self.ask(SUBMIT, json!({ "input": { "job": job, "key": key } })).map(|mut data| data["submitJob"].take())
    }
}
