//! The whole GraphQL schema. Its text is committed as `schema.graphql` and compared in a test.

mod bounds;

use async_graphql::{SDLExportOptions, Schema};

use crate::{graphql::mutation::Mutation, graphql::query::Query, graphql::subscription::Subscription};

/// The deepest nesting of a query; the usual introspection query has 13.
pub const DEPTH_MAX: usize = 20;
/// The most that one request may cost, counted before it is executed: each field costs 1, and what is
/// asked of a page's nodes costs `first` (or `last`) times as much, so that pages inside pages multiply.
///
/// This lets through two pages of the usual size, one inside the other, with 50 fields of each node, and
/// never three; the words on `Query` say the same.
pub const COST_MAX: usize = 500_000;

/// The schema of a cell.
pub(crate) type CellSchema = Schema<Query, Mutation, Subscription>;

/// The schema, without a gateway behind it.
pub(crate) fn build() -> CellSchema {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .limit_directives(8)
        .extension(bounds::Bounds)
        .finish()
}

/// The schema in GraphQL's own language, as it is committed.
pub fn sdl() -> String {
    build().sdl_with_options(SDLExportOptions::new().use_space_ident().include_specified_by())
}
