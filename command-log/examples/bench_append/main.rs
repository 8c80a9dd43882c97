//! Measures appends of each durable log against the bare store beneath it, side by side.
//!
//! ```text
//! cargo run -p command-log --example bench_append [-- --smoke]
//! ```
//! Both sides append the same records in batches, in turns of one round each, so that whatever else the
//! machine does falls on both. Before anything is reported the log is opened again and read, and its
//! count and hash chain must be those of the workload. One JSON object per line. The disk is that of
//! the temporary directory (`TMPDIR`).

mod embedded;
mod kafka;
mod workload;

use std::error::Error;

use workload::Case;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    for case in Case::all(smoke) {
        embedded::measure(&case).await?.report(&case);
    }
    let Some(broker) = kafka::Broker::start()? else {
        eprintln!("SKIPPED: append_kafka needs Java 17 and Maven");
        return Ok(());
    };
    for case in Case::all(smoke) {
        broker.measure(&case).await?.report(&case);
    }
    Ok(())
}
