//! Which connections there are, and who makes room when there are too many.
//!
//! A connection is *silent* until it has sent the head of a request, and again once it has its answer. Where all
//! places are taken, the one that has been silent for the longest is closed for the newcomer: many connections
//! that say nothing lock nobody out, since whoever has something to say says it at once. Clients that are served
//! leave some places free, so that agents and health checks find one whatever the clients do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::http::Method;
use command_log::remote::protocol::LINK_PATH;
use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::Notify;

/// The most connections, where the process may have enough descriptors.
pub const CONNECTIONS_MAX: usize = 8192;
/// The fewest: below this a gateway is of no use.
const CONNECTIONS_MIN: usize = 32;
/// One part in so many is for agents and health checks.
pub const RESERVE_PART: usize = 4;

/// All connections of a gateway.
#[derive(Debug)]
pub(super) struct Connections {
    room: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    count: usize,
    /// Those of clients that are served now.
    clients: usize,
    next: u64,
    /// Those that say nothing, in the order in which they fell silent.
    silent: BTreeMap<u64, Arc<Notify>>,
}

/// The place of one connection; it is free when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Slot(Arc<Place>);

#[derive(Debug)]
struct Place {
    all: Arc<Connections>,
    leave: Arc<Notify>,
    standing: Mutex<Standing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Silent(u64),
    Served(Use),
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A client asks something.
    Client,
    /// An agent's link, or a look at the gateway's health.
    Reserved,
}

impl Use {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let is_look = method == Method::GET && matches!(path, "/healthz" | "/readyz" | "/metrics");
        if is_look || path == LINK_PATH { Self::Reserved } else { Self::Client }
    }
}

impl Connections {
    /// Room for half of what the process may have open: the log and the projections need descriptors as well.
    pub(super) fn new(wanted: Option<usize>) -> Arc<Self> {
        let open = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let half = usize::try_from(open / 2).unwrap_or(CONNECTIONS_MAX);
        let room = wanted.unwrap_or(CONNECTIONS_MAX).min(half).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX);
        Arc::new(Self { room, state: Mutex::default() })
    }

    /// A place for a newcomer; `None`: all are taken by connections that are served.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state();
        // Those that were asked to leave are still counted, and leave soon.
        if state.count >= self.room && !state.close_oldest() {
            return None;
        }
        state.count += 1;
        let leave = Arc::new(Notify::new());
        let standing = Mutex::new(Standing::Silent(state.fall_silent(&leave)));
        Some(Slot(Arc::new(Place { all: Arc::clone(self), leave, standing })))
    }

    /// Closes the connection that has been silent for the longest: descriptors ran out.
    pub(super) fn make_room(&self) {
        self.state().close_oldest();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the connections are held")
    }

    fn clients_max(&self) -> usize {
        self.room - self.room / RESERVE_PART
    }
}

impl State {
    fn close_oldest(&mut self) -> bool {
        let oldest = self.silent.pop_first();
        oldest.inspect(|(_, leave)| leave.notify_one()).is_some()
    }

    fn fall_silent(&mut self, leave: &Arc<Notify>) -> u64 {
        self.next += 1;
        self.silent.insert(self.next, Arc::clone(leave));
        self.next
    }

    fn end(&mut self, standing: Standing) {
        match standing {
            Standing::Silent(number) => drop(self.silent.remove(&number)),
            Standing::Served(Use::Client) => self.clients -= 1,
            Standing::Served(Use::Reserved) => {}
        }
    }
}

impl Slot {
    /// Resolves when the connection is to make room for another.
    pub(super) async fn must_leave(&self) {
        self.0.leave.notified().await;
    }

    /// The connection has sent a request; false: there is no room for another client.
    pub(super) fn serve(&self, as_what: Use) -> bool {
        let mut state = self.0.all.state();
        if as_what == Use::Client && state.clients >= self.0.all.clients_max() {
            return false;
        }
        state.clients += usize::from(as_what == Use::Client);
        self.0.change(&mut state, Standing::Served(as_what));
        true
    }

    /// The connection has its answer, and may send another request.
    pub(super) fn wait(&self) {
        let mut state = self.0.all.state();
        let number = state.fall_silent(&self.0.leave);
        self.0.change(&mut state, Standing::Silent(number));
    }
}

impl Place {
    fn change(&self, state: &mut State, to: Standing) {
        let mut standing = self.standing.lock().expect("no panic while the standing is held");
        state.end(std::mem::replace(&mut *standing, to));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let standing = *self.standing.get_mut().expect("no panic while the standing is held");
        let mut state = self.all.state();
        state.end(standing);
        state.count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silent_makes_room_and_clients_leave_the_reserve_free() {
        let all = Connections::new(Some(CONNECTIONS_MIN));
        let silent: Vec<Slot> = (0..CONNECTIONS_MIN).map(|_| all.admit().expect("a place")).collect();
        let newcomer = all.admit().expect("the oldest makes room");
        assert!(!all.state().silent.contains_key(&1) && all.state().silent.contains_key(&2));
        drop((silent, newcomer));
        let slots: Vec<Slot> = (0..CONNECTIONS_MIN).map(|_| all.admit().expect("a place")).collect();
        let (served, refused): (Vec<_>, Vec<_>) = slots.iter().partition(|slot| slot.serve(Use::Client));
        assert_eq!((served.len(), refused.len()), (24, 8));
        assert!(refused.iter().all(|slot| slot.serve(Use::Reserved)));
        assert!(all.admit().is_none(), "nobody is silent");
        served[0].wait();
        assert!(all.admit().is_some());
    }

    #[test]
    fn a_connection_that_ended_is_counted_no_more() {
        let all = Connections::new(Some(CONNECTIONS_MIN));
        for _ in 0..100 {
            let slot = all.admit().expect("a place");
            assert!(slot.serve(Use::Client));
            slot.wait();
            assert!(slot.serve(Use::Reserved));
        }
        let state = all.state();
        assert_eq!((state.count, state.clients, state.silent.len()), (0, 0, 0));
    }
}
