//! Reads of what cannot be: each is an error that says what is wrong, and never an answer about something else.

use super::cell::Cell;

#[tokio::test]
async fn a_read_of_what_cannot_be_says_what_is_wrong() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let payload = cell.submit("web", 1).await;
    let decided = payload["decisionOffset"].as_str().unwrap().to_owned();
    cell.query(&format!("usage(minOffset: {decided}) {{ asOf }}")).await;
    // The offset of the command itself is no decision.
    let command = payload["offset"].as_str().unwrap().to_owned();
    let (no_event, no_decision) = (format!("{decided}:99"), format!("{command}:0"));
    let far = "18446744073709551615";
    let cases = [
        // Moments.
        (format!("jobs(at: {{offset: \"{far}\"}}) {{ asOf }}"), "AHEAD", "the newest is"),
        ("cell(at: {time: \"2999-01-01T00:00:00Z\"}) { asOf }".to_owned(), "BAD_INPUT", "is in the future"),
        ("usage(at: {time: \"2999-01-01T00:00:00Z\"}) { asOf }".to_owned(), "BAD_INPUT", "is in the future"),
        ("usageOverTime(from: \"0\", until: \"2999-01-01T00:00:00Z\") { time }".to_owned(), "BAD_INPUT", "until: 2999"),
        ("usageOverTime(from: \"5\", until: \"1\") { time }".to_owned(), "BAD_INPUT", "before from"),
        ("usageOverTime(from: \"0\", until: \"1\", points: 1) { time }".to_owned(), "OUT_OF_RANGE", "2 to 500"),
        ("usageOverTime(from: \"0\", until: \"1\", points: 501) { time }".to_owned(), "OUT_OF_RANGE", "2 to 500"),
        // Names.
        ("job(name: \"\") { name }".to_owned(), "BAD_INPUT", "name: "),
        ("task(name: \"web\") { name }".to_owned(), "BAD_INPUT", "name: "),
        ("offer(name: \"17\") { name }".to_owned(), "BAD_INPUT", "name: "),
        ("node(id: \"Job\") { id }".to_owned(), "BAD_INPUT", "not the id of a node"),
        ("refusals(code: \"Nope\") { asOf }".to_owned(), "BAD_INPUT", "JobExists"),
        ("refusals(code: \"\") { asOf }".to_owned(), "BAD_INPUT", "JobExists"),
        ("refusals(principal: \"\") { asOf }".to_owned(), "BAD_INPUT", "principal: "),
        ("events(filter: {names: [\"task.moved\"]}) { lookedTo }".to_owned(), "BAD_INPUT", "task.placed"),
        // Things that do not exist.
        ("tasks(filter: {job: \"nope\"}) { asOf }".to_owned(), "NOT_FOUND", "there is no job nope"),
        ("tasks(filter: {framework: \"nope\"}) { asOf }".to_owned(), "NOT_FOUND", "there is no framework nope"),
        ("tasks(filter: {agent: \"nope\"}) { asOf }".to_owned(), "NOT_FOUND", "there is no agent nope"),
        ("tasks(filter: {job: \"web\"}, at: {offset: 0}) { asOf }".to_owned(), "NOT_FOUND", "as of offset 0"),
        ("jobs(role: \"nope\") { asOf }".to_owned(), "NOT_FOUND", "there is no role nope"),
        ("offers(framework: \"nope\") { asOf }".to_owned(), "NOT_FOUND", "there is no framework nope"),
        ("offers(framework: \"nope\", standing: false) { asOf }".to_owned(), "NOT_FOUND", "there is no framework nope"),
        // Pages.
        ("tasks(first: -1) { asOf }".to_owned(), "OUT_OF_RANGE", "0 to 1000"),
        ("tasks(last: 1001) { asOf }".to_owned(), "OUT_OF_RANGE", "0 to 1000"),
        ("tasks(first: 1, last: 1) { asOf }".to_owned(), "BAD_INPUT", "either first and after"),
        ("tasks(after: \"web.0\", before: \"web.1\") { asOf }".to_owned(), "BAD_INPUT", "either first and after"),
        ("tasks(after: \"\") { asOf }".to_owned(), "BAD_INPUT", "cursor: "),
        ("refusals(after: \"x\") { asOf }".to_owned(), "BAD_INPUT", "cursor: "),
        (format!("refusals(after: \"{far}\") {{ asOf }}"), "AHEAD", "the newest is"),
        ("job(name: \"web\") { timeline(first: 0) { next } }".to_owned(), "OUT_OF_RANGE", "1 to 1000"),
        ("job(name: \"web\") { timeline(after: \"5\") { next } }".to_owned(), "BAD_INPUT", "not a cursor"),
        (format!("job(name: \"web\") {{ timeline(after: \"{far}:0\") {{ next }} }}"), "AHEAD", "the newest is"),
        // Places in the log.
        (format!("events(after: \"{far}\") {{ lookedTo }}"), "AHEAD", "the newest is"),
        (format!("events(after: \"{far}:0\") {{ lookedTo }}"), "AHEAD", "the newest is"),
        (format!("events(before: \"{far}\") {{ lookedTo }}"), "AHEAD", "the newest is"),
        (format!("events(last: 5, before: \"{far}:0\") {{ lookedTo }}"), "AHEAD", "the newest is"),
        (format!("events(after: \"{no_event}\") {{ lookedTo }}"), "BAD_INPUT", "after: "),
        (format!("events(before: \"{no_event}\") {{ lookedTo }}"), "BAD_INPUT", "not the cursor of an event"),
        (format!("events(after: \"{no_decision}\") {{ lookedTo }}"), "BAD_INPUT", "there is no decision at"),
        (format!("events(before: \"{no_decision}\") {{ lookedTo }}"), "BAD_INPUT", "there is no decision at"),
        ("events(after: \"yesterday\") { lookedTo }".to_owned(), "BAD_INPUT", "neither \"start\""),
        ("events(after: \"\") { lookedTo }".to_owned(), "BAD_INPUT", "neither \"start\""),
        ("events(after: \"-1\") { lookedTo }".to_owned(), "BAD_INPUT", "neither \"start\""),
        ("events(first: 1, last: 1) { lookedTo }".to_owned(), "BAD_INPUT", "either first and after"),
        ("events(first: 1001) { lookedTo }".to_owned(), "OUT_OF_RANGE", "0 to 1000"),
    ];
    for (selection, code, words) in cases {
        let answer = cell.ask(&format!("{{ {selection} }}")).await;
        let error = &answer["errors"][0];
        let message = error["message"].as_str().unwrap_or_else(|| panic!("{selection}: {answer}"));
        assert_eq!(error["extensions"]["code"], code, "{selection}: {answer}");
        assert!(message.contains(words), "{selection}: {message}");
    }
}

#[tokio::test]
async fn a_stream_of_what_cannot_be_ends_with_an_error() {
    let cell = Cell::led().await;
    let payload = cell.submit("web", 1).await;
    let decided = payload["decisionOffset"].as_str().unwrap().to_owned();
    let cases = [
        ("events(since: \"4000000000\") { name }".to_owned(), "AHEAD"),
        (format!("events(since: \"{decided}:99\") {{ name }}"), "BAD_INPUT"),
        ("events(since: \"0:0\") { name }".to_owned(), "BAD_INPUT"),
        ("events(since: \"\") { name }".to_owned(), "BAD_INPUT"),
        ("watchJob(name: \"!\") { name }".to_owned(), "BAD_INPUT"),
        ("watchJob(name: \"web\", intervalMs: 0) { name }".to_owned(), "OUT_OF_RANGE"),
        ("watchTask(name: \"web\") { name }".to_owned(), "BAD_INPUT"),
        ("taskLog(task: \"nope.0\") { text }".to_owned(), "NOT_FOUND"),
        ("taskLog(task: \"web.7\") { text }".to_owned(), "NOT_FOUND"),
        ("taskLog(task: \"web.0\") { text }".to_owned(), "NOT_FOUND"),
        ("taskLog(task: \"web.0\", fromByte: 0, tailLines: 1) { text }".to_owned(), "BAD_INPUT"),
    ];
    let mut socket = cell.open_socket().await;
    for (id, (selection, code)) in cases.iter().enumerate() {
        socket.subscribe(&id.to_string(), &format!("subscription {{ {selection} }}")).await;
        let message = socket.next().await;
        let errors = if message["type"] == "error" { &message["payload"] } else { &message["payload"]["errors"] };
        assert_eq!(errors[0]["extensions"]["code"], *code, "{selection}: {message}");
        if message["type"] == "next" {
            assert_eq!(socket.next().await["type"], "complete", "{selection}");
        }
    }
}

#[tokio::test]
async fn every_place_that_a_page_gives_is_taken_back() {
    let cell = Cell::led().await;
    cell.submit("web", 2).await;
    let refused = cell.submit("web", 2).await;
    // A decision that only refuses has no event, and is still a place.
    cell.query(&format!("usage(minOffset: {}) {{ asOf }}", refused["decisionOffset"])).await;
    for (order, number) in [("after", "first"), ("before", "last")] {
        let mut place = String::new();
        for _ in 0..20 {
            let page = format!("events({number}: 1{place}) {{ lookedTo pageInfo {{ hasNextPage hasPreviousPage }} }}");
            let page = cell.query(&page).await["events"].clone();
            let Some(looked_to) = page["lookedTo"].as_str() else { break };
            place = format!(", {order}: \"{looked_to}\"");
            let more = if order == "after" { "hasNextPage" } else { "hasPreviousPage" };
            if page["pageInfo"][more] == false {
                break;
            }
        }
        cell.query(&format!("events({number}: 1{place}) {{ lookedTo }}")).await;
    }
}
