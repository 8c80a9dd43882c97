//! Ids, amounts, ports and task states: text and bytes say the same, and no text makes parsing panic.

mod amounts;
mod ids;
mod ports;
mod tasks;
