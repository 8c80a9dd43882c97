//! Machines that nobody is behind: work for the allocator, and for no one else.

use std::collections::BTreeMap;

use command_log::{Log, kafka::KafkaLog};
use log_schema::{AgentId, Class, Command, Envelope, Key, Principal, Resources, command::ReportAgentV1};
use serde_json::json;

use crate::{
    cell::wait_for,
    parts::{Parts, number},
};

/// How many there are, and what each has: enough for all that is placed on them and never ends.
const MACHINES: u32 = 16;
const MACHINE: &str = "cpu=1000 mem=1024Gi";

/// Reports the machines to the log, and waits until they are there.
pub(crate) fn join(parts: &Parts) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let offsets = runtime.block_on(async {
        let log = KafkaLog::open(&parts.config()).await.expect("the log opens");
        log.append((0..MACHINES).map(report).collect()).await.expect("the brokers are up")
    });
    let last = offsets.last().expect("there are machines");
    wait_for("the machines to be admitted", || {
        let answered = parts.client(0).ask("{ cell { log { answered } } }", json!({})).ok()?;
        (number(&answered["cell"]["log"]["answered"]) >= last.0).then_some(())
    });
}

fn report(number: u32) -> log_schema::Record {
    let name = format!("m{number:02}");
    let agent = AgentId::new(&name).expect("legal");
    let capacity: Resources = MACHINE.parse().expect("legal");
    let attributes = BTreeMap::from([("real".into(), "no".into())]);
    let envelope = Envelope {
        principal: Principal::new(format!("agent:{name}")).expect("legal"),
        key: Key::new("report").expect("legal"),
        caused_by: None,
        class: Class::Exogenous,
    };
    Command::ReportAgent(ReportAgentV1 { agent, capacity, attributes, tasks_max: None, identity: None, strayed: None })
        .to_record(&envelope)
}
