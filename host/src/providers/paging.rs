//! Pages: which records a selection spans, and how many items fit on one page. The same for every provider.

use crate::bindings::{
    records::{Order, Selection},
    types::Instant,
};

/// The most records a query returns.
pub(super) const MAX_RECORDS: u32 = 1000;

/// The most bytes of bodies or envelopes on a page that has more than one.
const MAX_BYTES: usize = 1 << 20;

/// Where a record stands in its device's order: by time, then by the bytes of its id.
pub(super) type Place = (Instant, String);

/// The places that a selection asks for: at or behind `from`, before `to`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Place,
    pub(super) to: Place,
}

impl Span {
    /// What a selection spans; none if it is empty.
    pub(super) fn of(selection: &Selection) -> Option<Self> {
        // An empty id stands before every id; ids are ASCII, so that the last character stands behind them all.
        let mut from = (selection.start.unwrap_or(Instant::MIN), String::new());
        let mut to = match selection.end {
            Some(end) => (end, String::new()),
            None => (Instant::MAX, char::MAX.to_string()),
        };
        if let Some(after) = &selection.after {
            match selection.order {
                // Nothing stands between an id and the same id with a zero byte behind it.
                Order::OldestFirst => from = from.max((after.time, format!("{}\0", after.id))),
                Order::NewestFirst => to = to.min((after.time, after.id.clone())),
            }
        }
        (from < to).then_some(Self { from, to })
    }
}

/// Takes items until the page is full: `limit` of them or 1 MiB, but at least one of any size. Says whether more follow.
pub(super) fn fill<T, E>(
    items: impl IntoIterator<Item = Result<T, E>>,
    limit: u32,
    bytes_of: impl Fn(&T) -> usize,
) -> Result<(Vec<T>, bool), E> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut page = Vec::new();
    let mut bytes = 0;
    for item in items {
        let item = item?;
        bytes += bytes_of(&item);
        if page.len() == limit || (bytes > MAX_BYTES && !page.is_empty()) {
            return Ok((page, true));
        }
        page.push(item);
    }
    Ok((page, false))
}
