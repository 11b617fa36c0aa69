//! Records: identity, and what comes back.

use futures_util::future::join_all;
use twin_capabilities::records::{Entry, Order, Outcome, StoredEntry};
use twin_host::providers::Stores;

use crate::{
    house::House,
    samples::{PutAll as _, TELEMETRY, entry, everything},
};

every_provider!(
    a_record_comes_back_as_it_was_put,
    a_repetition_is_a_duplicate_since_the_first,
    another_payload_under_an_id_is_a_conflict,
    repetitions_within_one_put_count,
    an_id_belongs_to_twin_collection_and_device,
    two_readings_of_one_instant_are_kept,
    nothing_is_put_and_nothing_found,
    of_many_who_put_one_record_one_stores_it,
);

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

async fn a_record_comes_back_as_it_was_put(house: House) {
    let body = b"{\"temperature\": 21.50}\0\xFF";
    let outcomes = put(&house.open(), TELEMETRY, vec![entry(-7, "a", body)]).await;
    assert_eq!(outcomes, [Outcome::Stored(house.now())]);

    // What was acknowledged to one is there for all.
    let found = all(&house.open(), TELEMETRY).await;
    let stored = StoredEntry {
        time: -7,
        id: "a".to_owned(),
        body: body.to_vec(),
        stored_at: house.now(),
    };
    assert_eq!(found, [stored]);
}

async fn a_repetition_is_a_duplicate_since_the_first(house: House) {
    let stores = house.open();
    let first = house.now();
    put(&stores, TELEMETRY, vec![entry(5, "a", "body")]).await;
    house.turn(1);

    let again = put(&stores, TELEMETRY, vec![entry(5, "a", "body")]).await;
    let later = put(&stores, TELEMETRY, vec![entry(6, "a", "body")]).await;

    assert_eq!(again, [Outcome::Duplicate(first)]);
    assert_eq!(later, [Outcome::Duplicate(first)]);
    let found = all(&stores, TELEMETRY).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].time, found[0].stored_at), (5, first));
}

async fn another_payload_under_an_id_is_a_conflict(house: House) {
    let stores = house.open();
    put(&stores, TELEMETRY, vec![entry(5, "a", "first")]).await;

    let other = put(&stores, TELEMETRY, vec![entry(5, "a", "second")]).await;

    assert_eq!(other, [Outcome::Conflict]);
    let found = all(&stores, TELEMETRY).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].body, b"first");
}

async fn repetitions_within_one_put_count(house: House) {
    let stores = house.open();
    let entries = vec![
        entry(1, "a", "first"),
        entry(1, "a", "first"),
        entry(1, "a", "second"),
        entry(2, "b", "first"),
    ];
    let now = house.now();

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

async fn an_id_belongs_to_twin_collection_and_device(house: House) {
    let stores = house.open();
    let other_twin = house.open_for("factory-02");
    let here = entry(1, "a", "here");
    let other_device = Entry {
        device_id: "device-2".to_owned(),
        ..entry(1, "a", "other device")
    };
    let stored = [Outcome::Stored(house.now())];

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

async fn two_readings_of_one_instant_are_kept(house: House) {
    let stores = house.open();
    let readings = vec![entry(1, "b", "cold"), entry(1, "a", "warm")];
    put(&stores, TELEMETRY, readings).await;

    let found = all(&stores, TELEMETRY).await;

    let bodies: Vec<_> = found.iter().map(|found| found.body.as_slice()).collect();
    assert_eq!(bodies, [b"warm", b"cold"]);
}

async fn nothing_is_put_and_nothing_found(house: House) {
    let stores = house.open();
    assert!(put(&stores, TELEMETRY, Vec::new()).await.is_empty());
    assert!(all(&stores, TELEMETRY).await.is_empty());
}

async fn of_many_who_put_one_record_one_stores_it(house: House) {
    const IDS: usize = 20;
    const WRITERS: usize = 16;
    let houses = [house.open(), house.open()];
    let writers = (0..WRITERS).map(|writer| {
        let stores = houses[writer % 2].clone();
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
    assert_eq!(all(&houses[0], TELEMETRY).await.len(), IDS);
}
