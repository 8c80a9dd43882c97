//! The cell's door: GraphQL queries, mutations and subscriptions, and the link of the agents.
//!
//! A gateway appends commands and reads the log. It decides nothing and knows nothing of the
//! allocator: whoever leads is found in the log. Any number of gateways may serve one cell.
//!
//! ```text
//!  POST /graphql ──┐                      ┌─ submit ──> append ─┐
//!    WS /graphql ──┴ graphql ──> desk ────┼─ read ──> rows      ▼
//!    WS /v1/link ─── link ────────┘       │            ▲       log
//!                                         └─ follow    │        │
//!                                              │      fold      ▼
//!                                              └── cursors <── hub ──> answers ──> submit
//! ```
//!
//! Start reading at [`serve`], `desk.rs` and `hub.rs`.

mod budget;
mod config;
mod desk;
mod error;
mod event;
mod graphql;
mod health;
mod hub;
mod identity;
mod link;
mod metrics;
mod origin;
mod output;
mod parts;
mod queries;
mod registry;
mod relay;
mod rows;
mod serve;
mod shutdown;
mod transport_ws;

pub use config::{Config, PATIENCE, Waits};
pub use error::Error;
pub use graphql::schema::sdl;
pub use hub::Halted;
pub use identity::{ANONYMOUS, PRINCIPAL_HEADER};
pub use serve::{RunningGateway, serve};
pub use transport_ws::SUBPROTOCOL;
