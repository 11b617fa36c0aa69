//! Pages: applies the contract's rules to a selection.

use twin_contract::{Position, Query, Span, Timestamp};

use crate::records::Selection;

/// The most records a query returns.
pub const MAX_RECORDS: u32 = Query::MAX_LIMIT;

/// The span of a selection; `None` if it is empty.
pub fn span(selection: &Selection) -> Option<Span> {
    let after = selection.after.as_ref().map(|after| Position {
        time: Timestamp::from_micros(after.time),
        id: after.id.clone(),
    });
    Span::of(
        selection.start,
        selection.end,
        selection.order,
        after.as_ref(),
    )
}
