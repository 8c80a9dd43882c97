//! The tasks that a gateway is made of: each runs until the gateway is told to end.
//!
//! A part that ends sooner, by a panic or by itself, would leave a gateway behind that looks alive and lacks something:
//! its answers would stand still, or no connection would be taken. So it halts the gateway, which says so and ends.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::task::JoinHandle;

use crate::{
    hub::{Halted, Hub},
    shutdown::Shutdown,
};

/// What to do about a part that has ended.
const HINT: &str =
    "start the gateway again; if the same happens again, this program has a fault: report it with the messages above";

/// Starts a part on the present runtime.
pub(crate) fn start(
    name: &'static str,
    hub: Arc<Hub>,
    shutdown: Shutdown,
    part: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Nothing of the part is used after a panic; what it shares with others is for `Hub::halt` to bear.
        let what = match AssertUnwindSafe(part).catch_unwind().await {
            Err(panic) => format!("{name} panicked, an invariant is broken: {}", message(&*panic)),
            Ok(()) if shutdown.is_over() || hub.halted().is_some() => return,
            Ok(()) => format!("{name} ended by itself"),
        };
        hub.halt(Halted { what, hint: HINT });
    })
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
