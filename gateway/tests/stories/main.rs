//! Stories of a gateway on a log in memory, with a leader that follows a script.
//!
//! One program, so that it is linked once. `cell` is the only part that touches sockets.

mod broken;
mod brokers_away;
mod causes;
mod cell;
mod events;
mod guards;
mod hostile;
mod impossible;
mod input;
mod leader;
mod limits;
mod lines;
mod link;
mod link_counts;
mod mutations;
mod never_placed;
mod peers;
mod reading;
mod reads;
mod relay;
mod schema;
mod sockets;
