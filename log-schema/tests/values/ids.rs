//! Ids: what is legal, and that text, value and bytes go both ways.

use log_schema::{
    AgentId, FrameworkId, JobId, Key, OfferId, Principal, RoleName, TaskId, TaskOwner, codec,
    id::{Error, ID_BYTES_MAX, TASK_ID_BYTES_MAX},
};
use proptest::prelude::*;

#[test]
fn an_id_is_neither_empty_nor_longer_than_its_bound() {
    assert_eq!(JobId::new(""), Err(Error::Empty { what: "job id" }));
    assert!(JobId::new("j".repeat(ID_BYTES_MAX)).is_ok());
    let error = JobId::new("j".repeat(ID_BYTES_MAX + 1)).expect_err("one too many");
    assert_eq!(error.to_string(), "job id is 129 bytes long, more than 128");
}

#[test]
fn an_id_names_the_character_that_it_may_not_hold() {
    let error = JobId::new("web.1").expect_err("a dot parts job and index");
    assert_eq!(error.to_string(), "job id \"web.1\" holds '.', which is none of a-z A-Z 0-9 _-");
    for text in ["a b", "a\nb", "a\0", "é", "a/b", "a.b", "*"] {
        assert!(JobId::new(text).is_err() && FrameworkId::new(text).is_err(), "{text:?}");
    }
    assert!(RoleName::new("*").is_ok() && RoleName::new("eng/search").is_ok());
    for role in ["/", "a/", "/a", "a//b"] {
        let refused = RoleName::new(role).expect_err(role).to_string();
        assert_eq!(refused, format!("role name {role:?} has an empty part; a role is NAME, or NAME/NAME"));
    }
    assert!(AgentId::new("rack1-a7.example:5051").is_ok() && Principal::new("ops@cell").is_ok());
}

#[test]
fn an_illegal_id_in_bytes_is_not_decoded() {
    for text in ["", "a b", &"x".repeat(ID_BYTES_MAX + 1)] {
        let bytes = codec::encode(&text);
        assert!(codec::decode::<AgentId>("agent id", &bytes).is_err(), "{text:?}");
        assert!(codec::decode::<Key>("key", &bytes).is_err(), "{text:?}");
        assert!(codec::decode::<TaskId>("task id", &bytes).is_err(), "{text:?}");
    }
}

#[test]
fn the_longest_ids_make_a_task_id_that_can_be_read_back() {
    let (job, framework) =
        (JobId::new("j".repeat(128)).expect("legal"), FrameworkId::new("f".repeat(128)).expect("legal"));
    let of_job = TaskId::of_job(&job, u32::MAX);
    let of_framework = TaskId::of_framework(&framework, &"n".repeat(128)).expect("legal");
    assert_eq!(of_framework.as_str().len(), TASK_ID_BYTES_MAX);
    for task in [of_job, of_framework] {
        assert_eq!(codec::decode::<TaskId>("task id", &codec::encode(&task)).expect("reads back"), task);
        assert_eq!(task.as_str().parse(), Ok(task));
    }
}

#[test]
fn a_task_id_is_job_dot_index_or_framework_slash_name() {
    let task: TaskId = "web.12".parse().expect("legal");
    assert_eq!(task.owner(), TaskOwner::Job { job: "web", index: 12 });
    let task: TaskId = "spark/executor-3".parse().expect("legal");
    assert_eq!(task.owner(), TaskOwner::Framework { framework: "spark", name: "executor-3" });
}

#[test]
fn a_task_id_has_one_spelling() {
    let wrong =
        ["web", "web.", ".1", "web.01", "web.+1", "web.-1", "web.4294967296", "a.b.1", "a/b.1", "/n", "f/", "f/n/m"];
    for text in wrong {
        assert!(TaskId::new(text).is_err(), "{text}");
        assert!(codec::decode::<TaskId>("task id", &codec::encode(&text)).is_err(), "{text}");
    }
    assert!(TaskId::new("web.0").is_ok());
}

#[test]
fn an_offer_is_written_o_and_its_number() {
    assert_eq!(OfferId(17).to_string(), "o17");
    for text in ["17", "o", "o+17", "o-1", "o 1", "O17", "o18446744073709551616", ""] {
        assert!(text.parse::<OfferId>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn every_legal_id_goes_to_text_and_bytes_and_back(text in "[a-zA-Z0-9_][a-zA-Z0-9_-]{0,127}") {
        let job = JobId::new(&text).expect("legal");
        prop_assert_eq!(job.as_str(), &text);
        prop_assert_eq!(&text.parse::<JobId>().expect("legal"), &job);
        prop_assert_eq!(codec::decode::<JobId>("job id", &codec::encode(&job)).expect("reads"), job);
    }

    #[test]
    fn a_task_of_a_job_leads_back_to_its_job(name in "[a-zA-Z0-9_][a-zA-Z0-9_-]{0,127}", number: u32) {
        let job = JobId::new(&name).expect("legal");
        let task = TaskId::of_job(&job, number);
        prop_assert_eq!(task.owner(), TaskOwner::Job { job: &name, index: number });
        prop_assert_eq!(&task.to_string().parse::<TaskId>().expect("legal"), &task);
        prop_assert_eq!(codec::decode::<TaskId>("task id", &codec::encode(&task)).expect("reads"), task);
    }

    #[test]
    fn a_task_of_a_framework_leads_back_to_its_framework(f in "[a-zA-Z0-9_][a-zA-Z0-9_-]{0,127}", n in "[a-zA-Z0-9_][a-zA-Z0-9_-]{0,127}") {
        let task = TaskId::of_framework(&FrameworkId::new(&f).expect("legal"), &n).expect("legal");
        prop_assert_eq!(task.owner(), TaskOwner::Framework { framework: &f, name: &n });
        prop_assert_eq!(codec::decode::<TaskId>("task id", &codec::encode(&task)).expect("reads"), task);
    }

    #[test]
    fn an_offer_goes_to_text_and_back(number: u64) {
        prop_assert_eq!(OfferId(number).to_string().parse::<OfferId>(), Ok(OfferId(number)));
    }

    #[test]
    fn what_parses_as_a_task_id_is_written_the_same(text in "[a-z0-9+]{0,3}[./]{0,2}[a-z0-9+]{0,3}") {
        if let Ok(task) = text.parse::<TaskId>() {
            prop_assert_eq!(task.to_string(), text);
        }
    }

    #[test]
    fn no_text_makes_parsing_an_id_panic(text in "\\PC*|[a-z./]{0,300}") {
        let _ = (AgentId::new(&text), JobId::new(&text), FrameworkId::new(&text), RoleName::new(&text));
        let _ = (Principal::new(&text), Key::new(&text), text.parse::<TaskId>(), text.parse::<OfferId>());
        let framework = FrameworkId::new("f").expect("legal");
        let _ = TaskId::of_framework(&framework, &text);
    }
}

#[test]
fn no_id_begins_with_a_dash() {
    assert!(JobId::new("-x").is_err_and(|error| error.to_string().contains("begins with '-'")));
    assert!(AgentId::new("--help").is_err() && FrameworkId::new("-").is_err() && RoleName::new("-r/x").is_err());
    assert!(TaskId::new("-x.0").is_err() && TaskId::new("-f/t").is_err());
    let framework = FrameworkId::new("f").expect("legal");
    assert!(TaskId::of_framework(&framework, "-t").is_err());
    assert!(JobId::new("x-").is_ok() && JobId::new("_x").is_ok() && RoleName::new("*").is_ok());
    assert!(codec::decode::<JobId>("a job id", &codec::encode(&"-x")).is_err(), "bytes may say no more than text");
}
