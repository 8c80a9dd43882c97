//! A link that claims counts which no agent can have reached.

use command_log::remote::protocol::{CLOSE_MALFORMED, LINK_PATH, RUN_MAX, VERSION};
use futures_util::StreamExt;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::cell::Cell;

/// The first message over a link of the agent a1 with these counts.
async fn first_message(cell: &Cell, run: u64, connection: u64) -> Message {
    let who = format!("agent=a1&secret=d1&run={run}&connection={connection}");
    let url = format!("ws://{}{LINK_PATH}?version={VERSION}&{who}", cell.addr());
    let (mut socket, _) = connect_async(url).await.expect("an upgrade");
    socket.next().await.expect("a message").expect("a message")
}

#[tokio::test]
async fn a_link_with_a_count_that_no_agent_reaches_is_turned_away_and_keeps_no_other_out() {
    let cell = Cell::led().await;
    for (run, connection) in [(u64::MAX, 1), (RUN_MAX + 1, 1), (1, u64::MAX)] {
        let Message::Close(Some(close)) = first_message(&cell, run, connection).await else { panic!("it is served") };
        assert_eq!(u16::from(close.code), CLOSE_MALFORMED);
        assert!(close.reason.contains("counts of at most 4294967295"), "{}", close.reason);
    }
    assert!(matches!(first_message(&cell, 1, 1).await, Message::Binary(_)), "the agent itself is served");
}
