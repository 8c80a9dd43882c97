//! Patience with a gateway that reads the log: it answers nothing before it has read what there was.

use std::time::{Duration, Instant};

use super::Error;
use crate::{duration, output};

/// How long to wait before such a gateway is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(300);
/// How long it may take the gateway to read one more percent.
const STALL_MAX: Duration = Duration::from_secs(120);

/// What the gateway has said of its reading so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    said: Option<(u64, Instant)>,
}

impl Reading {
    /// Takes what the gateway says now, tells the user, and returns for how long to wait. A gateway
    /// that does not move on is an error.
    pub(super) fn wait(&mut self, percent: u64) -> Result<Duration, Error> {
        match self.said {
            Some((before, since)) if before == percent => {
                if since.elapsed() > STALL_MAX {
                    let waited = duration::format(STALL_MAX.as_secs() * 1000);
                    return Err(Error::Stalled { percent, waited });
                }
            }
            _ => {
                output::notice(&format!("reading the log: {percent} %"));
                self.said = Some((percent, Instant::now()));
            }
        }
        Ok(ASK_AGAIN_AFTER)
    }
}
