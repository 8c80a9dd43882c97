//! The end of a gateway, as everything that runs in it hears of it.

use tokio::sync::watch;

/// Resolves when the gateway is to end.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(pub(crate) watch::Receiver<bool>);

impl Shutdown {
    /// Whether it is told to end.
    pub(crate) fn is_over(&self) -> bool {
        *self.0.borrow()
    }

    pub(crate) async fn over(mut self) {
        // An error means that the sender is gone, and with it the gateway.
        let _ = self.0.wait_for(|is_over| *is_over).await;
    }
}
