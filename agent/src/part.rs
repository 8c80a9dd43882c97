//! The tasks beside the agent's loop: one that panics would leave an agent behind that looks alive and is deaf, or never
//! hears of the end of a task. So the loop is told, and the agent ends with an error; its tasks do not need it.

use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::agent::Input;

/// Runs a part to its end; a panic of it is told to the loop.
pub(crate) async fn run(name: &'static str, inputs: mpsc::Sender<Input>, part: impl Future<Output = ()>) {
    // What the part shares with others is what the loop ends with.
    if let Err(panic) = AssertUnwindSafe(part).catch_unwind().await {
        let what = format!("{name} panicked: {}", message(&*panic));
        // An error means that the loop is gone already.
        let _ = inputs.send(Input::Broken { what }).await;
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_told_to_the_loop_and_one_that_ends_is_not() {
        let (inputs, mut taken) = mpsc::channel(1);
        run("the link", inputs.clone(), async {}).await;
        run("the link", inputs, async { panic!("no {}", 7) }).await;
        let Some(Input::Broken { what }) = taken.recv().await else { panic!("it is told") };
        assert_eq!(what, "the link panicked: no 7");
    }
}
