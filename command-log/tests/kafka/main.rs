//! The log on real Kafka brokers. Needs Java and Maven: `make test-kafka` runs these, or says that it cannot.

mod alike;
mod archived;
mod cluster;
mod outages;
mod seen_by_others;
mod unfit;
