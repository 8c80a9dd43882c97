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
    insta::assert_snapshot!(serde_json::to_string(&jobs).expect("written"), @r#"[{"name":"hello","kind":"BATCH","count":1,"resources":"cpu=0.5 mem=64Mi","ports":0,"command":["echo","hello"],"env":[],"constraints":[]}]"#);
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
    insta::assert_snapshot!(serde_json::to_string_pretty(&jobs[0]).expect("written"), @r#"
    {
      "name": "web",
      "kind": "SERVICE",
      "role": "team/web",
      "count": 3,
      "resources": "cpu=0.25 mem=128Mi licences=1",
      "ports": 2,
      "command": [
        "/bin/sh",
        "-c",
        "exec serve"
      ],
      "env": [
        {
          "name": "DEBUG",
          "value": "false"
        },
        {
          "name": "PORT_NAME",
          "value": "http"
        },
        {
          "name": "WORKERS",
          "value": "4"
        }
      ],
      "directory": "/srv",
      "killGraceMs": 30000,
      "constraints": [
        {
          "attribute": "zone",
          "operator": "IN",
          "values": [
            "north",
            "south"
          ]
        },
        {
          "attribute": "ssd",
          "operator": "EXISTS",
          "values": []
        }
      ],
      "restart": {
        "on": "ANY",
        "limit": 10,
        "backoffMs": 500,
        "backoffMaxMs": 90000
      }
    }
    "#);
}

#[test]
fn the_examples_of_the_documentation_are_jobs() {
    for text in
        [include_str!("../../../docs/examples/wordcount.toml"), include_str!("../../../docs/examples/service.toml")]
    {
        assert!(!parse(text).expect("legal").is_empty());
    }
}

#[test]
fn what_is_missing_is_told_all_at_once() {
    insta::assert_snapshot!(faults("[job]\n"), @"
    1: job.name: is missing
    1: job.kind: is missing
    1: job.resources: is missing
    1: job.command: is missing; `script` would do as well
    ");
    insta::assert_snapshot!(faults("name = \"hello\"\n"), @"
    1: job: is missing: write a table [job], or several [[job]]
    1: name: is not a known field; those are job
    ");
}

#[test]
fn an_unknown_field_is_refused_with_the_one_that_may_be_meant() {
    insta::assert_snapshot!(faults(&with("cuont = 3")), @"6: job.cuont: is not a known field; is `count` meant?");
    insta::assert_snapshot!(faults(&with("banana = 3")), @"6: job.banana: is not a known field; those are command, constraints, count, directory, env, kill_grace, kind, name, ports, resources, restart, role, script");
    insta::assert_snapshot!(faults(&with("[job.restart]\nlimits = 3")), @"7: job.restart.limits: is not a known field; is `limit` meant?");
    insta::assert_snapshot!(faults(&with("constraints = [{ atribute = \"zone\" }]")), @"6: job.constraints: `atribute` is not a known field of a constraint; those are attribute, operator, values");
}

#[test]
fn a_field_of_another_kind_is_told_with_what_was_expected() {
    insta::assert_snapshot!(faults(&with("count = \"three\"")), @"6: job.count: expected a whole number from 1 to 1000000, found a string");
    insta::assert_snapshot!(faults(&with("count = 0\nports = 65")), @"
    6: job.count: 0 is not a number from 1 to 1000000
    7: job.ports: 65 is not a number from 0 to 64
    ");
    insta::assert_snapshot!(faults(&with("kill_grace = 10")), @r#"6: job.kill_grace: expected a duration, as in "10s", found an integer"#);
    insta::assert_snapshot!(faults(&with("kill_grace = \"10 seconds\"")), @"6: job.kill_grace: expected a duration such as 250ms, 90s, 3m12s or 2h");
    insta::assert_snapshot!(faults(&with("env = [\"A=1\"]")), @"6: job.env: expected a table, found an array");
    insta::assert_snapshot!(faults(&with("env = { A = [1] }")), @"6: job.env.A: expected text, a number or true or false, found an array");
    insta::assert_snapshot!(faults(&with("constraints = \"zone=north\"")), @r#"6: job.constraints: expected a list, as in ["zone=north"], found a string"#);
    insta::assert_snapshot!(faults(&with("constraints = [\"zone=\"]")), @"6: job.constraints: expected zone=north, zone=north,south, zone!=north or ssd");
    insta::assert_snapshot!(faults(&with("restart = \"never\"")), @"6: job.restart: expected a table, found a string");
    insta::assert_snapshot!(faults("job = 3\n"), @"1: job: expected a table, found an integer");
}

#[test]
fn a_wrong_word_is_told_with_the_right_ones() {
    insta::assert_snapshot!(faults(&MINIMAL.replace("\"batch\"", "\"bach\"")), @r#"3: job.kind: "bach" is none of service, batch; is "batch" meant?"#);
    insta::assert_snapshot!(faults(&with("restart = { on = \"sometimes\" }")), @r#"6: job.restart.on: "sometimes" is none of never, failure, any"#);
}

#[test]
fn illegal_names_and_amounts_are_told_with_their_rule() {
    insta::assert_snapshot!(faults(&MINIMAL.replace("\"hello\"\nkind", "\"a.b\"\nkind")), @r#"2: job.name: job id "a.b" holds '.', which is none of a-z A-Z 0-9 _-"#);
    insta::assert_snapshot!(faults(&MINIMAL.replace("cpu=0.5 mem=64Mi", "cpu=half")), @r#"4: job.resources: cpu: "half" is not a number with at most three decimals, or thousandths such as 500m"#);
    insta::assert_snapshot!(faults(&MINIMAL.replace("cpu=0.5 mem=64Mi", "cpu=1 ports=80-81")), @"4: job.resources: ports are asked for by their number: `ports = 1`");
    insta::assert_snapshot!(faults(&MINIMAL.replace("\"cpu=0.5 mem=64Mi\"", "{ cpu = [1] }")), @"4: job.resources: expected a number or text, found an array");
}

#[test]
fn a_job_has_a_command_or_a_script() {
    insta::assert_snapshot!(faults(&with("script = \"echo\"")), @"6: job.script: a job has either a command or a script, not both");
    insta::assert_snapshot!(faults(&MINIMAL.replace("[\"echo\", \"hello\"]", "\"echo hello\"")), @r#"5: job.command: expected a list of texts, as in ["python3", "-m", "http.server"]"#);
}

#[test]
fn the_second_of_several_jobs_is_named_by_its_place() {
    let text = format!("{}\n{}", MINIMAL.replace("[job]", "[[job]]"), "[[job]]\nname = \"b\"\n");
    insta::assert_snapshot!(faults(&text), @"
    7: job[1].kind: is missing
    7: job[1].resources: is missing
    7: job[1].command: is missing; `script` would do as well
    ");
}

#[test]
fn text_that_is_no_toml_is_told_with_its_line() {
    insta::assert_snapshot!(faults("[job]\nname = \n"), @"2: string values must be quoted, expected literal string");
    insta::assert_snapshot!(faults("[job]\nname = \"a\"\nname = \"b\"\n"), @"3: duplicate key");
}

#[test]
fn an_error_names_the_file_and_every_line() {
    let error = Error::Faults { file: "job.toml".into(), faults: parse("[job]\nnme = \"a\"\n").expect_err("faults") };
    insta::assert_snapshot!(error, @"
    job.toml describes no job that can be submitted
      job.toml:1: job.name: is missing
      job.toml:1: job.kind: is missing
      job.toml:1: job.resources: is missing
      job.toml:1: job.command: is missing; `script` would do as well
      job.toml:2: job.nme: is not a known field; is `name` meant?
    ");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read(Path::new("/nonexistent/job.toml")).expect_err("no file");
    assert_eq!(error.to_string(), "could not read /nonexistent/job.toml");
}
