//! Subscriptions. `events` is lossless; the others are conflated: they give what is, not each step.

pub mod events;
pub mod samples;
pub mod task_log;
pub mod watch;

use async_graphql::MergedSubscription;

/// What a client hears of without asking again. A slow client lags; it never slows another.
#[derive(Default, MergedSubscription)]
pub struct Subscription(
    events::EventSubscription,
    watch::WatchSubscription,
    task_log::TaskLogSubscription,
    samples::SampleSubscription,
);
