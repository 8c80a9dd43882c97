//! How large events are as MessagePack: what one command may add to the log is bounded in bytes too.

use std::io;

use log_schema::{
    Event, Resources,
    job::{ConstraintV1, JobSpecV1, RunSpecV1},
};
use serde::Serialize;

/// At most how many bytes an event has that only says ids, numbers and counts by reason: the longest
/// task id, the longest agent id, field names and numbers.
const PLAIN_EVENT_BYTES_MAX: usize = 512;
/// At most how many bytes a custom scalar has: its name and a number.
const CUSTOM_BYTES_MAX: usize = 80;
/// At most how many bytes a text has beside its own.
const TEXT_BYTES_ADDED: usize = 5;
/// At most how many bytes a constraint has beside its texts: names of fields and the operator.
const CONSTRAINT_BYTES_ADDED: usize = 48;
/// At most how many bytes a range of ports has.
const PORT_RANGE_BYTES_MAX: usize = 7;

/// At most how many bytes an event has, without encoding those that are made often.
pub(super) fn event_bytes_max(event: &Event) -> usize {
    match event {
        Event::OfferMade(e) => PLAIN_EVENT_BYTES_MAX + resources_bytes_max(&e.resources),
        Event::TaskPlaced(e) => {
            let run = e.run.as_deref().map_or(0, run_bytes_max);
            PLAIN_EVENT_BYTES_MAX + resources_bytes_max(&e.resources) + run
        }
        Event::JobAccepted(e) => {
            let JobSpecV1 { resources, run, constraints, .. } = &e.spec;
            let constraints = constraints.iter().map(constraint_bytes_max).sum::<usize>();
            PLAIN_EVENT_BYTES_MAX + resources_bytes_max(resources) + run_bytes_max(run) + constraints
        }
        Event::TaskStatusChanged(e) => {
            let message = e.end.as_ref().and_then(|end| end.message.as_ref());
            let ports = e.end.as_ref().map_or(0, |end| end.ports.ranges().len());
            PLAIN_EVENT_BYTES_MAX + message.map_or(0, String::len) + ports * PORT_RANGE_BYTES_MAX
        }
        Event::AgentAdmitted(_)
        | Event::AgentChanged(_)
        | Event::AgentOvercommitted(_)
        | Event::AgentPortsHeld(_)
        | Event::AgentPortsFreed(_) => encoded_len(event),
        Event::TimeAdvanced(_)
        | Event::AgentRelieved(_)
        | Event::AgentStartFailed(_)
        | Event::AgentStartForgiven(_)
        | Event::AgentSuspended(_)
        | Event::AgentResumed(_)
        | Event::AgentUnreachable(_)
        | Event::AgentReturned(_)
        | Event::AgentIdentified(_)
        | Event::AgentStrayed(_)
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
        | Event::TaskRestartForgotten(_)
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

fn run_bytes_max(run: &RunSpecV1) -> usize {
    let parts = run.argv.len() + 2 * run.env.len() + 1;
    run.bytes() + run.directory.as_ref().map_or(0, String::len) + parts * TEXT_BYTES_ADDED
}

fn constraint_bytes_max(constraint: &ConstraintV1) -> usize {
    let values = constraint.values.iter().map(|value| value.len() + TEXT_BYTES_ADDED).sum::<usize>();
    constraint.attribute.len() + CONSTRAINT_BYTES_ADDED + values
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
