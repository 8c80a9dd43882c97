//! Tasks that no agent was found for: every read knows them, and pages hold them at their place.

use serde_json::{Value, json};

use super::cell::Cell;

fn names(tasks: &Value) -> Vec<&str> {
    tasks["nodes"].as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap()).collect()
}

/// A cell in which `a-b` has two placed tasks, and of the others some were never placed.
async fn cell() -> Cell {
    let cell = Cell::led().await;
    cell.submit("late", 2).await;
    cell.admit("a1").await;
    let placed = cell.submit("a-b", 2).await;
    cell.mutate("subscribeFramework(input: {framework: \"f\", role: \"ops\"}) { key }").await;
    let launch = "{name: \"t\", resources: \"cpu=1\", command: [\"x\"]}";
    cell.mutate(&format!(
        "acceptOffers(input: {{framework: \"f\", offers: [\"o1\"], launches: [{launch}]}}) {{ decisionOffset }}"
    ))
    .await;
    cell.query(&format!("usage(minOffset: {}) {{ asOf }}", placed["decisionOffset"])).await;
    cell
}

#[tokio::test]
async fn a_task_that_was_never_placed_is_known_to_every_read() {
    let cell = cell().await;
    let all = cell
        .query(
            "tasks { nodes { name state agent run { agent } since { offset } } }
             one: task(name: \"late.1\") { name state command }
             none: task(name: \"late.2\") { name }
             node(id: \"Task:late.0\") { id }
             job(name: \"late\") { submitted { offset } tasks { nodes { name } } }
             waiting: tasks(filter: {state: [WAITING]}) { nodes { name } }
             placed: tasks(filter: {state: [PLACED]}) { nodes { name } }
             late: tasks(filter: {job: \"late\", state: [WAITING, FAILED]}) { nodes { name } }",
        )
        .await;
    assert_eq!(names(&all["tasks"]), ["a-b.0", "a-b.1", "late.0", "late.1", "f/t"]);
    let late = &all["tasks"]["nodes"][2];
    assert_eq!(
        *late,
        json!({ "name": "late.0", "state": "WAITING", "agent": null, "run": null, "since": all["job"]["submitted"] })
    );
    assert_eq!(all["one"], json!({ "name": "late.1", "state": "WAITING", "command": ["sleep", "1"] }));
    assert_eq!((&all["none"], &all["node"]), (&Value::Null, &json!({ "id": "Task:late.0" })));
    assert_eq!(names(&all["job"]["tasks"]), ["late.0", "late.1"]);
    assert_eq!((names(&all["waiting"]), names(&all["late"])), (vec!["late.0", "late.1"], vec!["late.0", "late.1"]));
    assert_eq!(names(&all["placed"]), ["a-b.0", "a-b.1", "f/t"]);
}

#[tokio::test]
async fn pages_of_tasks_of_any_size_hold_each_task_once_in_both_directions() {
    let cell = cell().await;
    let expected = ["a-b.0", "a-b.1", "late.0", "late.1", "f/t"];
    for size in 1..=6 {
        for (number, cursor, end, more) in
            [("first", "after", "endCursor", "hasNextPage"), ("last", "before", "startCursor", "hasPreviousPage")]
        {
            let (mut seen, mut place): (Vec<String>, String) = (Vec::new(), String::new());
            loop {
                let page = format!("tasks({number}: {size}{place}) {{ nodes {{ name }} pageInfo {{ {end} {more} }} }}");
                let page = cell.query(&page).await["tasks"].clone();
                let found = names(&page).into_iter().map(String::from).collect::<Vec<_>>();
                seen = if number == "first" { [seen, found].concat() } else { [found, seen].concat() };
                if page["pageInfo"][more] == false {
                    break;
                }
                place = format!(", {cursor}: {}", page["pageInfo"][end]);
            }
            assert_eq!(seen, expected, "{number}: {size}");
        }
    }
    // A cursor of another job is a place as well.
    let behind = cell.query("tasks(filter: {job: \"late\"}, after: \"a-b.9\") { nodes { name } }").await;
    assert_eq!(names(&behind["tasks"]), ["late.0", "late.1"]);
    let behind = cell.query("tasks(filter: {job: \"a-b\"}, after: \"late.0\") { nodes { name } }").await;
    assert_eq!(names(&behind["tasks"]), Vec::<&str>::new());
}
