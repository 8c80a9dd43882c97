//! Relay pages: `first`/`after` or `last`/`before`, within bounds.

use std::{cell::Cell, fmt::Display, str::FromStr};

use async_graphql::{
    OutputType, SimpleObject,
    connection::{Connection, Edge},
};
use projector::{Direction, Error as Rows, Page, Pick, Row, Scope};

use crate::{budget, error::RequestError, graphql::scalar::OffsetText};

/// The most nodes of one page.
pub const PAGE_MAX: i32 = 1000;
/// How many nodes a page holds where nothing is said.
pub const PAGE_DEFAULT: i32 = 100;
/// How many rows a page looks at before others have a turn.
pub(crate) const LOOKS_PER_STEP: usize = 1000;

/// What every page says beside its nodes.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct PageExtra {
    /// The offset that the page reflects.
    pub as_of: OffsetText,
}

/// A page of nodes.
pub(crate) type Nodes<T> = Connection<String, T, PageExtra>;

/// What a client asks of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageArgs {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

/// A list's part, in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Window<Id> {
    pub(crate) limit: usize,
    pub(crate) direction: Direction,
    pub(crate) start: Option<Id>,
}

impl PageArgs {
    /// Checks the arguments; cursors are ids in their text form.
    pub(crate) fn window<Id>(&self) -> Result<Window<Id>, RequestError>
    where
        Id: FromStr,
        Id::Err: std::error::Error,
    {
        let is_forwards = match (self.first, &self.after, self.last, &self.before) {
            (_, _, None, None) => true,
            (None, None, _, _) => false,
            _ => {
                let why = "give either first and after, or last and before".to_owned();
                return Err(RequestError::BadInput { field: "page", why });
            }
        };
        let (field, asked, cursor) =
            if is_forwards { ("first", self.first, &self.after) } else { ("last", self.last, &self.before) };
        let limit = limit(field, asked)?;
        let start = cursor.as_deref().map(|text| crate::graphql::input::parse("cursor", text)).transpose()?;
        let direction = if is_forwards { Direction::Forwards } else { Direction::Backwards };
        Ok(Window { limit, direction, start })
    }
}

/// A number of nodes, within its bounds.
pub(crate) fn limit(field: &'static str, asked: Option<i32>) -> Result<usize, RequestError> {
    let asked = asked.unwrap_or(PAGE_DEFAULT);
    let within = usize::try_from(asked).ok().filter(|_| asked <= PAGE_MAX);
    within.ok_or(RequestError::OutOfRange { field, value: asked.into(), min: 0, max: PAGE_MAX.into() })
}

/// What a page costs: all that is asked of a node, as often as there may be nodes; see
/// [`super::schema::COST_MAX`].
pub(crate) fn cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let nodes = first.or(last).unwrap_or(PAGE_DEFAULT).clamp(0, PAGE_MAX);
    list_cost(nodes.unsigned_abs(), child)
}

/// What a list costs that may have so many members.
///
/// The library adds costs up without a look at their size: a document has at most
/// [`super::guard::weight::SELECTIONS_MAX`] fields, and five whole pages inside each other stay within a `u64`.
pub(crate) fn list_cost(members: u32, child: usize) -> usize {
    usize::try_from(members).unwrap_or(usize::MAX).saturating_mul(child).saturating_add(1)
}

/// Rows of a page, and whether there are more behind them.
#[derive(Clone, Debug)]
pub(crate) struct Found<R> {
    rows: Vec<R>,
    has_more: bool,
}

impl<R> Found<R> {
    /// The rows of a page, of which one more than `limit` was looked for.
    pub(crate) fn of(mut rows: Vec<R>, limit: usize) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, has_more }
    }
}

/// A page of the rows that `wanted` lets through; charges the request for all that it looks at.
pub(crate) async fn rows<R: Row>(
    scope: &Scope,
    pick: &Pick<R>,
    window: Window<R::Id>,
    wanted: impl Fn(&R) -> bool,
) -> Result<(Found<R>, Window<R::Id>), RequestError> {
    let read = |start: Option<R::Id>, rows: usize| {
        let pick = pick.clone().direction(window.direction).limit(rows).looks(LOOKS_PER_STEP).after(start);
        let looked = Cell::new(0);
        let page = scope.page_where(&pick, |row| {
            looked.set(looked.get() + 1);
            wanted(row)
        })?;
        Ok((page, looked.get()))
    };
    let found = find(&window, read).await?;
    Ok((found, window))
}

/// Reads on, from a place on and some rows at a time, until the page is full or there is no more. `read` returns
/// how many rows it looked at as well.
pub(crate) async fn find<R: Row>(
    window: &Window<R::Id>,
    read: impl Fn(Option<R::Id>, usize) -> Result<(Page<R>, u64), Rows>,
) -> Result<Found<R>, RequestError> {
    // Whether there is a next page can only be said by who has looked, even if no node is asked for.
    let limit = window.limit.max(1);
    let (mut found, mut next) = (Vec::new(), window.start.clone());
    loop {
        let (page, looked) = read(next, limit - found.len())?;
        found.extend(page.rows);
        next = page.next;
        budget::look(looked).await?;
        if next.is_none() || found.len() >= limit {
            break;
        }
    }
    let has_more = next.is_some() || found.len() > window.limit;
    found.truncate(window.limit);
    Ok(Found { rows: found, has_more })
}

/// The connection of a page; `node` makes a node of a row and `cursor` names it.
pub(crate) fn connection<R: Row, T: OutputType, C: Display>(
    scope: &Scope,
    (page, window): (Found<R>, Window<R::Id>),
    cursor: impl Fn(&R) -> C,
    node: impl Fn(R) -> T,
) -> Nodes<T> {
    let (has_more, has_less) = (page.has_more, window.start.is_some());
    let is_forwards = window.direction == Direction::Forwards;
    let (has_previous, has_next) = if is_forwards { (has_less, has_more) } else { (has_more, has_less) };
    let extra = PageExtra { as_of: scope.offset().into() };
    let mut connection = Connection::with_additional_fields(has_previous, has_next, extra);
    let edges = page.rows.into_iter().map(|row| Edge::new(cursor(&row).to_string(), node(row)));
    connection.edges = if is_forwards { edges.collect() } else { edges.rev().collect() };
    connection
}
