//! Rows as of moments, and pages of them.

use command_log::Log;
use log_schema::Offset;
use serde_json::{Value, json};

use super::{cell::Cell, leader};

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
    let now = cell.query("jobs { nodes { name } }").await;
    assert_eq!(names(&now), json!([{ "name": "first" }, { "name": "second" }]));
    let ahead = cell.ask("{ jobs(at: {time: \"2999-01-01T00:00:00Z\"}) { asOf } }").await;
    assert_eq!(ahead["errors"][0]["extensions"]["code"], "BAD_INPUT");
    let ahead = cell.ask("{ jobs(at: {offset: \"999999\"}) { asOf } }").await;
    assert_eq!(ahead["errors"][0]["extensions"]["code"], "AHEAD");
}

#[tokio::test]
async fn root_fields_of_one_request_are_of_one_moment() {
    let cell = Cell::led().await;
    cell.submit("first", 3).await;
    let mut socket = cell.open_socket().await;
    // The next command comes at `high`, and its decision right after it.
    let decided = cell.log.watermarks().await.unwrap().high.next();
    let query = "query($min: Offset) { a: usage { asOf jobs } ...late c: cell { asOf } }
        fragment late on Query { b: jobs(minOffset: $min) { asOf } }";
    let payload = json!({ "query": query, "variables": { "min": decided.to_string() } });
    socket.send(json!({ "id": "q", "type": "subscribe", "payload": payload })).await;
    // The query has begun once an operation that was started later has ended.
    socket.subscribe("begun", "{ cell { name } }").await;
    assert_eq!(socket.next().await["id"], "begun");
    assert_eq!(socket.next().await["type"], "complete");
    cell.submit("second", 3).await;
    let data = socket.data().await;
    assert_eq!(data["a"]["jobs"], 2, "{data}");
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

#[tokio::test]
async fn everything_that_the_cell_holds_can_be_asked_for() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("web", 2).await;
    cell.mutate("subscribeFramework(input: {framework: \"f\", role: \"ops\"}) { key }").await;
    let accepted = cell
        .mutate("acceptOffers(input: {framework: \"f\", offers: [\"o1\"], launches: [{name: \"t\", resources: \"cpu=1\", command: [\"x\"]}]}) { decisionOffset }")
        .await;
    let min = format!("minOffset: {}", accepted["acceptOffers"]["decisionOffset"]);
    let now = command_log::wall_clock();
    let data = cell
        .query(&format!(
            "agents({min}) {{ nodes {{ name state taskCount used {{ cpu text }} free {{ ports }} tasks {{ nodes {{ name }} }} connected sample {{ time }} }} }}
             jobs {{ nodes {{ name taskCounts {{ placed total }} spec {{ command restart {{ on limit }} }} tasks {{ nodes {{ name state run {{ agent incarnation state }} command }} }} }} }}
             tasks(filter: {{framework: \"f\"}}) {{ nodes {{ name framework job }} }}
             onA1: tasks(filter: {{agent: \"a1\", state: [PLACED]}}) {{ nodes {{ name }} }}
             frameworks {{ nodes {{ name role offers {{ nodes {{ name }} }} filters {{ agent }} }} }}
             offers(standing: false) {{ nodes {{ name standing endReason agent framework }} }}
             roles {{ nodes {{ name weight dominant {{ resource held capacity }} }} }}
             usage {{ agentsUp tasks {{ placed }} used {{ cpu }} }}
             usageOverTime(from: \"0\", until: \"{now}\", points: 2) {{ usage {{ jobs }} }}
             cell {{ name decision {{ epoch }} log {{ epoch leader halted chain }} parameters {{ policy }} }}
             node(id: \"Job:web\") {{ id ... on Job {{ name }} }}
             job(name: \"web\") {{ timeline {{ lines {{ event text }} next }} }}
             samples {{ agent }}"
        ))
        .await;
    assert_eq!(data["agents"]["nodes"][0]["used"], json!({ "cpu": "2000", "text": "cpu=2 mem=128Mi" }));
    assert_eq!(data["agents"]["nodes"][0]["taskCount"], 3);
    assert_eq!(data["jobs"]["nodes"][0]["taskCounts"], json!({ "placed": 2, "total": 2 }));
    assert_eq!(data["jobs"]["nodes"][0]["spec"]["restart"], json!({ "on": "ANY", "limit": "1000" }));
    assert_eq!(
        data["jobs"]["nodes"][0]["tasks"]["nodes"][1]["run"],
        json!({ "agent": "a1", "incarnation": "2", "state": "PLACED" })
    );
    assert_eq!(data["tasks"]["nodes"], json!([{ "name": "f/t", "framework": "f", "job": null }]));
    assert_eq!(data["onA1"]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(
        data["offers"]["nodes"],
        json!([{ "name": "o1", "standing": false, "endReason": "ACCEPTED", "agent": "a1", "framework": "f" }])
    );
    assert_eq!(data["usage"], json!({ "agentsUp": 1, "tasks": { "placed": 3 }, "used": { "cpu": "2000" } }));
    assert_eq!(data["usageOverTime"][1]["usage"]["jobs"], 1);
    assert_eq!(data["cell"]["log"]["leader"], "n1");
    assert_eq!(data["node"], json!({ "id": "Job:web", "name": "web" }));
    assert_eq!(data["job"]["timeline"]["lines"][0], json!({ "event": "job.accepted", "text": "2 tasks" }));
}

#[tokio::test]
async fn records_that_do_not_count_are_counted_once_and_only_if_they_are_news() {
    let mut cell = Cell::led().await;
    cell.admit("a1").await;
    let payload = cell.submit("web", 1).await;
    assert_eq!(void(&cell).await, [0, 0, 0]);
    cell.restart().await;
    cell.submit("after", 1).await;
    assert_eq!(void(&cell).await, [0, 0, 0], "the decision that was folded last is judged again, and is no repetition");

    let at = payload["decisionOffset"].as_str().unwrap().parse().unwrap();
    let decision = cell.log.read(Offset(at), 1).await.unwrap().remove(0).record;
    cell.log.append(vec![decision.clone()]).await.unwrap();
    cell.submit("repeated", 1).await;
    assert_eq!(void(&cell).await, [0, 0, 1], "the same decision once more is a repetition");
    leader::claim(&*cell.log, 2).await;
    leader::claim(&*cell.log, 2).await;
    cell.log.append(vec![decision]).await.unwrap();
    cell.submit("led-again", 1).await;
    assert_eq!(
        void(&cell).await,
        [1, 1, 1],
        "of two claims the second is void, and so is a decision of the reign before"
    );
    cell.restart().await;
    cell.submit("after-all", 1).await;
    assert_eq!(void(&cell).await, [0, 0, 0], "a gateway counts what is new since it began");
}

/// How many claims, decisions and repetitions the gateway counts as void.
async fn void(cell: &Cell) -> [u64; 3] {
    let log = cell.query("cell { log { epochsVoid decisionsVoid decisionsDuplicate } }").await["cell"]["log"].clone();
    ["epochsVoid", "decisionsVoid", "decisionsDuplicate"].map(|count| log[count].as_str().unwrap().parse().unwrap())
}

fn names(connection: &Value) -> Vec<String> {
    let nodes = connection["nodes"].as_array().expect("nodes");
    nodes.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}
