//! The lossless stream of events, and watches.

use serde_json::{Value, json};

use super::cell::{Cell, Socket};

/// Reads so many events of the operation that runs.
async fn take(socket: &mut Socket, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(socket.data().await["events"].as_array().unwrap().iter().cloned());
    }
    events
}

fn cursors(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["cursor"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_resume_at_every_cursor_without_gap_or_repeat() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    for job in 0..4 {
        cell.submit(&format!("j{job}"), 3).await;
    }
    let mut socket = cell.open_socket().await;
    socket.subscribe("all", "subscription { events(since: \"start\") { cursor name } }").await;
    let all = take(&mut socket, 18).await;
    assert_eq!(all.len(), 18, "an agent, a role, and four times a job with three tasks: {all:?}");
    for (position, event) in all.iter().enumerate().take(17) {
        let mut again = cell.open_socket().await;
        let since = event["cursor"].as_str().unwrap();
        again.subscribe("rest", &format!("subscription {{ events(since: \"{since}\") {{ cursor name }} }}")).await;
        assert_eq!(take(&mut again, all.len() - position - 1).await, all[position + 1..]);
    }
}

#[tokio::test]
async fn events_resume_on_a_gateway_that_began_later() {
    let mut cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("before", 2).await;
    let mut socket = cell.open_socket().await;
    socket.subscribe("1", "subscription { events(since: \"start\") { cursor name } }").await;
    let all = take(&mut socket, 5).await;
    cell.restart().await;
    for (position, event) in all.iter().enumerate().take(4) {
        let mut again = cell.open_socket().await;
        let since = event["cursor"].as_str().unwrap();
        again.subscribe("1", &format!("subscription {{ events(since: \"{since}\") {{ cursor name }} }}")).await;
        assert_eq!(take(&mut again, all.len() - position - 1).await, all[position + 1..]);
    }
    let mut socket = cell.open_socket().await;
    let since = all[4]["cursor"].as_str().unwrap();
    socket.subscribe("1", &format!("subscription {{ events(since: \"{since}\") {{ name }} }}")).await;
    cell.submit("after", 1).await;
    assert_eq!(take(&mut socket, 2).await[0]["name"], "job.accepted");
}

#[tokio::test]
async fn a_gateway_that_began_later_has_the_events_behind_every_offset() {
    let mut cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("web", 2).await;
    let events = cell.query("events { nodes { offset cursor } }").await["events"]["nodes"].clone();
    let events = events.as_array().unwrap();
    let offset = |event: &Value| event["offset"].as_str().unwrap().parse::<u64>().unwrap();
    cell.restart().await;
    for since in 0..offset(events.last().unwrap()) {
        let mut socket = cell.open_socket().await;
        socket.subscribe("1", &format!("subscription {{ events(since: \"{since}\") {{ offset cursor }} }}")).await;
        let behind: Vec<_> = events.iter().filter(|event| offset(event) > since).cloned().collect();
        assert_eq!(take(&mut socket, behind.len()).await, behind, "since {since}");
    }
}

#[tokio::test]
async fn pages_of_events_agree_with_the_stream() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let payload = cell.submit("web", 5).await;
    let mut socket = cell.open_socket().await;
    socket.subscribe("1", "subscription { events(since: \"start\") { cursor } }").await;
    let all = take(&mut socket, 8).await;
    let page = |arguments: &str| {
        format!("events({arguments}) {{ nodes {{ cursor }} pageInfo {{ hasNextPage hasPreviousPage }} lookedTo asOf }}")
    };
    // Rows reflect the decision, so that the pages which go backwards do as well.
    cell.query(&format!("usage(minOffset: {}) {{ asOf }}", payload["decisionOffset"])).await;
    let first = cell.query(&page("first: 3")).await["events"].clone();
    assert_eq!(first["nodes"].as_array().unwrap()[..], all[..3]);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let after = cursors(&all)[2];
    let rest = cell.query(&page(&format!("first: 100, after: \"{after}\""))).await["events"].clone();
    assert_eq!(rest["nodes"].as_array().unwrap()[..], all[3..]);
    assert_eq!(rest["pageInfo"]["hasNextPage"], false);
    let last = cell.query(&page("last: 3")).await["events"].clone();
    assert_eq!(last["nodes"].as_array().unwrap()[..], all[5..]);
    let before = cursors(&all)[5];
    let earlier = cell.query(&page(&format!("last: 3, before: \"{before}\""))).await["events"].clone();
    assert_eq!(earlier["nodes"].as_array().unwrap()[..], all[2..5]);
    assert_eq!(earlier["pageInfo"], json!({ "hasNextPage": true, "hasPreviousPage": true }));
}

#[tokio::test]
async fn a_framework_hears_of_its_offers_and_tasks_and_of_nothing_else() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let mut socket = cell.open_socket().await;
    socket
        .subscribe(
            "f",
            "subscription { events(since: \"start\", filter: {framework: \"f\"}) { name offer task framework body } }",
        )
        .await;
    cell.submit("web", 1).await;
    cell.mutate("other: subscribeFramework(input: {framework: \"other\"}) { key } f: subscribeFramework(input: {framework: \"f\"}) { key }").await;
    cell.mutate("declineOffers(input: {framework: \"other\", offers: [\"o1\"]}) { key }").await;
    cell.mutate("acceptOffers(input: {framework: \"f\", offers: [\"o2\"], launches: [{name: \"t\", resources: \"cpu=1\", command: [\"x\"]}]}) { key }").await;
    let heard = take(&mut socket, 4).await;
    let names: Vec<_> = heard.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["framework.subscribed", "offer.made", "offer.ended", "task.placed"]);
    assert_eq!(heard[2]["offer"], "o2");
    assert_eq!(heard[2]["body"], json!({ "offer": 2, "reason": "accepted" }));
    assert_eq!(heard[3]["body"]["run"]["argv"], json!(["x"]));
    let mut late = cell.open_socket().await;
    let since = cell.query("events(filter: {names: [\"offer.made\"]}) { nodes { cursor } }").await["events"]["nodes"]
        [1]["cursor"]
        .clone();
    late.subscribe(
        "f",
        &format!("subscription {{ events(since: {since}, filter: {{framework: \"f\"}}) {{ name offer }} }}"),
    )
    .await;
    assert_eq!(take(&mut late, 1).await[0], json!({ "name": "offer.ended", "offer": "o2" }));
}

#[tokio::test]
async fn pages_of_the_events_of_a_framework_or_an_agent_hold_the_ends_of_their_offers_both_ways() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    cell.admit("a2").await;
    cell.mutate("other: subscribeFramework(input: {framework: \"other\"}) { key } f: subscribeFramework(input: {framework: \"f\"}) { key }").await;
    cell.mutate("declineOffers(input: {framework: \"other\", offers: [\"o1\"]}) { key }").await;
    let last = cell.mutate("declineOffers(input: {framework: \"f\", offers: [\"o3\"]}) { decisionOffset }").await;
    cell.query(&format!("usage(minOffset: {}) {{ asOf }}", last["declineOffers"]["decisionOffset"])).await;
    let cases = [
        (
            "framework: \"f\"",
            vec![(None, "framework.subscribed"), (Some("o3"), "offer.made"), (Some("o3"), "offer.ended")],
        ),
        ("agent: \"a2\", names: [\"offer.made\", \"offer.ended\"]", vec![(Some("o2"), "offer.made")]),
        ("agent: \"a1\", names: [\"offer.ended\"]", vec![(Some("o1"), "offer.ended"), (Some("o3"), "offer.ended")]),
    ];
    for (filter, expected) in cases {
        for part in ["first", "last"] {
            let page =
                cell.query(&format!("events({part}: 10, filter: {{{filter}}}) {{ nodes {{ offer name }} }}")).await;
            let nodes: Vec<_> = expected.iter().map(|(offer, name)| json!({ "offer": offer, "name": name })).collect();
            assert_eq!(page["events"]["nodes"], json!(nodes), "{part} with {filter}");
        }
    }
}

#[tokio::test]
async fn the_end_of_an_offer_says_whose_it_was() {
    let mut cell = Cell::led().await;
    cell.admit("a1").await;
    cell.mutate("subscribeFramework(input: {framework: \"f\"}) { key }").await;
    cell.mutate("declineOffers(input: {framework: \"f\", offers: [\"o1\"]}) { key }").await;
    let ended = json!({ "name": "offer.ended", "offer": "o1", "framework": "f", "agent": "a1" });
    let fields = "name offer framework agent";
    for _ in 0..2 {
        let mut socket = cell.open_socket().await;
        let document =
            format!("subscription {{ events(since: \"start\", filter: {{names: [\"offer.ended\"]}}) {{ {fields} }} }}");
        socket.subscribe("1", &document).await;
        assert_eq!(take(&mut socket, 1).await[0], ended);
        let page =
            cell.query(&format!("events(filter: {{names: [\"offer.ended\"]}}) {{ nodes {{ {fields} }} }}")).await;
        assert_eq!(page["events"]["nodes"], json!([ended]));
        // A gateway that was not there when the offer was made knows it too.
        cell.restart().await;
    }
}

#[tokio::test]
async fn filters_are_checked_and_places_that_are_none_are_refused() {
    let cell = Cell::led().await;
    cell.submit("web", 1).await;
    let mut socket = cell.open_socket().await;
    let cases = [
        ("filter: {names: [\"task.plcaed\"]}", "BAD_INPUT"),
        ("since: \"yesterday\"", "BAD_INPUT"),
        ("since: \"999999:0\"", "AHEAD"),
    ];
    for (arguments, code) in cases {
        socket.subscribe("x", &format!("subscription {{ events({arguments}) {{ name }} }}")).await;
        let message = socket.next().await;
        assert_eq!(message["type"], "error", "{arguments}");
        assert_eq!(message["payload"][0]["extensions"]["code"], code, "{message}");
    }
}

#[tokio::test]
async fn a_slow_client_slows_no_other_and_loses_nothing() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let mut slow = cell.open_socket().await;
    slow.subscribe("s", "subscription { events { cursor name body } }").await;
    let mut quick = cell.open_socket().await;
    quick.subscribe("q", "subscription { events(filter: {names: [\"job.accepted\"]}) { job } }").await;
    // Both have begun once an operation that was started later has ended.
    for socket in [&mut slow, &mut quick] {
        socket.subscribe("begun", "{ cell { name } }").await;
        assert_eq!(socket.next().await["id"], "begun");
        assert_eq!(socket.next().await["type"], "complete");
    }
    for job in 0..40 {
        cell.submit(&format!("j{job}"), 100).await;
        assert_eq!(take(&mut quick, 1).await, [json!({ "job": format!("j{job}") })]);
    }
    let all = take(&mut slow, 40 * 101).await;
    assert_eq!(all.len(), 40 * 101);
    let places: Vec<(u64, u64)> = cursors(&all)
        .into_iter()
        .map(|cursor| {
            cursor.split_once(':').map(|(offset, index)| (offset.parse().unwrap(), index.parse().unwrap())).unwrap()
        })
        .collect();
    assert!(places.is_sorted_by(|a, b| a < b), "each event comes once, in the order of the log");
}

#[tokio::test]
async fn a_watch_shows_the_present_and_each_later_state() {
    let cell = Cell::led().await;
    let mut socket = cell.open_socket().await;
    socket.subscribe("w", "subscription { watchJob(name: \"web\", intervalMs: 10) { name state count } }").await;
    assert_eq!(socket.data().await["watchJob"], Value::Null);
    cell.submit("web", 2).await;
    assert_eq!(socket.data().await["watchJob"], json!({ "name": "web", "state": "RUNNING", "count": 2 }));
    cell.mutate("stopJob(input: {job: \"web\"}) { key }").await;
    assert_eq!(socket.data().await["watchJob"]["state"], "STOPPING");
}
