//! What an agent names as the cause of its commands is in the log.

use command_log::{
    Log,
    remote::{self, protocol::FailureCode},
};
use log_schema::{Class, Envelope, Key, Offset, Principal, TaskState};

use super::{
    cell::Cell,
    link::{Agent, update},
};

#[tokio::test]
async fn no_agent_names_a_cause_that_is_not_in_the_log() {
    let cell = Cell::led().await;
    let admitted = cell.admit("a1").await;
    let agent = Agent::connect(&cell, "a1", None);
    let high = cell.log.watermarks().await.unwrap().high;
    let running = |cause| {
        let (principal, key) = (Principal::new("agent:a1").unwrap(), Key::new(format!("k{cause}")).unwrap());
        let envelope = Envelope { principal, key, caused_by: Some(cause), class: Class::Intrinsic };
        vec![update("a1", "web.0", 1, TaskState::Running).to_record(&envelope)]
    };
    for future in [high, Offset(u64::MAX)] {
        let refused = agent.link.append(running(future)).await.unwrap_err();
        assert!(matches!(refused, remote::Error::Refused { code: FailureCode::Unavailable, .. }), "{refused}");
    }
    assert_eq!(cell.log.watermarks().await.unwrap().high, high, "nothing was appended");
    agent.link.append(running(admitted)).await.expect("what is in the log");
}
