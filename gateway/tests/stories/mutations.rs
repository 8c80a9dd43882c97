//! What clients ask for, and what becomes of it.

use std::time::Duration;

use command_log::Log;
use log_schema::{AgentId, Command, Offset, command::ReportAgentV1};
use serde_json::{Value, json};

use super::cell::Cell;

#[tokio::test]
async fn a_mutation_waits_for_its_decision() {
    let cell = Cell::led().await;
    let payload = cell.submit("web", 2).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["job"]["name"], "web");
    assert_eq!(payload["events"][0]["name"], "job.accepted");
    let decided: u64 = payload["decisionOffset"].as_str().unwrap().parse().unwrap();
    let as_of: u64 = payload["job"]["asOf"].as_str().unwrap().parse().unwrap();
    assert!(as_of >= decided, "the payload's job reflects the decision");
}

#[tokio::test]
async fn a_refusal_is_data() {
    let cell = Cell::led().await;
    cell.submit("web", 1).await;
    let payload = cell.submit("web", 1).await;
    let error = &payload["userErrors"][0];
    assert_eq!((&error["number"], &error["code"]), (&json!(40), &json!("JobExists")));
    assert_eq!(error["message"], "there is a job web already");
    assert_eq!(error["details"], json!({ "job": "web" }));
    assert_eq!(
        cell.query("refusals(last: 1) { nodes { offset reason { code } } }").await["refusals"]["nodes"],
        json!([
            { "offset": payload["offset"], "reason": { "code": "JobExists" } }
        ])
    );
}

#[tokio::test]
async fn a_key_that_is_used_again_has_its_effect_once() {
    let cell = Cell::led().await;
    let submit = "submitJob(input: {key: \"k1\", job: {name: \"once\", kind: BATCH, resources: \"cpu=1\", command: [\"true\"]}}) \
                  { offset repeats key events { name } userErrors { code } }";
    let first = cell.mutate(submit).await["submitJob"].clone();
    let second = cell.mutate(submit).await["submitJob"].clone();
    assert_eq!(first["repeats"], Value::Null);
    assert_eq!(second["repeats"], first["offset"]);
    assert_eq!((&second["events"], &second["userErrors"]), (&first["events"], &first["userErrors"]));
    assert_eq!(second["key"], "k1");
}

#[tokio::test]
async fn a_repeat_is_answered_after_a_restart_of_the_gateway() {
    let mut cell = Cell::led().await;
    let submit = "submitJob(input: {key: \"k1\", job: {name: \"once\", kind: BATCH, resources: \"cpu=1\", command: [\"true\"]}}) \
                  { offset repeats events { name } }";
    let first = cell.mutate(submit).await["submitJob"].clone();
    cell.restart().await;
    let second = cell.mutate(submit).await["submitJob"].clone();
    assert_eq!((&second["repeats"], &second["events"]), (&first["offset"], &first["events"]));
}

#[tokio::test]
async fn without_a_leader_the_answer_is_unknown_and_names_the_key() {
    let cell = Cell::without_leader(Duration::from_millis(50)).await;
    let answer = cell.ask("mutation { stopJob(input: {job: \"web\", key: \"k7\"}) { offset } }").await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "UNKNOWN");
    assert_eq!(error["extensions"]["key"], "k7");
    assert_eq!(error["extensions"]["offset"], "0");
    assert_eq!(error["extensions"]["retryable"], true);
    assert!(error["message"].as_str().unwrap().contains("retry with the same key"), "{error}");
}

#[tokio::test]
async fn bad_input_is_never_appended_and_says_which_field() {
    let cell = Cell::led().await;
    let high = cell.log.watermarks().await.unwrap().high;
    let job = |fields: &str| format!("mutation {{ submitJob(input: {{job: {{{fields}}}}}) {{ offset }} }}");
    let documents = [
        (job("name: \"a b\", kind: BATCH, resources: \"cpu=1\", command: [\"x\"]"), "name"),
        (job("name: \"a\", kind: BATCH, resources: \"cpu=lots\", command: [\"x\"]"), "resources"),
        (job("name: \"a\", kind: BATCH, resources: \"cpu=1\", role: \"\", command: [\"x\"]"), "role"),
        ("mutation { killTask(input: {task: \"web\"}) { offset } }".into(), "task"),
        ("mutation { declineOffers(input: {framework: \"f\", offers: [\"17\"]}) { offset } }".into(), "offers"),
        ("mutation { stopJob(input: {job: \"web\", key: \"\"}) { offset } }".into(), "key"),
    ];
    for (document, field) in documents {
        let answer = cell.ask(&document).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_INPUT", "{answer}");
        assert!(error["message"].as_str().unwrap().starts_with(&format!("{field}: ")), "{error}");
    }
    let appended = cell.log.read(high, 1 << 20).await.unwrap();
    let commands: Vec<_> = appended.iter().filter(|stored| stored.record.kind >= 10).collect();
    assert!(commands.is_empty(), "{commands:?}");
}

#[tokio::test]
async fn commands_carry_who_sent_them_and_their_class() {
    let cell = Cell::led().await;
    let document =
        json!({ "query": "mutation { reviveOffers(input: {framework: \"f\", causedBy: \"0\"}) { offset } }" });
    let (_, body) = cell.post(&document.to_string(), &[("X-Quipu-Principal", "alice")]).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    let offset: u64 = answer["data"]["reviveOffers"]["offset"].as_str().unwrap().parse().unwrap();
    let stored = cell.log.read(Offset(offset), 1).await.unwrap().remove(0);
    let (envelope, command) = Command::from_record(&stored.record).unwrap();
    assert_eq!(envelope.principal.as_str(), "alice");
    assert_eq!((envelope.class, envelope.caused_by), (log_schema::Class::Endogenous, Some(Offset(0))));
    assert!(matches!(command, Command::ReviveOffers(_)));
    let high = cell.log.watermarks().await.unwrap().high;
    let ahead = cell.ask("mutation { reviveOffers(input: {framework: \"f\", causedBy: \"99\"}) { offset } }").await;
    assert_eq!(ahead["errors"][0]["extensions"]["code"], "AHEAD", "{ahead}");
    assert_eq!(cell.log.watermarks().await.unwrap().high, high, "a command without a cause in the log is not in it");
}

#[tokio::test]
async fn every_client_command_can_be_sent() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    cell.submit("web", 1).await;
    let payload = "{ offset decisionOffset key userErrors { code } events { name body } }";
    let mutations = [
        "scaleJob(input: {job: \"web\", count: 2})",
        "killTask(input: {task: \"web.0\"})",
        "subscribeFramework(input: {framework: \"f\"})",
        "acceptOffers(input: {framework: \"f\", offers: [\"o1\"], launches: [{name: \"t\", resources: \"cpu=1\", command: [\"x\"]}]})",
        "declineOffers(input: {framework: \"f\", offers: [\"o9\"], filterMs: 5000})",
        "suppressOffers(input: {framework: \"f\"})",
        "reviveOffers(input: {framework: \"f\"})",
        "teardownFramework(input: {framework: \"f\"})",
        "setRole(input: {role: \"ops\", weight: 3})",
        "setParameters(input: {policy: SPREAD, offerTtlMs: \"9000\"})",
        "activateLogic(input: {version: 1})",
        "stopJob(input: {job: \"web\"})",
        "removeAgent(input: {agent: \"a1\"})",
    ];
    let before = cell.log.watermarks().await.unwrap().high;
    for mutation in mutations {
        cell.mutate(&format!("{mutation} {payload}")).await;
    }
    let kinds: std::collections::BTreeSet<_> =
        cell.log.read(before, 1 << 20).await.unwrap().iter().map(|stored| stored.record.kind).collect();
    assert_eq!(kinds, [2, 11, 12, 13, 22, 30, 31, 32, 33, 34, 35, 40, 41, 42].into());
}

#[tokio::test]
async fn a_job_that_leaves_out_cpu_or_memory_has_a_default_and_a_short_back_off_becomes_the_least() {
    let cell = Cell::led().await;
    let submit = |name: &str, resources: &str| {
        format!(
            "submitJob(input: {{job: {{name: \"{name}\", kind: BATCH, resources: \"{resources}\", command: [\"true\"], \
             restart: {{backoffMs: \"0\", backoffMaxMs: \"0\"}}}}}}) \
             {{ userErrors {{ code }} job {{ resources {{ text }} spec {{ restart {{ backoffMs backoffMaxMs }} }} }} }}"
        )
    };
    for (name, resources, text) in [
        ("a", "cpu=2", "cpu=2 mem=128Mi"),
        ("b", "mem=1Gi", "cpu=0.5 mem=1Gi"),
        ("c", "cpu=0 mem=64Mi licences=1", "cpu=0.5 mem=64Mi licences=1"),
    ] {
        let payload = cell.mutate(&submit(name, resources)).await["submitJob"].clone();
        assert_eq!(payload["job"]["resources"]["text"], text);
        assert_eq!(payload["job"]["spec"]["restart"], json!({ "backoffMs": "250", "backoffMaxMs": "250" }));
    }
    let neither = cell.mutate(&submit("d", "licences=1")).await["submitJob"].clone();
    // Nothing is made up for a job that names neither; the allocator refuses it.
    assert_eq!(neither["job"]["resources"]["text"], "cpu=0 mem=0 licences=1");
}

#[tokio::test]
async fn a_custom_resource_that_no_agent_has_is_named() {
    let cell = Cell::led().await;
    let submit = "submitJob(input: {job: {name: \"web\", kind: BATCH, resources: \"cpu=1 licences=1 seats=2\", \
                  command: [\"true\"]}}) { job { missingResources } }";
    let payload = cell.mutate(submit).await["submitJob"].clone();
    assert_eq!(payload["job"]["missingResources"], json!(["licences", "seats"]));
    let capacity = "cpu=8 mem=8Gi licences=3".parse().expect("resources");
    let report = ReportAgentV1 {
        agent: AgentId::new("a1").expect("an id"),
        capacity,
        attributes: [].into(),
        tasks_max: None,
        identity: None,
        strayed: None,
    };
    cell.command("agent:a1", Command::ReportAgent(report)).await;
    let job = cell.query("job(name: \"web\") { missingResources }").await["job"].clone();
    assert_eq!(job["missingResources"], json!(["seats"]));
}
