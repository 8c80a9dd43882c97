//! What is turned away before it is executed, and what a gateway says of itself.

use std::sync::Arc;

use command_log::{Log, memory::MemoryLog, telemetry::InProcess};
use gateway::{Config, Error};
use log_schema::{Kind, Record};
use serde_json::json;

use super::cell::Cell;

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let config = Config::new(Arc::new(MemoryLog::new()), Arc::new(InProcess::default()), dir.path());
        let refused = gateway::serve(Config { listen: listen.parse().unwrap(), ..config }).await.unwrap_err();
        assert!(matches!(refused, Error::NotLoopback { .. }));
        assert!(refused.to_string().contains("neither TLS nor authentication"), "{refused}");
    }
}

#[tokio::test]
async fn requests_are_posts_of_json_within_bounds() {
    let cell = Cell::led().await;
    let body = json!({ "query": "{ cell { name } }" }).to_string();
    assert_eq!(cell.http("POST", "/graphql", &[("Content-Type", "text/plain")], &body).await.0, 415);
    assert_eq!(cell.http("PUT", "/graphql", &[("Content-Type", "application/json")], &body).await.0, 405);
    assert_eq!(cell.post("{", &[]).await.0, 400);
    assert_eq!(cell.post("[{\"query\": \"{ cell { name } }\"}]", &[]).await.0, 400);
    let large = json!({ "query": "#".repeat(70_000) }).to_string();
    assert_eq!(cell.post(&large, &[]).await.0, 413);
    let subscription = json!({ "query": "subscription { events { name } }" }).to_string();
    let (status, words) = cell.post(&subscription, &[]).await;
    assert!(status == 400 && words.contains("WebSocket"), "{words}");
}

#[tokio::test]
async fn pages_of_other_sites_may_not_use_a_gateway() {
    let cell = Cell::led().await;
    let body = json!({ "query": "{ cell { name } }" }).to_string();
    let (addr, port) = (cell.addr().to_string(), cell.addr().port());
    assert_eq!(cell.post(&body, &[("Origin", "https://evil.example")]).await.0, 403);
    assert_eq!(cell.post(&body, &[("Origin", "http://localhost:1")]).await.0, 403);
    assert_eq!(cell.post(&body, &[("Host", "evil.example")]).await.0, 403);
    assert_eq!(cell.post(&body, &[("Origin", &format!("http://{addr}"))]).await.0, 200);
    let localhost = format!("localhost:{port}");
    assert_eq!(cell.post(&body, &[("Host", &localhost), ("Origin", &format!("http://{localhost}"))]).await.0, 200);
}

#[tokio::test]
async fn documents_that_would_grow_too_large_are_refused_quickly() {
    let cell = Cell::led().await;
    let mut fan_out = String::from("query { ...f0 }");
    for level in 0..25 {
        let next = level + 1;
        fan_out += &format!(" fragment f{level} on Query {{ ...f{next} ...f{next} }}");
    }
    fan_out += " fragment f25 on Query { cell { name } }";
    let (status, words) = cell.post(&json!({ "query": fan_out }).to_string(), &[]).await;
    assert!(status == 400 && words.contains("more than 4096"), "{words}");
    let deep = format!("{{ {} name {} }}", "agents { nodes { tasks { nodes { ".repeat(8), "} } } } ".repeat(8));
    let (status, words) = cell.post(&json!({ "query": deep }).to_string(), &[]).await;
    assert!(status == 400 && words.contains("nests deeper than 32"), "{words}");
    let words = deep_words(&cell).await;
    assert!(words.contains("deep, more than 20"), "{words}");
}

/// What a gateway says to pages that lie inside pages, far down.
async fn deep_words(cell: &Cell) -> String {
    let inner = "ofType { ".repeat(20) + "name" + &" }".repeat(20);
    cell.ask(&format!("{{ __schema {{ types {{ fields {{ type {{ {inner} }} }} }} }} }}")).await["errors"][0]["message"]
        .to_string()
}

/// All that a page for people shows: whole pages of everything, each with a short one inside.
const DASHBOARD: &str = "query($first: Int = 100, $inside: Int = 10) {
  cell { name asOf logTime decision { epoch from to events } log { high next epoch leader halted } }
  usage { agentsUp capacity { cpu mem disk gpu } used { cpu mem disk gpu } offered { cpu mem } tasks { placed running total } }
  usageOverTime(from: \"0\", until: \"60000\") { time usage { used { cpu mem } tasks { running } } }
  agents(first: $first) { nodes { name number state since { offset time } capacity { cpu mem disk gpu text } used { cpu mem text }
    free { cpu mem ports text } attributes { name value } taskCount offerCount connected sample { time cpuBusy cpuTotal memUsed memTotal }
    tasks(first: $inside) { nodes { name job framework state since { time } restarts run { incarnation agent state } usage { cpu mem } } } }
    pageInfo { hasNextPage endCursor } }
  jobs(first: $first) { nodes { name kind state role count restarts submittedBy submitted { time } ended { time }
    taskCounts { placed running finished failed total } spec { command restart { on limit } }
    tasks(first: $inside) { nodes { name state since { time } restarts run { incarnation agent state endReason exitCode message } } } }
    pageInfo { hasNextPage endCursor } }
  tasks(first: $first) { nodes { name job framework state since { time } restarts command run { incarnation agent state } usage { cpu mem }
    timeline(first: $inside) { lines { time event text } } } pageInfo { hasNextPage endCursor } }
  frameworks(first: $first) { nodes { name role state offerCount taskCounts { running } used { cpu mem }
    offers(first: $inside) { nodes { name agent resources { text } made { time } } } } pageInfo { hasNextPage endCursor } }
  offers(first: $first) { nodes { name framework agent resources { text } made { time } } pageInfo { hasNextPage endCursor } }
  roles(first: $first) { nodes { name weight used { cpu mem } taskCount dominant { resource held capacity }
    timeline(first: $inside) { lines { time event text } } } pageInfo { hasNextPage endCursor } }
  refusals(last: $first) { nodes { offset principal key reason { code message } } }
  events(last: $first) { nodes { cursor time name job task agent framework offer body } }
}";

#[tokio::test]
async fn a_page_for_people_is_let_through_and_pages_of_pages_are_refused_with_their_cost() {
    let cell = Cell::led().await;
    cell.query("jobs { nodes { name tasks { nodes { name state since { time } restarts run { agent state } } } } }")
        .await;
    let dashboard = cell.ask(DASHBOARD).await;
    assert_eq!(dashboard["errors"], serde_json::Value::Null, "{dashboard}");
    let refused = [
        ("jobs(first: 1000) { nodes { tasks(first: 1000) { nodes { name } } } }", "2002001"),
        ("jobs { nodes { tasks { nodes { timeline { lines { text } } } } } }", "2020201"),
        (
            "agents(last: 1000) { nodes { tasks(first: 1000) { nodes { timeline(first: 1000) { lines { text } } } } } }",
            "2002002001",
        ),
    ];
    for (selection, cost) in refused {
        let answer = cell.ask(&format!("{{ {selection} }}")).await;
        let error = &answer["errors"][0];
        assert_eq!((&answer["data"], &error["extensions"]["code"]), (&json!(null), &json!("TOO_LARGE")), "{answer}");
        let words = error["message"].as_str().unwrap();
        let said = format!("may cost {cost}, more than 500000");
        assert!(words.contains(&said) && words.contains("smaller pages"), "{words}");
    }
    assert!(gateway::sdl().contains("cost at most 500000, and may be 20 fields deep"), "the schema says the limits");
}

#[tokio::test]
async fn a_gateway_is_ready_when_the_cell_is_led() {
    let mut cell = Cell::without_leader(std::time::Duration::from_secs(10)).await;
    assert_eq!(cell.http("GET", "/healthz", &[], "").await, (200, "alive\n".into()));
    let (status, words) = cell.http("GET", "/readyz", &[], "").await;
    assert!(status == 503 && words.contains("nobody has led"), "{words}");
    cell.elect();
    cell.submit("web", 1).await;
    assert_eq!(cell.http("GET", "/readyz", &[], "").await, (200, "ready\n".into()));
    let (_, metrics) = cell.http("GET", "/metrics", &[], "").await;
    for line in
        ["quipu_epoch 1", "quipu_commands_appended_total 1", "quipu_requests_total 1", "quipu_decisions_total 1"]
    {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line}:\n{metrics}");
    }
    assert!(cell.http("GET", "/", &[], "").await.1.contains("/graphql"));
}

#[tokio::test]
async fn a_gateway_that_has_stopped_has_let_its_projections_go() {
    let mut cell = Cell::led().await;
    for job in 0..10 {
        cell.submit(&format!("j{job}"), 1000).await;
        // The decision is answered, and most likely not folded yet.
        cell.restart().await;
    }
}

#[tokio::test]
async fn projections_of_another_log_are_not_used() {
    let mut cell = Cell::led().await;
    cell.submit("web", 1).await;
    cell = cell.without_gateway().await;
    // One that ends before, and one that has grown longer meanwhile.
    let longer = MemoryLog::new();
    longer.append(vec![Record::v1(Kind::Tick, vec![]); 1000]).await.unwrap();
    for log in [MemoryLog::new(), longer] {
        let config = Config::new(Arc::new(log), Arc::new(InProcess::default()), cell.projections());
        let refused = gateway::serve(config).await.unwrap_err();
        assert!(matches!(refused, Error::ForeignProjections { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_document_that_nests_too_deep_is_refused_before_it_is_read() {
    let cell = Cell::led().await;
    let query = format!("{{ tasks(first: {}1{}) {{ nodes {{ name }} }} }}", "[".repeat(20_000), "]".repeat(20_000));
    let answer = cell
        .http("POST", "/graphql", &[("content-type", "application/json")], &json!({ "query": query }).to_string())
        .await;
    assert!(answer.1.contains("nested deeper than 64"), "{answer:?}");
    let mut socket = cell.open_socket().await;
    socket.subscribe("d", &query).await;
    assert!(socket.next().await.to_string().contains("nested deeper than 64"));
}
