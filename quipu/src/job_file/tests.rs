//! Files that are right, and files that are wrong in every way that is told apart.

use super::*;

const MINIMAL: &str = "\
[job]
name = \"hello\"
kind = \"batch\"
resources = \"cpu=0.5 mem=64Mi\"
command = [\"echo\", \"hello\"]
";

/// Every fault of a text, a line for each.
fn faults(text: &str) -> String {
    let faults = parse(text).expect_err("faults");
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn with(line: &str) -> String {
    format!("{MINIMAL}{line}\n")
}

#[test]
fn a_short_file_is_a_job() {
    let jobs = parse(MINIMAL).expect("legal");
    insta::assert_snapshot!(serde_json::to_string(&jobs).expect("written"), @"");
}

#[test]
fn every_field_is_read() {
    let text = r#"
[[job]]
name = "web"
kind = "service"
role = "team/web"
count = 3
resources = { cpu = 0.25, mem = "128Mi", licences = 1 }
ports = 2
script = "exec serve"
env = { PORT_NAME = "http", WORKERS = 4, DEBUG = false }
directory = "/srv"
kill_grace = "30s"
constraints = ["zone=north,south", { attribute = "ssd", operator = "exists" }]
restart = { on = "any", limit = 10, backoff = "500ms", backoff_max = "1m30s" }

[[job]]
name = "other"
kind = "batch"
resources = "cpu=1"
command = ["true"]
"#;
    let jobs = parse(text).expect("legal");
    assert_eq!(jobs[1].name.as_str(), "other");
    insta::assert_snapshot!(serde_json::to_string_pretty(&jobs[0]).expect("written"), @"");
}

#[test]
fn the_examples_of_the_documentation_are_jobs() {
    for text in [include_str!("../../../docs/examples/wordcount.toml"), include_str!("../../../docs/examples/service.toml")] {
        assert!(!parse(text).expect("legal").is_empty());
    }
}

#[test]
fn what_is_missing_is_told_all_at_once() {
    insta::assert_snapshot!(faults("[job]\n"), @"");
    insta::assert_snapshot!(faults("name = \"hello\"\n"), @"");
}

#[test]
fn an_unknown_field_is_refused_with_the_one_that_may_be_meant() {
    insta::assert_snapshot!(faults(&with("cuont = 3")), @"");
    insta::assert_snapshot!(faults(&with("banana = 3")), @"");
    insta::assert_snapshot!(faults(&with("[job.restart]\nlimits = 3")), @"");
    insta::assert_snapshot!(faults(&with("constraints = [{ atribute = \"zone\" }]")), @"");
}

#[test]
fn a_field_of_another_kind_is_told_with_what_was_expected() {
    insta::assert_snapshot!(faults(&with("count = \"three\"")), @"");
    insta::assert_snapshot!(faults(&with("count = 0\nports = 65")), @"");
    insta::assert_snapshot!(faults(&with("kill_grace = 10")), @"");
    insta::assert_snapshot!(faults(&with("kill_grace = \"10 seconds\"")), @"");
    insta::assert_snapshot!(faults(&with("env = [\"A=1\"]")), @"");
    insta::assert_snapshot!(faults(&with("env = { A = [1] }")), @"");
    insta::assert_snapshot!(faults(&with("constraints = \"zone=north\"")), @"");
    insta::assert_snapshot!(faults(&with("constraints = [\"zone=\"]")), @"");
    insta::assert_snapshot!(faults(&with("restart = \"never\"")), @"");
    insta::assert_snapshot!(faults("job = 3\n"), @"");
}

#[test]
fn a_wrong_word_is_told_with_the_right_ones() {
    insta::assert_snapshot!(faults(&MINIMAL.replace("\"batch\"", "\"bach\"")), @"");
    insta::assert_snapshot!(faults(&with("restart = { on = \"sometimes\" }")), @"");
}

#[test]
fn illegal_names_and_amounts_are_told_with_their_rule() {
    insta::assert_snapshot!(faults(&MINIMAL.replace("\"hello\"\nkind", "\"a.b\"\nkind")), @"");
    insta::assert_snapshot!(faults(&MINIMAL.replace("cpu=0.5 mem=64Mi", "cpu=half")), @"");
    insta::assert_snapshot!(faults(&MINIMAL.replace("cpu=0.5 mem=64Mi", "cpu=1 ports=80-81")), @"");
    insta::assert_snapshot!(faults(&MINIMAL.replace("\"cpu=0.5 mem=64Mi\"", "{ cpu = [1] }")), @"");
}

#[test]
fn a_job_has_a_command_or_a_script() {
    insta::assert_snapshot!(faults(&with("script = \"echo\"")), @"");
    insta::assert_snapshot!(faults(&MINIMAL.replace("[\"echo\", \"hello\"]", "\"echo hello\"")), @"");
}

#[test]
fn the_second_of_several_jobs_is_named_by_its_place() {
    let text = format!("{}\n{}", MINIMAL.replace("[job]", "[[job]]"), "[[job]]\nname = \"b\"\n");
    insta::assert_snapshot!(faults(&text), @"");
}

#[test]
fn text_that_is_no_toml_is_told_with_its_line() {
    insta::assert_snapshot!(faults("[job]\nname = \n"), @"");
    insta::assert_snapshot!(faults("[job]\nname = \"a\"\nname = \"b\"\n"), @"");
}

#[test]
fn an_error_names_the_file_and_every_line() {
    let error = Error::Faults { file: "job.toml".into(), faults: parse("[job]\nnme = \"a\"\n").expect_err("faults") };
    insta::assert_snapshot!(error, @"");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read(Path::new("/nonexistent/job.toml")).expect_err("no file");
    assert_eq!(error.to_string(), "could not read /nonexistent/job.toml");
}
