//! What one request may still use: rows to look at, bytes to answer, and its turn on the threads of queries.
//!
//! The cost of a document says how much it may *return*. A filter that lets nothing through returns nothing and
//! may look at all there is, so what is looked at is charged as well, where it is looked at. A budget belongs to
//! the task that runs the request; resolvers reach it without being handed it.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::RequestError;

/// The most rows that one request, or one message of a subscription, may look at.
pub const LOOKS_MAX: u64 = 500_000;
/// How many rows a decision counts for: it is read from the log and decoded.
pub const LOOKS_PER_DECISION: u64 = 10;
/// The largest answer, or message of a subscription, in bytes.
pub const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// For how long a request keeps its thread before others have a turn.
const SLICE: Duration = Duration::from_millis(5);

tokio::task_local! {
    static CURRENT: Arc<Budget>;
}

/// What one request may still use.
#[derive(Debug)]
pub(crate) struct Budget {
    looked: AtomicU64,
    bytes: AtomicU64,
    is_spent: AtomicBool,
    slice: Mutex<Instant>,
    places: Arc<Semaphore>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Budget {
    /// A whole budget; the request runs in one of these places.
    pub(crate) fn new(places: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            looked: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            is_spent: AtomicBool::new(false),
            slice: Mutex::new(Instant::now()),
            places,
            place: Mutex::new(None),
        })
    }

    /// Runs a request within this budget, when it has a place.
    pub(crate) async fn spend<T>(self: &Arc<Self>, request: impl Future<Output = T>) -> T {
        self.take_place().await;
        self.within(request).await
    }

    /// Runs a part of a subscription within this budget. Subscriptions last, and have no place.
    pub(crate) async fn within<T>(self: &Arc<Self>, part: impl Future<Output = T>) -> T {
        let mut part = pin!(CURRENT.scope(Arc::clone(self), part));
        // A turn is one poll of the whole request, however many fields of it are polled by that.
        poll_fn(|cx| {
            self.begin_slice();
            part.as_mut().poll(cx)
        })
        .await
    }

    /// Begins anew, for the next message of a subscription.
    pub(crate) fn renew(&self) {
        self.looked.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Whether the answer grew too large, so that what there is of it is not worth sending.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.slice.lock().expect("no panic while the slice is held").elapsed() >= SLICE
    }

    async fn take_place(&self) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        *self.place.lock().expect("no panic while the place is held") = place;
    }

    fn begin_slice(&self) {
        *self.slice.lock().expect("no panic while the slice is held") = Instant::now();
    }

    fn leave_place(&self) -> bool {
        self.place.lock().expect("no panic while the place is held").take().is_some()
    }
}

/// Charges the present request for rows that it looked at, and lets others have their turn.
pub(crate) async fn look(rows: u64) -> Result<(), RequestError> {
    let Ok(budget) = CURRENT.try_with(Arc::clone) else { return Ok(()) };
    let looked = budget.looked.fetch_add(rows, Ordering::Relaxed).saturating_add(rows);
    if looked > LOOKS_MAX {
        let why = format!(
            "the request looks at more than {LOOKS_MAX} rows (a decision counts as {LOOKS_PER_DECISION}); ask for \
             less in one request, or with a narrower filter"
        );
        return Err(RequestError::TooLarge { why });
    }
    pause(&budget).await;
    Ok(())
}

/// Lets others have their turn if the present request had its own.
pub(crate) async fn yield_in_time() {
    if let Ok(budget) = CURRENT.try_with(Arc::clone) {
        pause(&budget).await;
    }
}

/// Gives the thread away when the turn is over. Fields of a request that stand side by side share one task, and the
/// task gives way only when each of them does: so a field that is polled after the end of the turn does nothing. With
/// `yield_now` instead, each of a thousand fields would have a turn of its own before anybody else had one.
async fn pause(budget: &Budget) {
    poll_fn(|cx| {
        if !budget.is_over() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits for something that takes no thread. Meanwhile the place of the request is another one's: requests that
/// wait for a far offset would otherwise keep all others out.
pub(crate) async fn aside<T>(wait: impl Future<Output = T>) -> T {
    let Ok(budget) = CURRENT.try_with(Arc::clone) else { return wait.await };
    let had_place = budget.leave_place();
    let waited = wait.await;
    if had_place {
        budget.take_place().await;
    }
    waited
}

/// Charges the present request for so many bytes of its answer.
pub(crate) fn charge(more: u64) -> Result<(), RequestError> {
    let Ok(budget) = CURRENT.try_with(Arc::clone) else { return Ok(()) };
    if budget.bytes.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= ANSWER_BYTES_MAX {
        return Ok(());
    }
    budget.is_spent.store(true, Ordering::Relaxed);
    Err(answer_too_large())
}

/// What is said instead of an answer that would be too large.
pub(crate) fn answer_too_large() -> RequestError {
    let why = format!("the answer would be larger than {ANSWER_BYTES_MAX} bytes; ask for less, or for smaller pages");
    RequestError::TooLarge { why }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join_all;

    use super::*;

    const FIELDS: usize = 200;

    /// A request of many fields, each of which works for a while, gives way, and works again.
    async fn many_fields(done: &AtomicUsize) {
        let field = || async {
            for _ in 0..2 {
                yield_in_time().await;
                std::thread::sleep(Duration::from_millis(1));
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        join_all((0..FIELDS).map(|_| field())).await;
    }

    /// As a request does at the end of its turn. `yield_now` would put this task before the others again.
    async fn go_behind_the_others() {
        let mut was_there = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut was_there, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn a_request_gives_way_when_its_turn_is_over_however_many_fields_it_has() {
        let runtime = crate::queries::runtime(1).expect("a thread");
        let done = Arc::new(AtomicUsize::new(0));
        let budget = Budget::new(Arc::new(Semaphore::new(1)));
        let counted = Arc::clone(&done);
        let request = runtime.spawn(async move { budget.spend(many_fields(&counted)).await });
        // A task beside it on the same thread: what it sees between two of its turns is what one turn of the request did.
        let seen = Arc::clone(&done);
        let other = runtime.spawn(async move {
            let (mut last, mut most) = (0, 0);
            while last < 2 * FIELDS {
                let now = seen.load(Ordering::Relaxed);
                (last, most) = (now, most.max(now - last));
                go_behind_the_others().await;
            }
            most
        });
        let most = runtime.block_on(async move {
            request.await.expect("it ends");
            other.await.expect("it ends")
        });
        assert!(most <= 15, "{most} of {} steps in one turn", 2 * FIELDS);
    }
}
