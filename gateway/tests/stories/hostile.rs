//! Clients that ask for too much: each is refused or bounded, and nobody else notices.

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::cell::Cell;

/// What an answer may have at most that is nothing but errors.
const ERRORS_BYTES_MAX: usize = 32 * 1024;

/// Fragments that spread the next one so often, and the last one `end`.
fn levels(levels: usize, spreads: usize, end: &str) -> String {
    let mut document = "{ ...f0 }".to_owned();
    for level in 0..levels {
        let next = if level + 1 == levels { end.to_owned() } else { format!("...f{} ", level + 1) };
        write!(document, " fragment f{level} on Query {{ {} }}", next.repeat(spreads)).unwrap();
    }
    document
}

async fn refused(cell: &Cell, body: &Value) -> String {
    let (status, words) = cell.post(&body.to_string(), &[]).await;
    let answer: Value = serde_json::from_str(&words).expect("JSON");
    assert!(answer["data"].is_null() && answer["errors"][0]["message"].is_string(), "{status} {words:.300}");
    assert!(words.len() <= ERRORS_BYTES_MAX, "{} bytes: {words:.300}", words.len());
    words
}

#[tokio::test]
async fn a_document_is_weighed_with_all_that_the_library_would_walk_over() {
    let cell = Cell::led().await;
    let ring: String = (0..400).map(|f| format!("fragment r{f} on Query {{ ...r{} }} ", (f + 1) % 400)).collect();
    let unused: String = (0..400).map(|f| format!("fragment u{f} on Query {{ cell {{ name }} }} ")).collect();
    let chain: String = (0..100).map(|f| format!("fragment c{f} on Query {{ ...c{} }} ", f + 1)).collect();
    let arguments: String = (0..3000).map(|n| format!("a{n}:1,")).collect();
    let variables: String = (0..3000).map(|n| format!("$v{n}:Int ")).collect();
    let operations: String = (0..2000).map(|n| format!("query q{n} {{ cell {{ name }} }} ")).collect();
    let directed = format!("{{ ...d }} fragment d on Query {{ {} }}", "cell @skip(if: false) { name } ".repeat(200));
    let cases = [
        // A spread of what is not there costs as much as any other.
        (levels(6, 16, "...z "), "there is no fragment \\\"z\\\""),
        (levels(6, 16, "__typename "), "more than 4096"),
        (levels(6, 16, "... { __typename } "), "more than 4096"),
        (levels(6, 16, "...f0 "), "contains itself"),
        (format!("{{ cell {{ name }} }} {ring}"), "is never used"),
        (format!("{{ cell {{ name }} ...r0 }} {ring}"), "nests deeper than 32"),
        (format!("{{ cell {{ name }} }} {unused}"), "is never used"),
        (format!("{{ ...c0 }} {chain} fragment c100 on Query {{ cell {{ name }} }}"), "nests deeper than 32"),
        (format!("{{ {}cell{} }}", "... {".repeat(40), "}".repeat(40)), "nests deeper than 32"),
        (format!("{{ cell({arguments}) {{ name }} cell({arguments}) {{ name }} }}"), "3000 arguments"),
        (format!("query({variables}) {{ cell {{ name }} }}"), "3000 variables"),
        (operations, "2000 operations and fragments"),
        (format!("{{ cell {} {{ name }} }}", "@x ".repeat(12_000)), "12000 directives"),
        (format!("query {} {{ cell {{ name }} }}", "@x ".repeat(12_000)), "12000 directives"),
        (directed.replace("{ ...d }", &format!("{{ {} }}", "...d ".repeat(20))), "more than 4096"),
        (format!("{{ {} }}", (0..370).fold(String::new(), |all, n| all + &format!("a{n}: __schema {{ types {{ name }} }} "))), "more than 4"),
        ("{ __schema { types { fields { type { fields { type { name } } } } } } }".to_owned(), "inside another"),
        ("{ __schema { types { ...t } } } fragment t on __Type { fields { type { ...u } } } fragment u on __Type { inputFields { name } }".to_owned(), "inside another"),
    ];
    for (document, words) in cases {
        let said = refused(&cell, &json!({ "query": document })).await;
        assert!(said.contains(words), "{document:.100}: {said:.300}");
    }
}

#[tokio::test]
async fn a_variable_counts_wherever_it_is_used() {
    let cell = Cell::led().await;
    let uses: String = (0..900).map(|n| format!("a{n}: job(name: $n) {{ name }} ")).collect();
    let document = format!("query($n: String!) {{ {uses} }}");
    let said = refused(&cell, &json!({ "query": document, "variables": { "n": "x".repeat(20_000) } })).await;
    assert!(said.contains("more than 32768"), "{said:.300}");
    // A default that only a later operation has counts as well.
    let uses: String = (0..900).map(|n| format!("a{n}: job(name: $n) {{ name }} ")).collect();
    let default = "y".repeat(20_000);
    let document = format!(
        "query a($n: String = \"x\") {{ ...f }} query b($n: String = \"{default}\") {{ ...f }} fragment f on Query {{ {uses} }}"
    );
    let said = refused(&cell, &json!({ "query": document, "operationName": "a" })).await;
    assert!(said.contains("more than 32768"), "{said:.300}");
    let list: Vec<u32> = (0..10_000).collect();
    let document = format!(
        "query($l: [String!]) {{ {} }}",
        (0..20).fold(String::new(), |all, n| all
            + &format!("a{n}: events(filter: {{names: $l}}) {{ nodes {{ name }} }} "))
    );
    let said = refused(&cell, &json!({ "query": document, "variables": { "l": list } })).await;
    assert!(said.contains("more than 32768"), "{said:.300}");
}

#[tokio::test]
async fn tools_may_ask_for_the_whole_schema() {
    let cell = Cell::led().await;
    let answer = cell.ask(INTROSPECTION).await;
    assert_eq!(answer["errors"], Value::Null, "{answer:.300}");
    assert_eq!(answer["data"]["__schema"]["queryType"]["name"], "Query");
}

/// As the usual tools ask for it.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name }
  subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } }
  fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description
    args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
    inputFields { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description
    isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
  fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
  fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

#[tokio::test]
async fn errors_are_few_and_short_whatever_was_sent() {
    let cell = Cell::led().await;
    let long = "?".repeat(20_000);
    let cursors: String = (0..100).map(|n| format!("a{n}: tasks(after: $c) {{ nodes {{ name }} }} ")).collect();
    let cases = [
        json!({ "query": format!("query($c: String) {{ {cursors} }}"), "variables": { "c": long } }),
        json!({ "query": format!("{{ {} }}", (0..900).fold(String::new(), |all, n| all + &format!("a{n}: tasks(after: \"!{n}\") {{ nodes {{ name }} }} "))) }),
        json!({ "query": format!("{{ {} }}", (0..3000).fold(String::new(), |all, n| all + &format!("nothing{n} "))) }),
        json!({ "query": format!("{{ {}: tasks(after: \"!\") {{ nodes {{ name }} }} }}", "a".repeat(60_000)) }),
        json!({ "query": format!("{{ {} }}", "z".repeat(60_000)) }),
        json!({ "query": format!("{{ cell {{ name }} }} {}", "?".repeat(60_000)) }),
        json!({ "query": format!("{{ ...{} }}", "z".repeat(60_000)) }),
        json!({ "query": "{ cell { name } }", "operationName": "o".repeat(60_000) }),
        json!({ "query": format!("{{ node(id: \"{}\") {{ id }} }}", "n".repeat(60_000)) }),
        json!({ "query": format!("{{ events(filter: {{names: [\"{}\"]}}) {{ nodes {{ name }} }} }}", "e".repeat(60_000)) }),
        json!({ "query": format!("{{ tasks(first: \"{}\") {{ nodes {{ name }} }} }}", "1".repeat(60_000)) }),
        json!({ "query": ["x".repeat(60_000)] }),
    ];
    for case in cases {
        let (_, words) = cell.post(&case.to_string(), &[]).await;
        assert!(words.len() <= ERRORS_BYTES_MAX, "{} bytes: {words:.300}", words.len());
        let answer: Value = serde_json::from_str(&words).expect("JSON");
        let errors = answer["errors"].as_array().expect("errors");
        assert!(!errors.is_empty() && errors.len() <= 17, "{words:.300}");
    }
    let many: String = (0..900).map(|n| format!("a{n}: tasks(after: \"!\") {{ nodes {{ name }} }} ")).collect();
    let answer = cell.ask(&format!("{{ {many} }}")).await;
    assert!(answer["errors"].as_array().unwrap().len() < 18, "{answer:.300}");
}

#[tokio::test]
async fn an_answer_that_would_grow_too_large_is_none() {
    let cell = Cell::led().await;
    let argument = "x".repeat(50_000);
    for job in 0..4 {
        cell.mutate(&format!(
            "submitJob(input: {{job: {{name: \"j{job}\", kind: SERVICE, resources: \"cpu=1 mem=1Mi\", command: [\"{argument}\"]}}}}) {{ offset }}"
        ))
        .await;
    }
    let selection = |times: usize| {
        (0..times)
            .fold(String::new(), |all, n| all + &format!("a{n}: jobs(first: 4) {{ nodes {{ spec {{ command }} }} }} "))
    };
    cell.query(&selection(2)).await;
    let said = refused(&cell, &json!({ "query": format!("{{ {} }}", selection(100)) })).await;
    assert!(said.contains("larger than 8388608 bytes") && said.contains("TOO_LARGE"), "{said:.300}");
    let mut socket = cell.open_socket().await;
    socket.subscribe("q", &format!("{{ {} }}", selection(100))).await;
    assert!(socket.next().await.to_string().contains("larger than 8388608 bytes"));
}

/// A filter that lets nothing through, many times over.
fn scans(times: usize) -> String {
    let each = (0..times)
        .fold(String::new(), |all, n| all + &format!("a{n}: events(last: 0, filter: {{job: \"zz\"}}) {{ lookedTo }} "));
    json!({ "query": format!("{{ {each} }}") }).to_string()
}

#[tokio::test]
async fn what_is_looked_at_is_charged_and_keeps_nobody_waiting() {
    let cell = Cell::led().await;
    for job in 0..60 {
        cell.submit(&format!("j{job}"), 1).await;
    }
    let (_, words) = cell.post(&scans(1), &[]).await;
    assert!(!words.contains("errors"), "{words}");
    let body = scans(1000);
    let hostile = cell.post(&body, &[]);
    let mut asked = 0;
    let others = async {
        loop {
            assert_eq!(cell.http("GET", "/healthz", &[], "").await.0, 200);
            // It has the threads of the scans, and its turn among them.
            assert_eq!(cell.query("cell { name }").await["cell"]["name"], "main");
            asked += 1;
            // Where the scans have this thread, this is never reached before they are over.
            tokio::task::yield_now().await;
        }
    };
    let (_, words) = tokio::select! {
        answer = hostile => answer,
        () = others => unreachable!("it asks for ever"),
    };
    assert!(asked > 5, "{asked} questions were answered meanwhile");
    assert!(words.contains("looks at more than 500000 rows") && words.len() < 200_000, "{words:.300}");
}

#[tokio::test]
async fn a_request_whose_client_left_ends() {
    let cell = Cell::led().await;
    let waits = json!({ "query": "{ cell(minOffset: \"4000000000\") { name } }" }).to_string();
    for _ in 0..50 {
        let left = tokio::time::timeout(Duration::from_millis(50), cell.post(&waits, &[])).await;
        assert!(left.is_err(), "it waits for an offset that is far away");
    }
    let mut metrics = String::new();
    for _ in 0..200 {
        metrics = cell.http("GET", "/metrics", &[], "").await.1;
        if metrics.contains("\nquipu_requests_running 0\n") {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("requests still run: {metrics}");
}

#[tokio::test]
async fn requests_that_wait_for_a_far_offset_keep_no_place() {
    let cell = Cell::led().await;
    let waits = json!({ "query": "{ cell(minOffset: \"4000000000\") { name } }" }).to_string();
    let waiting = futures_util::future::join_all((0..40).map(|_| cell.post(&waits, &[])));
    tokio::select! {
        _ = waiting => panic!("the offset is far away"),
        answer = async { loop {
            let (_, metrics) = cell.http("GET", "/metrics", &[], "").await;
            if metrics.contains("\nquipu_requests_running 40\n") { break cell.query("cell { name }").await }
        }} => assert_eq!(answer["cell"]["name"], "main"),
    }
}

#[tokio::test]
async fn a_subscription_has_one_root_field_wherever_it_is_written() {
    let cell = Cell::led().await;
    let mut socket = cell.open_socket().await;
    let many: String = (0..1500).map(|n| format!("a{n}: events {{ name }} ")).collect();
    let refused = [
        format!("subscription {{ {many} }}"),
        "subscription { events { name } samples { time } }".to_owned(),
        "subscription { ...a ...b } fragment a on Subscription { events { name } } fragment b on Subscription { samples { time } }".to_owned(),
        "subscription { ... { events { name } } ... on Subscription { b: events { name } } }".to_owned(),
        "subscription { ...a ...a } fragment a on Subscription { events { name } }".to_owned(),
        "subscription { events @skip(if: true) { name } }".to_owned(),
        "subscription { ...a @include(if: false) } fragment a on Subscription { events { name } }".to_owned(),
        "subscription { ...a } fragment a on Query { cell { name } }".to_owned(),
    ];
    for document in refused {
        socket.subscribe("s", &document).await;
        let message = socket.next().await;
        assert_eq!(message["type"], "error", "{document:.100}: {message:.300}");
    }
    let taken = [
        "subscription { ...a } fragment a on Subscription { watchJob(name: \"web\") { name } }",
        "subscription { ... on Subscription { ...a } } fragment a on Subscription { watchJob(name: \"web\") { ...j } } fragment j on Job { name }",
        "subscription { ... { watchJob(name: \"web\") { name } } }",
    ];
    cell.submit("web", 1).await;
    for (id, document) in taken.iter().enumerate() {
        socket.subscribe(&id.to_string(), document).await;
        assert_eq!(socket.data().await["watchJob"]["name"], "web", "{document}");
    }
    // Fragments that only another operation needs are not in the way.
    let two = "subscription s { ...a } query q { ...c } fragment a on Subscription { watchJob(name: \"web\") { name } } fragment c on Query { cell { name } }";
    socket.send(json!({ "id": "two", "type": "subscribe", "payload": { "query": two, "operationName": "s" } })).await;
    assert_eq!(socket.data().await["watchJob"]["name"], "web");
}

#[tokio::test]
async fn a_page_of_none_says_whether_there_is_one() {
    let cell = Cell::led().await;
    let pages = "jobs(first: 0) { nodes { name } pageInfo { hasNextPage hasPreviousPage } }";
    assert_eq!(cell.query(pages).await["jobs"]["pageInfo"]["hasNextPage"], false);
    cell.submit("web", 1).await;
    let page = cell.query(pages).await["jobs"].clone();
    assert_eq!(page, json!({ "nodes": [], "pageInfo": { "hasNextPage": true, "hasPreviousPage": false } }));
    let last = cell.query("jobs(last: 0) { pageInfo { hasNextPage hasPreviousPage } }").await["jobs"].clone();
    assert_eq!(last, json!({ "pageInfo": { "hasNextPage": false, "hasPreviousPage": true } }));
    let full = cell.query("jobs(first: 1) { pageInfo { hasNextPage } }").await["jobs"].clone();
    assert_eq!(full, json!({ "pageInfo": { "hasNextPage": false } }));
}
