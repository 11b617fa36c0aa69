//! Records: order, ranges and pages.

use super::{
    Fixture,
    samples::{PutAll as _, TELEMETRY, entry, everything},
};
use crate::{
    Failure, Stores,
    records::{Entry, Order, Page, Position, Selection},
};

const BOTH: [Order; 2] = [Order::OldestFirst, Order::NewestFirst];

async fn filled(fixture: &impl Fixture, entries: Vec<Entry>) -> Stores {
    let stores = fixture.open().await;
    let put = stores.records.put_all(TELEMETRY.to_owned(), entries);
    put.await.unwrap();
    stores
}

async fn query(stores: &Stores, selection: Selection) -> Page {
    let query = stores.records.query(TELEMETRY.to_owned(), selection);
    query.await.unwrap()
}

fn ids(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|found| found.id.as_str()).collect()
}

/// Reads page by page, and returns the ids in order.
async fn walk(stores: &Stores, mut selection: Selection) -> Vec<String> {
    let mut met = Vec::new();
    loop {
        let page = query(stores, selection.clone()).await;
        met.extend(page.entries.iter().map(|found| found.id.clone()));
        selection.after = page.entries.last().map(|last| Position {
            time: last.time,
            id: last.id.clone(),
        });
        if !page.more {
            return met;
        }
        assert!(
            !page.entries.is_empty(),
            "a page with more behind it is not empty"
        );
    }
}

/// A query includes its start and excludes its end, in both orders.
pub async fn the_start_is_included_and_the_end_is_not(fixture: impl Fixture) {
    let entries = (-2..=2).map(|time| entry(time, &format!("at-{time}"), "body"));
    let stores = filled(&fixture, entries.collect()).await;
    for (start, end, expected) in [
        (Some(-1), Some(1), vec!["at--1", "at-0"]),
        (Some(1), None, vec!["at-1", "at-2"]),
        (None, Some(-1), vec!["at--2"]),
        (Some(0), Some(0), vec![]),
        (Some(1), Some(-1), vec![]),
        (Some(3), None, vec![]),
    ] {
        for order in BOTH {
            let mut expected = expected.clone();
            if order == Order::NewestFirst {
                expected.reverse();
            }
            let selection = Selection {
                start,
                end,
                ..everything(order)
            };
            let page = query(&stores, selection).await;
            assert_eq!(ids(&page), expected, "{start:?} to {end:?}, {order:?}");
            assert!(!page.more);
        }
    }
}

/// Times range over all of `i64`.
pub async fn all_of_time_can_be_asked_for(fixture: impl Fixture) {
    let ends = vec![entry(i64::MAX, "last", ""), entry(i64::MIN, "first", "")];
    let stores = filled(&fixture, ends).await;
    let page = query(&stores, everything(Order::OldestFirst)).await;
    assert_eq!(ids(&page), ["first", "last"]);
    let before_the_last = Selection {
        start: Some(i64::MIN),
        end: Some(i64::MAX),
        ..everything(Order::NewestFirst)
    };
    assert_eq!(ids(&query(&stores, before_the_last).await), ["first"]);
}

/// Records with the same time are in the order of their ids' bytes.
pub async fn ids_sort_by_their_bytes(fixture: impl Fixture) {
    let mut sorted = [
        "-", ".", "10", "2", ":", "B", "_", "a", "a-", "a.", "aB", "aa", "b",
    ];
    let entries = sorted.iter().rev().map(|id| entry(1, id, "body"));
    let stores = filled(&fixture, entries.collect()).await;
    let page = query(&stores, everything(Order::OldestFirst)).await;
    assert_eq!(ids(&page), sorted);
    sorted.reverse();
    let page = query(&stores, everything(Order::NewestFirst)).await;
    assert_eq!(ids(&page), sorted);
}

/// A page has at most as many records as requested, and reports correctly whether more follow.
pub async fn a_page_ends_at_its_limit(fixture: impl Fixture) {
    let entries = (0..1001).map(|time| entry(time, &format!("at-{time}"), "body"));
    let stores = filled(&fixture, entries.collect()).await;
    // A limit outside 1 to 1000 becomes the nearest limit within.
    for (limit, expected) in [(0, 1), (1, 1), (999, 999), (1000, 1000), (u32::MAX, 1000)] {
        for order in BOTH {
            let selection = Selection {
                limit,
                ..everything(order)
            };
            let page = query(&stores, selection).await;
            assert_eq!(
                (page.entries.len(), page.more),
                (expected, true),
                "limit {limit}"
            );
        }
    }
    let exactly = Selection {
        start: Some(1),
        ..everything(Order::OldestFirst)
    };
    let page = query(&stores, exactly).await;
    assert_eq!((page.entries.len(), page.more), (1000, false));
}

/// A page has at most 1 MiB of bodies.
pub async fn a_page_ends_at_one_mebibyte(fixture: impl Fixture) {
    const QUARTER: usize = 256 * 1024;
    let sizes = [[QUARTER; 4], [QUARTER, QUARTER, QUARTER, QUARTER - 1]].concat();
    let entries = (0..).zip(sizes.into_iter().chain([2, 0]));
    let entries = entries.map(|(time, size)| entry(time, &format!("at-{time}"), vec![b'x'; size]));
    let stores = filled(&fixture, entries.collect()).await;

    let page = query(&stores, everything(Order::OldestFirst)).await;
    let first = vec!["at-0", "at-1", "at-2", "at-3"];
    assert_eq!((ids(&page), page.more), (first, true));

    // One byte more than 1 MiB.
    let from_the_sixth = Selection {
        start: Some(5),
        ..everything(Order::OldestFirst)
    };
    let page = query(&stores, from_the_sixth).await;
    let rest = vec!["at-5", "at-6", "at-7", "at-8", "at-9"];
    assert_eq!((ids(&page), page.more), (rest, false));
    let from_the_fifth = Selection {
        start: Some(4),
        ..everything(Order::OldestFirst)
    };
    let page = query(&stores, from_the_fifth).await;
    let fitting = vec!["at-4", "at-5", "at-6", "at-7"];
    assert_eq!((ids(&page), page.more), (fitting, true));

    let page = query(&stores, everything(Order::NewestFirst)).await;
    let newest = vec!["at-9", "at-8", "at-7", "at-6", "at-5"];
    assert_eq!((ids(&page), page.more), (newest, true));
}

/// A record of more than 1 MiB is a page of its own. A store that does not accept it says so, and stores nothing.
pub async fn a_record_larger_than_a_page_has_one_of_its_own(fixture: impl Fixture) {
    let large = vec![b'x'; (1 << 20) + 1];
    if fixture.largest_body() < large.len() {
        let stores = fixture.open().await;
        let put = stores
            .records
            .put(TELEMETRY.to_owned(), vec![entry(1, "large", large)]);
        assert_eq!(put.await, [Err(Failure::TooLarge)]);
        let page = query(&stores, everything(Order::OldestFirst)).await;
        assert_eq!(ids(&page), [""; 0]);
        return;
    }
    let entries = vec![entry(1, "large", large), entry(2, "small", "body")];
    let stores = filled(&fixture, entries).await;
    let page = query(&stores, everything(Order::OldestFirst)).await;
    assert_eq!((ids(&page), page.more), (vec!["large"], true));
    let page = query(&stores, everything(Order::NewestFirst)).await;
    assert_eq!((ids(&page), page.more), (vec!["small"], true));
}

/// A page begins after its position, which need not be that of a record.
pub async fn a_page_begins_behind_its_position(fixture: impl Fixture) {
    let places = [(1, "a"), (1, "b"), (1, "ba"), (2, "a"), (3, "a")];
    let entries = places
        .iter()
        .map(|(time, id)| entry(*time, &format!("{time}{id}"), "body"));
    let stores = filled(&fixture, entries.collect()).await;
    let behind = |order, time, id: &str, start, end| Selection {
        after: Some(Position {
            time,
            id: id.to_owned(),
        }),
        start,
        end,
        ..everything(order)
    };
    for (selection, expected) in [
        (
            behind(Order::OldestFirst, 1, "1b", None, None),
            vec!["1ba", "2a", "3a"],
        ),
        (behind(Order::NewestFirst, 1, "1b", None, None), vec!["1a"]),
        // The position need not be that of a record, nor within the range.
        (
            behind(Order::OldestFirst, 1, "1aa", None, Some(3)),
            vec!["1b", "1ba", "2a"],
        ),
        (
            behind(Order::OldestFirst, 0, "x", Some(2), None),
            vec!["2a", "3a"],
        ),
        (
            behind(Order::NewestFirst, 9, "x", None, Some(2)),
            vec!["1ba", "1b", "1a"],
        ),
        (behind(Order::OldestFirst, 3, "3a", None, None), vec![]),
        (behind(Order::OldestFirst, 9, "x", None, Some(2)), vec![]),
        (behind(Order::NewestFirst, 0, "x", Some(2), None), vec![]),
    ] {
        let page = query(&stores, selection.clone()).await;
        assert_eq!(ids(&page), expected, "{selection:?}");
    }
}

/// Reading page by page returns every record once, in order, whatever the limit.
pub async fn pages_lose_and_double_nothing(fixture: impl Fixture) {
    const RECORDS: u64 = 2500;
    // Spread over 97 instants, so about 26 records share each; a multiplier coprime to 2500 shuffles them.
    let entries = (0..RECORDS).map(|number| {
        let shuffled = number * 1009 % RECORDS;
        let time = i64::try_from(shuffled * shuffled % 97).unwrap() - 48;
        entry(time, &format!("{shuffled:x}"), "body")
    });
    let entries: Vec<_> = entries.collect();
    let mut sorted: Vec<_> = entries
        .iter()
        .map(|entry| (entry.time, entry.id.clone()))
        .collect();
    sorted.sort();
    let stores = filled(&fixture, entries).await;

    for order in BOTH {
        if order == Order::NewestFirst {
            sorted.reverse();
        }
        // Small pages only through a few instants: each page is a call of the service.
        let cases = [
            (1, Some(-1..1)),
            (7, Some(-5..5)),
            (333, None),
            (1000, None),
        ];
        for (limit, instants) in cases {
            let is_within = |time: &i64| instants.as_ref().is_none_or(|range| range.contains(time));
            let within = sorted.iter().filter(|(time, _)| is_within(time));
            let within: Vec<_> = within.map(|(_, id)| id.clone()).collect();
            assert!(within.len() > 10);
            let selection = Selection {
                limit,
                start: instants.as_ref().map(|range| range.start),
                end: instants.as_ref().map(|range| range.end),
                ..everything(order)
            };
            let met = walk(&stores, selection).await;
            assert_eq!(met, within, "{order:?} by {limit}");
        }
    }
}
