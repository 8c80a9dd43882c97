//! How large events are as MessagePack: what one command may add to the log is bounded in bytes too.

use std::io;

use log_schema::{Event, Resources};
use serde::Serialize;

/// At most how many bytes an event has that only says ids, numbers and counts by reason: the longest
/// task id, the longest agent id, field names and numbers.
const PLAIN_EVENT_BYTES_MAX: usize = 512;
/// At most how many bytes a custom scalar has: its name and a number.
const CUSTOM_BYTES_MAX: usize = 80;
/// At most how many bytes a range of ports has.
const PORT_RANGE_BYTES_MAX: usize = 7;

/// At most how many bytes an event has, without encoding those that are made often.
pub(super) fn event_bytes_max(event: &Event) -> usize {
    match event {
        Event::OfferMade(e) => PLAIN_EVENT_BYTES_MAX + resources_bytes_max(&e.resources),
        Event::TaskPlaced(e) if e.run.is_none() => PLAIN_EVENT_BYTES_MAX + resources_bytes_max(&e.resources),
        Event::TaskStatusChanged(e) => {
            let message = e.end.as_ref().and_then(|end| end.message.as_ref());
            PLAIN_EVENT_BYTES_MAX + message.map_or(0, String::len)
        }
        Event::JobAccepted(_) | Event::AgentAdmitted(_) | Event::AgentChanged(_) | Event::TaskPlaced(_) => {
            encoded_len(event)
        }
        Event::TimeAdvanced(_)
        | Event::AgentUnreachable(_)
        | Event::AgentReturned(_)
        | Event::AgentLeaving(_)
        | Event::AgentRemoved(_)
        | Event::JobScaled(_)
        | Event::JobStopping(_)
        | Event::JobEnded(_)
        | Event::JobForgotten(_)
        | Event::PlacementDeferred(_)
        | Event::TaskKillRequested(_)
        | Event::TaskRestartScheduled(_)
        | Event::TaskRestartDue(_)
        | Event::TaskWithdrawn(_)
        | Event::TaskForgotten(_)
        | Event::FrameworkSubscribed(_)
        | Event::FrameworkEnding(_)
        | Event::FrameworkRemoved(_)
        | Event::OffersSuppressed(_)
        | Event::OffersRevived(_)
        | Event::FilterSet(_)
        | Event::FilterExpired(_)
        | Event::OfferEnded(_)
        | Event::RoleSet(_)
        | Event::ParametersSet(_)
        | Event::LogicActivated(_) => PLAIN_EVENT_BYTES_MAX,
    }
}

fn resources_bytes_max(resources: &Resources) -> usize {
    resources.ports.ranges().len() * PORT_RANGE_BYTES_MAX + resources.custom.len() * CUSTOM_BYTES_MAX
}

/// How many bytes a value has.
pub(crate) fn encoded_len<T: Serialize>(value: &T) -> usize {
    let mut counted = Counted(0);
    rmp_serde::encode::write_named(&mut counted, value).expect("what the schema can say can be encoded");
    counted.0
}

/// Counts the bytes written to it.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
