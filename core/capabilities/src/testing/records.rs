//! Records: identity, and what is returned.

use futures_util::future::join_all;

use super::{
    Fixture,
    samples::{PutAll as _, TELEMETRY, entry, everything},
};
use crate::{
    Stores,
    records::{Entry, Order, Outcome, StoredEntry},
};

async fn put(stores: &Stores, collection: &str, entries: Vec<Entry>) -> Vec<Outcome> {
    let put = stores.records.put_all(collection.to_owned(), entries);
    put.await.unwrap()
}

async fn all(stores: &Stores, collection: &str) -> Vec<StoredEntry> {
    let query = stores
        .records
        .query(collection.to_owned(), everything(Order::OldestFirst));
    let page = query.await.unwrap();
    assert!(!page.more);
    page.entries
}

/// An acknowledged record is returned unchanged in another process, with the time at which it was stored.
pub async fn a_record_comes_back_as_it_was_put(fixture: impl Fixture) {
    let body = b"{\"temperature\": 21.50}\0\xFF";
    let outcomes = put(&fixture.open().await, TELEMETRY, vec![entry(-7, "a", body)]).await;
    assert_eq!(outcomes, [Outcome::Stored(fixture.now())]);

    // What was acknowledged to one process is visible to all.
    let found = all(&fixture.open().await, TELEMETRY).await;
    let stored = StoredEntry {
        time: -7,
        id: "a".to_owned(),
        body: body.to_vec(),
        stored_at: fixture.now(),
    };
    assert_eq!(found, [stored]);
}

/// The same id with the same digest is a duplicate of the first record, even at another time.
pub async fn a_repetition_is_a_duplicate_since_the_first(fixture: impl Fixture) {
    let stores = fixture.open().await;
    let first = fixture.now();
    put(&stores, TELEMETRY, vec![entry(5, "a", "body")]).await;
    fixture.turn(1);

    let again = put(&stores, TELEMETRY, vec![entry(5, "a", "body")]).await;
    let later = put(&stores, TELEMETRY, vec![entry(6, "a", "body")]).await;

    assert_eq!(again, [Outcome::Duplicate(first)]);
    assert_eq!(later, [Outcome::Duplicate(first)]);
    let found = all(&stores, TELEMETRY).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].time, found[0].stored_at), (5, first));
}

/// The same id with another digest is a conflict and changes nothing.
pub async fn another_payload_under_an_id_is_a_conflict(fixture: impl Fixture) {
    let stores = fixture.open().await;
    put(&stores, TELEMETRY, vec![entry(5, "a", "first")]).await;

    let other = put(&stores, TELEMETRY, vec![entry(5, "a", "second")]).await;

    assert_eq!(other, [Outcome::Conflict]);
    let found = all(&stores, TELEMETRY).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].body, b"first");
}

/// Duplicates and conflicts are recognised among the entries of one call.
pub async fn repetitions_within_one_put_count(fixture: impl Fixture) {
    let stores = fixture.open().await;
    let entries = vec![
        entry(1, "a", "first"),
        entry(1, "a", "first"),
        entry(1, "a", "second"),
        entry(2, "b", "first"),
    ];
    let now = fixture.now();

    let outcomes = put(&stores, TELEMETRY, entries).await;

    let expected = [
        Outcome::Stored(now),
        Outcome::Duplicate(now),
        Outcome::Conflict,
        Outcome::Stored(now),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(all(&stores, TELEMETRY).await.len(), 2);
}

/// A record's identity is (twin, collection, device, id): an id may be used again if any of the others differs.
pub async fn an_id_belongs_to_twin_collection_and_device(fixture: impl Fixture) {
    let stores = fixture.open().await;
    let other_twin = fixture.open_twin("factory-02").await;
    let here = entry(1, "a", "here");
    let other_device = Entry {
        device_id: "device-2".to_owned(),
        ..entry(1, "a", "other device")
    };
    let stored = [Outcome::Stored(fixture.now())];

    assert_eq!(put(&stores, TELEMETRY, vec![here]).await, stored);
    assert_eq!(put(&stores, TELEMETRY, vec![other_device]).await, stored);
    let other_collection = put(&stores, "event", vec![entry(1, "a", "event")]).await;
    assert_eq!(other_collection, stored);
    let elsewhere = put(&other_twin, TELEMETRY, vec![entry(1, "a", "elsewhere")]).await;
    assert_eq!(elsewhere, stored);

    assert_eq!(all(&stores, TELEMETRY).await[0].body, b"here");
    assert_eq!(all(&stores, "event").await[0].body, b"event");
    assert_eq!(all(&other_twin, TELEMETRY).await[0].body, b"elsewhere");
    assert!(all(&other_twin, "event").await.is_empty());
}

/// Two records of one device with the same time are both stored.
pub async fn two_readings_of_one_instant_are_kept(fixture: impl Fixture) {
    let stores = fixture.open().await;
    let readings = vec![entry(1, "b", "cold"), entry(1, "a", "warm")];
    put(&stores, TELEMETRY, readings).await;

    let found = all(&stores, TELEMETRY).await;

    let bodies: Vec<_> = found.iter().map(|found| found.body.as_slice()).collect();
    assert_eq!(bodies, [b"warm", b"cold"]);
}

/// A call without entries returns no outcomes, and an empty store an empty page.
pub async fn nothing_is_put_and_nothing_found(fixture: impl Fixture) {
    let stores = fixture.open().await;
    assert!(put(&stores, TELEMETRY, Vec::new()).await.is_empty());
    assert!(all(&stores, TELEMETRY).await.is_empty());
}

/// Of concurrent puts of one record, exactly one returns that it stored the record.
pub async fn of_many_who_put_one_record_one_stores_it(fixture: impl Fixture) {
    const IDS: usize = 20;
    const WRITERS: usize = 16;
    let opened = [fixture.open().await, fixture.open().await];
    let writers = (0..WRITERS).map(|writer| {
        let stores = opened[writer % 2].clone();
        tokio::spawn(async move {
            let mut stored = 0;
            for id in 0..IDS {
                let entries = vec![entry(1, &format!("id-{id}"), "body")];
                let outcomes = put(&stores, TELEMETRY, entries).await;
                stored += usize::from(matches!(outcomes[..], [Outcome::Stored(_)]));
            }
            stored
        })
    });

    let stored: usize = join_all(writers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();

    assert_eq!(stored, IDS);
    assert_eq!(all(&opened[0], TELEMETRY).await.len(), IDS);
}
