//! The whole GraphQL schema. Its text is committed as `schema.graphql` and compared in a test.

use async_graphql::{SDLExportOptions, Schema};

use crate::{mutation::Mutation, query::Query, subscription::Subscription};

/// The deepest nesting of a query; the usual introspection query has 13.
pub const DEPTH_MAX: usize = 20;
/// The most fields that one answer may hold, counted before it is made: pages count with `first`.
pub const COMPLEXITY_MAX: usize = 100_000;

/// The schema of a cell.
pub(crate) type CellSchema = Schema<Query, Mutation, Subscription>;

/// The schema, without a gateway behind it.
pub(crate) fn build() -> CellSchema {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .limit_directives(8)
        .finish()
}

/// The schema in GraphQL's own language, as it is committed.
pub fn sdl() -> String {
    build().sdl_with_options(SDLExportOptions::new().use_space_ident().include_specified_by())
}
