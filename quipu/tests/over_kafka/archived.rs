//! History that outlives its topic: archived, forgotten by the brokers, and told as before.

use serde_json::Value;

use crate::parts::{Parts, STORY, number};

fn run(parts: &Parts, job: &str) {
    parts.run_job(job, 3, "true");
    assert_eq!(parts.await_end(job), "SUCCEEDED");
}

#[ignore = "needs Kafka: make test-kafka"]
#[test]
fn what_is_archived_may_be_forgotten_and_the_cell_the_auditor_and_the_analyst_miss_nothing() {
    let mut parts = Parts::start(STORY);
    ["one", "two", "three"].into_iter().for_each(|job| run(&parts, job));
    let (log, archive) = (parts.log(), parts.path("archive"));
    let in_archive = ["--log", &log, "--archive", &archive];
    let quipu = |parts: &Parts, words: &[&str]| parts.quipu(&[words, &in_archive].concat());
    let told = parts.events_of(0, "start");

    let sealed = quipu(&parts, &["log", "archive", "--segment-records", "10"]);
    let below = number(&sealed["next"]);
    assert_eq!((below % 10, number(&sealed["archived"])), (0, below), "whole segments");
    assert_eq!(quipu(&parts, &["log", "trim"])["forgot"], 0, "a young log keeps all it has");
    let trim = |more: &[&'static str]| [&["log", "trim"], more, &in_archive].concat();
    assert!(parts.quipu_fails(&trim(&["--below", "1000000"])).contains("not all below 1000000"));
    let too_new = parts.quipu_fails(&trim(&["--below", "10"]));
    assert!(too_new.contains("newest 1000000 records") && too_new.contains("--keep"), "{too_new}");
    assert_eq!(quipu(&parts, &["log", "trim", "--keep", "0"])["forgot"], below, "as far as the archive goes");

    // Whoever needs what is gone says so, and what to do.
    let audit = parts.quipu_fails(&["audit", "verify", "--log", &log]);
    assert!(audit.contains(&format!("offset 0 is below the low watermark {below}")), "{audit}");
    assert!(audit.contains("--archive"), "{audit}");
    // Whoever has the archive misses nothing; those who run need it only for what they have not kept.
    run(&parts, "four");
    assert_eq!(quipu(&parts, &["audit", "verify"])["finding"], Value::Null);
    assert_eq!(quipu(&parts, &["whatif"])["first_divergence"], Value::Null);
    quipu(&parts, &["log", "archive", "--all"]);

    // A gateway without projections, and an allocator without a snapshot, begin in the archive.
    parts.kill9_gateway(0);
    parts.forget("gateway-0/projections");
    parts.add_options(&["--archive", &archive]);
    parts.restart_gateway(0);
    assert_eq!(parts.events_of(0, "start")[..told.len()], told[..]);
    assert!(parts.kill9_stand_by());
    parts.start_allocator();
    parts.await_stand_bys();
    parts.kill9_leader();
    run(&parts, "five");
    assert_eq!(quipu(&parts, &["audit", "verify"])["finding"], Value::Null);
}
