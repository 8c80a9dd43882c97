//! The cell's door: GraphQL queries, mutations and subscriptions, and the link of the agents.
//!
//! A gateway appends commands and reads the log. It decides nothing and knows nothing of the
//! allocator: whoever leads is found in the log. Any number of gateways may serve one cell.
//!
//! ```text
//!  POST /graphql ──> guard ──> mutation ──> append ─┐
//!                         └──> query ──> rows       ▼
//!                                          ▲       log
//!                                         fold      │
//!                                          ▲        ▼
//!  WS /graphql <── events <── cursors <── ring <── hub ──> answers ──> mutations
//!  WS /v1/link <── view   <────┘
//! ```
//!
//! Start reading at [`serve`] and `hub.rs`.

mod answer;
mod budget;
mod config;
mod context;
mod error;
mod event;
mod gateway;
mod guard;
mod health;
mod http;
mod hub;
mod identity;
mod input;
mod link;
mod metrics;
mod moment;
mod mutation;
mod page;
mod queries;
mod query;
mod relay;
mod rows;
mod scalar;
mod schema;
mod serve;
mod socket;
mod subscription;

pub use config::{Config, PATIENCE, Waits};
pub use error::Error;
pub use hub::Halted;
pub use identity::{ANONYMOUS, PRINCIPAL_HEADER};
pub use schema::sdl;
pub use serve::{RunningGateway, serve};
pub use socket::protocol::SUBPROTOCOL;
