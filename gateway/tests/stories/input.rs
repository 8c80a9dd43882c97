//! Input at the edge of what can be meant: it is taken as it was meant, or refused in words.

use serde_json::json;

use super::cell::Cell;

#[tokio::test]
async fn a_number_beyond_32_bits_goes_in_and_out_as_text() {
    let cell = Cell::led().await;
    let submit = |name: &str, limit: &str| {
        format!(
            "submitJob(input: {{job: {{name: \"{name}\", kind: SERVICE, resources: \"cpu=1 mem=1Mi\", command: [\"a\"], \
             restart: {{limit: {limit}}}}}}}) {{ job {{ spec {{ restart {{ limit }} }} }} }}"
        )
    };
    for (name, limit) in [("a", "4294967295"), ("b", "\"4294967295\"")] {
        let spec = cell.mutate(&submit(name, limit)).await["submitJob"]["job"]["spec"].clone();
        assert_eq!(spec, json!({ "restart": { "limit": "4294967295" } }));
    }
    assert_eq!(cell.mutate(&submit("c", "3")).await["submitJob"]["job"]["spec"]["restart"]["limit"], "3");
    let refused = cell.ask(&format!("mutation {{ {} }}", submit("d", "4294967296"))).await;
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("0 to 4294967295"), "{refused}");
}

#[tokio::test]
async fn a_time_has_any_offset_and_is_not_in_the_future() {
    let cell = Cell::led().await;
    cell.submit("web", 1).await;
    let ask = |time: &str| format!("{{ job(name: \"web\", at: {{time: \"{time}\"}}) {{ name }} }}");
    for time in ["2001-01-01T00:00:00Z", "2001-01-01T00:00:00+00:00", "2001-01-01T01:00:00.5+01:00", "978307200000"] {
        let answer = cell.ask(&ask(time)).await;
        assert_eq!((&answer["errors"], &answer["data"]["job"]), (&json!(null), &json!(null)), "{time}: {answer}");
    }
    for time in ["2999-01-01T00:00:00Z", "2999-01-01T00:00:00+14:00", "18446744073709551615"] {
        let answer = cell.ask(&ask(time)).await;
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("is in the future"), "{time}: {answer}");
    }
    for time in ["tomorrow", "2001-01-01", "2001-02-29T00:00:00Z", "1969-12-31T23:59:59Z"] {
        assert!(cell.ask(&ask(time)).await["errors"][0]["message"].is_string(), "{time}");
    }
}

#[tokio::test]
async fn a_filter_for_what_cannot_be_is_refused() {
    let cell = Cell::led().await;
    let refused = [
        "events(filter: {job: \"!!\"}) { nodes { name } }",
        "events(last: 1, filter: {task: \"web\"}) { nodes { name } }",
        "events(filter: {agent: \"\"}) { nodes { name } }",
        "events(filter: {framework: \"a b\"}) { nodes { name } }",
        "tasks(filter: {job: \"!!\"}) { nodes { name } }",
        "tasks(filter: {agent: \"a\", job: \"!!\"}) { nodes { name } }",
        "tasks(filter: {agent: \"a\", framework: \"!!\"}) { nodes { name } }",
        "jobs(role: \"!!\") { nodes { name } }",
        "refusals(principal: \"!! \") { nodes { offset } }",
    ];
    for selection in refused {
        let answer = cell.ask(&format!("{{ {selection} }}")).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_INPUT", "{selection}: {answer}");
    }
    let mut socket = cell.open_socket().await;
    socket.subscribe("e", "subscription { events(filter: {job: \"!!\"}) { name } }").await;
    assert_eq!(socket.next().await["type"], "error");
}

#[tokio::test]
async fn every_document_that_is_refused_has_a_code() {
    let cell = Cell::led().await;
    let refused = [
        "{ nope }",
        "{",
        "{ job { name } }",
        "{ jobs(first: \"a\") { nodes { name } } }",
        "query Q { ...F }",
        "{ cell }",
    ];
    for document in refused {
        let (_, answer) = cell.post(&json!({ "query": document }).to_string(), &[]).await;
        let told: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let code = told["errors"][0]["extensions"]["code"].as_str();
        assert!(matches!(code, Some("BAD_DOCUMENT" | "BAD_INPUT")), "{document}: {answer}");
    }
}
