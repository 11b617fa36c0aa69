//! What both stores of records need: the span of a selection.

use twin_contract::{Order as ContractOrder, Position, Query, Span, Timestamp};

use crate::bindings::records::{Order, Selection};

/// The places that a selection covers; `None` if there are none.
pub fn span(selection: &Selection) -> Option<Span> {
    let order = match selection.order {
        Order::NewestFirst => ContractOrder::NewestFirst,
        Order::OldestFirst => ContractOrder::OldestFirst,
    };
    let after = selection.after.as_ref().map(|after| Position {
        time: Timestamp::from_micros(after.time),
        id: after.id.clone(),
    });
    Span::of(selection.start, selection.end, order, after.as_ref())
}

/// How many records a page may have.
pub fn limit(selection: &Selection) -> u32 {
    selection.limit.clamp(1, Query::MAX_LIMIT)
}
