//! Pages: the span of a selection, and the number of items that fit on a page. The same for every store.

use crate::{MAX_PAGE, Order, Position};

/// A record's place in the order of its device: by time in microseconds, then by the bytes of its id.
pub type Place = (i64, String);

/// The places that a selection covers: at or after `from`, before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first place that is included.
    pub from: Place,
    /// The first place after the span.
    pub to: Place,
}

impl Span {
    /// The span of a selection: at or after `start`, before `end`, and after `after` in its order. `None` if it is empty.
    pub fn of(
        start: Option<i64>,
        end: Option<i64>,
        order: Order,
        after: Option<&Position>,
    ) -> Option<Self> {
        // An empty id sorts before every other. Ids are ASCII, so the last character sorts after all of them.
        let mut from = (start.unwrap_or(i64::MIN), String::new());
        let mut to = match end {
            Some(end) => (end, String::new()),
            None => (i64::MAX, char::MAX.to_string()),
        };
        if let Some(after) = after {
            let time = after.time.as_micros();
            match order {
                // No id sorts between an id and the same id followed by a NUL.
                Order::OldestFirst => from = from.max((time, format!("{}\0", after.id))),
                Order::NewestFirst => to = to.min((time, after.id.clone())),
            }
        }
        (from < to).then_some(Self { from, to })
    }

    /// Whether a place is in the span.
    pub fn contains(&self, place: &Place) -> bool {
        self.from <= *place && *place < self.to
    }
}

/// A page under construction. It is full with `limit` items or 1 MiB, but always accepts a first item.
#[derive(Debug)]
pub struct Fill<T> {
    items: Vec<T>,
    bytes: usize,
    limit: usize,
    more: bool,
}

impl<T> Fill<T> {
    /// An empty page for at most `limit` items.
    pub fn new(limit: u32) -> Self {
        Self {
            items: Vec::new(),
            bytes: 0,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            more: false,
        }
    }

    /// Whether the page already has `limit` items; then the next item need not be read.
    pub fn is_full(&self) -> bool {
        self.items.len() >= self.limit
    }

    /// Whether an item of this many bytes would fit.
    #[must_use]
    pub fn fits(&self, bytes: usize) -> bool {
        !self.is_full() && (self.items.is_empty() || self.bytes + bytes <= MAX_PAGE)
    }

    /// Adds an item of this many bytes. False if it does not fit: the page is complete, and more follow.
    pub fn push(&mut self, item: T, bytes: usize) -> bool {
        self.more = !self.fits(bytes);
        if !self.more {
            self.bytes += bytes;
            self.items.push(item);
        }
        !self.more
    }

    /// Ends the page because more items follow.
    pub const fn stop(&mut self) {
        self.more = true;
    }

    /// The items, and whether more follow.
    #[must_use]
    pub fn finish(self) -> (Vec<T>, bool) {
        (self.items, self.more)
    }
}

/// Collects items until the page is full: `limit` items or 1 MiB, but at least one of any size. Also returns whether more
/// follow.
///
/// # Errors
/// The first error among the items.
pub fn fill<T, E>(
    items: impl IntoIterator<Item = Result<T, E>>,
    limit: u32,
    bytes_of: impl Fn(&T) -> usize,
) -> Result<(Vec<T>, bool), E> {
    let mut page = Fill::new(limit);
    for item in items {
        let item = item?;
        let bytes = bytes_of(&item);
        if !page.push(item, bytes) {
            break;
        }
    }
    Ok(page.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn a_page_ends_with_its_limit_or_its_bytes_but_has_a_first_item() {
        let page = |sizes: &[usize], limit| {
            let items = sizes.iter().copied().map(Ok::<_, ()>);
            fill(items, limit, |size| *size).expect("no errors")
        };
        assert_eq!(page(&[1, 1, 1], 2), (vec![1, 1], true));
        assert_eq!(page(&[1, 1], 2), (vec![1, 1], false));
        assert_eq!(page(&[MAX_PAGE, 1], 9), (vec![MAX_PAGE], true));
        assert_eq!(page(&[2 * MAX_PAGE, 1], 9), (vec![2 * MAX_PAGE], true));
        assert_eq!(page(&[2 * MAX_PAGE], 9), (vec![2 * MAX_PAGE], false));
    }

    #[test]
    fn a_span_begins_and_ends_where_the_order_says() {
        let after = Position {
            time: Timestamp::from_micros(5),
            id: "b".to_owned(),
        };
        let oldest = Span::of(Some(1), Some(9), Order::OldestFirst, Some(&after));
        let newest = Span::of(Some(1), Some(9), Order::NewestFirst, Some(&after));
        for (time, id, in_oldest, in_newest) in [
            (0, "z", false, false),
            (1, "", false, true),
            (5, "a", false, true),
            (5, "b", false, false),
            (5, "b0", true, false),
            (8, "z", true, false),
            (9, "", false, false),
        ] {
            let place = (time, id.to_owned());
            let within = |span: &Option<Span>| span.as_ref().is_some_and(|s| s.contains(&place));
            assert_eq!(within(&oldest), in_oldest, "{place:?}");
            assert_eq!(within(&newest), in_newest, "{place:?}");
        }
        assert_eq!(Span::of(Some(9), Some(9), Order::OldestFirst, None), None);
    }
}
