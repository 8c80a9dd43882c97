//! Questions and commands over HTTP. A command that may have been lost is sent again under its key.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    thread,
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{Address, Error, reading::Reading};

/// The header that says who asks.
pub(super) const PRINCIPAL_HEADER: &str = "x-quipu-principal";
/// How long one request may take: longer than the gateway lets it.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(40);
/// The waits before a command is sent again whose outcome is not known.
const RETRY_WAITS_MS: [u64; 3] = [100, 500, 2000];
/// How many nodes one page holds.
const PAGE_NODES: usize = 500;

/// A client of one gateway.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: Address,
    principal: String,
    http: ureq::Agent,
}

/// A list, read to its end or to its limit, all as of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    /// The offset that the list reflects.
    pub(crate) as_of: Option<String>,
    /// What is in the list.
    pub(crate) nodes: Vec<Value>,
    /// There is more.
    pub(crate) has_more: bool,
}

/// What became of a command that the cell said yes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// The payload of the mutation.
    pub(crate) payload: Value,
}

impl Answer {
    /// The offset of the command.
    pub(crate) fn offset(&self) -> &str {
        self.payload["offset"].as_str().unwrap_or_default()
    }

    /// The offset of the command that had the effect: of the first one under this key.
    pub(crate) fn first_offset(&self) -> &str {
        self.payload["repeats"].as_str().unwrap_or_else(|| self.offset())
    }

    /// Whether the command was known already, and had no effect of its own.
    pub(crate) fn is_repeat(&self) -> bool {
        !self.payload["repeats"].is_null()
    }
}

impl Client {
    /// A client that asks under this name.
    pub(crate) fn new(address: Address, principal: String) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST_TIME_MAX))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self { address, principal, http: config.into() }
    }

    /// Where the gateway is.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Who asks.
    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    /// Asks a question; returns its data.
    pub(crate) fn query(&self, document: &str, variables: Value) -> Result<Value, Error> {
        let body = json!({ "query": document, "variables": variables });
        let mut reading = Reading::default();
        loop {
            match data(self.post(&body).map_err(|error| self.lost(&error))?) {
                Err(Error::Reading { percent }) => thread::sleep(reading.wait(percent)?),
                answered => return answered,
            }
        }
    }

    /// Asks for one list, page after page, of which `field` is the root field.
    pub(crate) fn list(&self, document: &str, field: &str, variables: Value, limit: usize) -> Result<Page, Error> {
        let mut page = Page::default();
        let mut variables = variables;
        loop {
            variables["first"] = json!(PAGE_NODES.min(limit - page.nodes.len()));
            let mut data = self.query(document, variables.clone())?;
            let found = data[field].take();
            take_page(&mut page, found, &mut variables);
            if !page.has_more || page.nodes.len() >= limit {
                return Ok(page);
            }
        }
    }

    /// Sends a command; `input` is all of it but its key. A "no" of the cell is an error.
    pub(crate) fn ask(&self, document: &str, mut input: Value, key: Option<&str>) -> Result<Answer, Error> {
        let key = key.map_or_else(key_made, Into::into);
        input["key"] = json!(key);
        let body = json!({ "query": document, "variables": { "input": input } });
        let (mut waits, mut reading) = (RETRY_WAITS_MS.iter(), Reading::default());
        loop {
            let why = match self.post(&body) {
                Ok(answer) => match data(answer) {
                    Ok(data) => return accepted(data),
                    Err(Error::Request { code: Some(code), message }) if code == "UNKNOWN" => message,
                    // It was not sent on to the cell, so that this is no second time.
                    Err(Error::Reading { percent }) => {
                        thread::sleep(reading.wait(percent)?);
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                Err(error) if was_sent(&error) => error.to_string(),
                Err(error) => return Err(self.lost(&error)),
            };
            match waits.next() {
                Some(wait) => {
                    crate::output::notice(&format!("no answer yet ({why}); the command is sent again under its key"));
                    thread::sleep(Duration::from_millis(*wait));
                }
                None => return Err(Error::OutcomeUnknown { why, key }),
            }
        }
    }

    fn post(&self, body: &Value) -> Result<Reply, ureq::Error> {
        let request = self.http.post(self.address.http()).header(PRINCIPAL_HEADER, &self.principal);
        let mut response = request.send_json(body)?;
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
        Ok(Reply { url: self.address.url(), status: response.status().as_u16(), text })
    }

    fn lost(&self, error: &ureq::Error) -> Error {
        match error {
            ureq::Error::Timeout(_) => Error::Away {
                url: self.address.url(),
                waited: crate::duration::format(REQUEST_TIME_MAX.as_secs() * 1000),
            },
            error => self.address.unreachable(crate::exit::one_line(error)),
        }
    }
}

/// What came back over HTTP.
struct Reply {
    url: String,
    status: u16,
    text: String,
}

/// The data of an answer, or its first error.
fn data(reply: Reply) -> Result<Value, Error> {
    let Reply { url, status, text } = reply;
    let not_a_gateway = |what: String| Error::NotAGateway { url: url.clone(), what };
    let Ok(Value::Object(mut body)) = serde_json::from_str(&text) else {
        return Err(not_a_gateway(format!("status {status}, {}", first_line(&text))));
    };
    if let Some(error) = body.get("errors").and_then(|errors| errors.get(0)) {
        return Err(request_error(error));
    }
    body.remove("data").ok_or_else(|| not_a_gateway(format!("status {status} without data")))
}

/// An error of GraphQL as it stands in an answer or in a message of a socket.
pub(super) fn request_error(error: &Value) -> Error {
    let text = |value: &Value| value.as_str().map(Into::into);
    if error["extensions"]["code"] == "READING_LOG" {
        return Error::Reading { percent: error["extensions"]["percent"].as_u64().unwrap_or(0) };
    }
    Error::Request {
        code: text(&error["extensions"]["code"]),
        message: text(&error["message"]).unwrap_or_else(|| error.to_string()),
    }
}

/// Takes the only field of a mutation's data, and a refusal as an error.
fn accepted(data: Value) -> Result<Answer, Error> {
    let fields: Map<String, Value> = serde_json::from_value(data).unwrap_or_default();
    let payload = fields.into_iter().next().map(|(_, payload)| payload).unwrap_or_default();
    match payload["userErrors"].get(0) {
        None => Ok(Answer { payload }),
        Some(refusal) => Err(Error::Refused {
            number: refusal["number"].as_u64().unwrap_or(0),
            code: refusal["code"].as_str().unwrap_or_default().into(),
            message: refusal["message"].as_str().unwrap_or_default().into(),
        }),
    }
}

/// Moves the nodes of a connection over, and readies the variables for the page that follows: it is
/// asked for as of the same moment.
fn take_page(page: &mut Page, mut found: Value, variables: &mut Value) {
    if let Value::Array(nodes) = found["nodes"].take() {
        page.nodes.extend(nodes);
    }
    page.has_more = found["pageInfo"]["hasNextPage"] == json!(true);
    variables["after"] = found["pageInfo"]["endCursor"].take();
    if let Value::String(as_of) = found["asOf"].take() {
        if variables.get("at").is_some() {
            variables["at"] = json!({ "offset": as_of });
        }
        page.as_of.get_or_insert(as_of);
    }
}

/// Whether the gateway may have received the request.
fn was_sent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound | ureq::Error::BadUri(_) => false,
        _ => true,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(120).collect()
}

/// A key that no other command has.
pub(crate) fn key_made() -> String {
    format!("cli-{}", random_hex())
}

/// Text that nobody else has: the standard library seeds each state from the system's randomness.
fn random_hex() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        Reply { url: "http://127.0.0.1:7070".into(), status: 200, text: text.into() }
    }

    #[test]
    fn the_first_error_of_an_answer_is_told_with_its_code() {
        let answer =
            r#"{"data":null,"errors":[{"message":"at: too far","extensions":{"code":"AHEAD"}},{"message":"b"}]}"#;
        let error = data(reply(answer)).expect_err("an error");
        assert_eq!(error, Error::Request { code: Some("AHEAD".into()), message: "at: too far".into() });
        assert!(error.hint().is_some_and(|hint| hint.contains("quipu cell")));
    }

    #[test]
    fn what_is_no_gateway_is_shown_by_its_first_line() {
        let error = data(reply("<html>\n<body>")).expect_err("an error");
        assert_eq!(error.to_string(), "http://127.0.0.1:7070 does not answer like a gateway: status 200, <html>");
    }

    #[test]
    fn a_refusal_is_an_error_with_its_number() {
        let refusal = json!({ "number": 40, "code": "JobExists", "message": "there is a job web already" });
        let error = accepted(json!({ "submitJob": { "userErrors": [refusal] } })).expect_err("an error");
        assert_eq!(error.to_string(), "refused by the cell: there is a job web already (JobExists, number 40)");
        assert_eq!(error.exit_code(), crate::exit::Code::Refused);
    }

    #[test]
    fn an_accepted_command_knows_its_offset() {
        let data = json!({ "stopJob": { "offset": "17", "repeats": "12", "userErrors": [] } });
        let answer = accepted(data).expect("accepted");
        assert_eq!((answer.offset(), answer.is_repeat()), ("17", true));
    }

    #[test]
    fn the_pages_of_a_list_are_of_one_moment() {
        let (mut page, mut variables) = (Page::default(), json!({ "at": null }));
        let found = json!({
            "asOf": "812", "nodes": [{ "name": "a" }], "pageInfo": { "hasNextPage": true, "endCursor": "a" },
        });
        take_page(&mut page, found, &mut variables);
        assert_eq!(variables, json!({ "at": { "offset": "812" }, "after": "a" }));
        assert_eq!((page.as_of.as_deref(), page.nodes.len(), page.has_more), (Some("812"), 1, true));
    }

    #[test]
    fn nobody_at_the_address_is_said_with_what_can_be_done() {
        let address = Address::find(Some("http://127.0.0.1:1"), None).expect("legal");
        let error = Client::new(address, "tester".into()).query("{ cell { name } }", json!({})).expect_err("nobody");
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("quipu up")));
    }
}
