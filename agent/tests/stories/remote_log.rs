//! The filtered view as a log: read, waited for and appended to over a real socket.

use std::sync::Arc;

use command_log::{
    Follower, Log,
    remote::{Config, RemoteLog},
};
use log_schema::{Class, Command, Envelope, Key, Kind, Principal, Record, Resources, command::ReportAgentV1};

use crate::{
    cell::Cell,
    words::{me, placed, shell},
};

fn report() -> Record {
    let principal = Principal::new("agent:a1").expect("a legal name");
    let key = Key::new("report:1").expect("a legal key");
    let envelope = Envelope { principal, key, caused_by: None, class: Class::Exogenous };
    let attributes = std::collections::BTreeMap::new();
    let body = ReportAgentV1 {
        agent: me(),
        capacity: Resources::default(),
        attributes,
        tasks_max: None,
        identity: None,
        strayed: None,
    };
    Command::ReportAgent(body).to_record(&envelope)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_followed_and_appended_to_like_any_log() {
    let cell = Cell::new().await;
    let config = Config {
        url: cell.url(),
        url_file: None,
        agent: me(),
        secret: log_schema::DirectorySecret::new("d1").expect("legal"),
        run: 1,
        token: None,
    };
    let log = Arc::new(RemoteLog::open(config, None).expect("a legal address"));
    assert_eq!(log.append(vec![report()]).await.expect("an append").len(), 1);
    let at = cell.decides(vec![placed("fw/t1", 1, Some(shell("true")))]);
    let mut follower = Follower::new(log.clone(), log_schema::Offset(0));
    let mut kinds = Vec::new();
    while follower.position() <= at {
        let batch = follower.next_batch().await.expect("records");
        kinds.extend(batch.iter().filter_map(|stored| Kind::from_number(stored.record.kind)));
    }
    assert_eq!(kinds, [Kind::Epoch, Kind::Decision]);
    let marks = log.watermarks().await.expect("marks");
    assert_eq!(marks.high, at.next());
    assert_eq!(log.read(marks.high.next(), 1).await.expect_err("beyond").code(), "beyond_high");
}
