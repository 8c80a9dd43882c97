//! Queries: rows of the projections as of one moment. Nothing here writes or waits for the cell.

pub mod agent;
pub mod cell;
pub mod event;
pub mod framework;
pub mod job;
pub mod kind;
pub mod node;
pub mod offer;
pub mod refusal;
pub mod role;
pub mod task;
pub mod timeline;
pub mod usage;
pub mod value;

use async_graphql::MergedObject;

/// Reads of the cell. Every root field takes `at`, a moment in the past, and `minOffset`, to wait
/// until that offset is reflected. Root fields without `at` in one request are all of one moment.
///
/// A page holds at most 1000 nodes, and 100 where neither `first` nor `last` is given. A request may
/// cost at most 500000, and may be 20 fields deep: each field costs 1, and what is asked of a page's
/// nodes costs as many times as the page may hold nodes, so that pages inside pages multiply. A
/// request that would cost more is refused with its cost, before anything is read; ask for smaller
/// pages, and go through them.
#[derive(Default, MergedObject)]
pub struct Query(
    cell::CellQuery,
    agent::AgentQuery,
    job::JobQuery,
    task::TaskQuery,
    framework::FrameworkQuery,
    offer::OfferQuery,
    role::RoleQuery,
    refusal::RefusalQuery,
    event::EventQuery,
    usage::UsageQuery,
    node::NodeQuery,
);
