//! What is frozen stays frozen: the golden corpus, the listing of every stored struct, the numbers
//! and names on the wire, and what decoding refuses.
//!
//! Bytes are read a second time by `rmpv`, which knows nothing of the structs of this crate.

mod codec;
mod events;
mod frozen;
mod golden;
mod numbers;
mod parts;
mod records;
mod refusals;
mod sample;
mod shapes;
mod tracer;
