//! Rows as of moments, and pages of them.

use serde_json::{Value, json};

use super::cell::Cell;

#[tokio::test]
async fn what_was_written_can_be_read_at_once_with_min_offset() {
    let cell = Cell::led().await;
    for job in 0..5 {
        let payload = cell.submit(&format!("j{job}"), 1).await;
        let min = &payload["decisionOffset"];
        let read = cell.query(&format!("job(name: \"j{job}\", minOffset: {min}) {{ name state count }}")).await;
        assert_eq!(read["job"], json!({ "name": format!("j{job}"), "state": "RUNNING", "count": 1 }));
    }
}

#[tokio::test]
async fn the_past_is_read_as_of_an_offset_or_a_time() {
    let cell = Cell::led().await;
    cell.submit("first", 1).await;
    let second = cell.submit("second", 1).await;
    let decided: u64 = second["decisionOffset"].as_str().unwrap().parse().unwrap();
    let names = |data: &Value| data["jobs"]["nodes"].clone();
    let before = cell.query(&format!("jobs(at: {{offset: \"{}\"}}) {{ nodes {{ name }} asOf }}", decided - 1)).await;
    assert_eq!(names(&before), json!([{ "name": "first" }]));
    assert_eq!(before["jobs"]["asOf"], (decided - 1).to_string());
    let now = cell.query("jobs(at: {time: \"2999-01-01T00:00:00Z\"}) { nodes { name } }").await;
    assert_eq!(names(&now), json!([{ "name": "first" }, { "name": "second" }]));
    let ahead = cell.ask("{ jobs(at: {offset: \"999999\"}) { asOf } }").await;
    assert_eq!(ahead["errors"][0]["extensions"]["code"], "AHEAD");
}

#[tokio::test]
async fn root_fields_of_one_request_are_of_one_moment() {
    let cell = Cell::led().await;
    let payload = cell.submit("web", 3).await;
    let min = &payload["decisionOffset"];
    let data =
        cell.query(&format!("a: jobs(minOffset: {min}) {{ asOf }} b: usage {{ asOf }} c: cell {{ asOf }}")).await;
    assert_eq!(data["a"]["asOf"], data["b"]["asOf"]);
    assert_eq!(data["a"]["asOf"], data["c"]["asOf"]);
}

#[tokio::test]
async fn pages_walk_both_ways_over_everything_once() {
    let cell = Cell::led().await;
    for job in 0..7 {
        cell.submit(&format!("j{job}"), 1).await;
    }
    let payload = cell.submit("j7", 1).await;
    let all: Vec<String> = (0..8).map(|job| format!("j{job}")).collect();
    let page = |arguments: String| {
        format!(
            "jobs({arguments}, minOffset: {}) {{ nodes {{ name }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}",
            payload["decisionOffset"]
        )
    };
    let (mut forwards, mut cursor) = (Vec::new(), String::new());
    loop {
        let after = if cursor.is_empty() { String::new() } else { format!(", after: \"{cursor}\"") };
        let data = cell.query(&page(format!("first: 3{after}"))).await["jobs"].clone();
        forwards.extend(names(&data));
        if data["pageInfo"]["hasNextPage"] == false {
            break;
        }
        cursor = data["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
    }
    assert_eq!(forwards, all);
    let last = cell.query(&page("last: 3".into())).await["jobs"].clone();
    assert_eq!(names(&last), all[5..]);
    assert_eq!(last["pageInfo"]["hasPreviousPage"], true);
    let start = last["pageInfo"]["startCursor"].as_str().unwrap();
    let before = cell.query(&page(format!("last: 3, before: \"{start}\""))).await["jobs"].clone();
    assert_eq!(names(&before), all[2..5]);
}

#[tokio::test]
async fn pages_have_bounds_and_directions() {
    let cell = Cell::led().await;
    let cases = [
        ("jobs(first: 1001) { asOf }", "OUT_OF_RANGE"),
        ("jobs(first: -1) { asOf }", "OUT_OF_RANGE"),
        ("jobs(first: 1, before: \"x\") { asOf }", "BAD_INPUT"),
        ("jobs(first: 1, after: \"no id\") { asOf }", "BAD_INPUT"),
        ("usageOverTime(from: \"0\", until: \"1\", points: 1) { time }", "OUT_OF_RANGE"),
        ("node(id: \"Planet:earth\") { id }", "BAD_INPUT"),
    ];
    for (field, code) in cases {
        let answer = cell.ask(&format!("{{ {field} }}")).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{field}");
    }
}

fn names(connection: &Value) -> Vec<String> {
    let nodes = connection["nodes"].as_array().expect("nodes");
    nodes.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}
