//! How a database handles rows that have changed: it serves the rest, and reports the damage.

use std::{sync::Arc, time::Duration};

use twin_capabilities::{
    Failure, Stores,
    error_topic::SystemError,
    records::{Order, Outcome, Selection},
    testing::samples::{TELEMETRY, any_letter, entry, everything, letter},
};
use twin_contract::Cloud;
use twin_postgres_server::{Server, shared};

/// A store that reports damage, and a way to damage it.
struct House {
    _server: Arc<Server>,
    client: tokio_postgres::Client,
    stores: Stores,
}

impl House {
    async fn build() -> Option<Self> {
        let server = match shared() {
            Ok(server) => server,
            Err(reason) => {
                println!("skipped: damage in postgres: {reason}");
                return None;
            }
        };
        let database = server.new_store().await;
        let mut settings = server.settings(&database);
        settings.cloud = Some(Cloud::Aws);
        let stores = twin_postgres::open(settings, "factory-01")
            .await
            .unwrap()
            .stores();
        Some(Self {
            client: server.client(&database).await,
            stores,
            _server: server,
        })
    }

    async fn damage(&self, statement: &str) {
        assert!(self.client.execute(statement, &[]).await.unwrap() > 0);
    }

    async fn ids(&self, order: Order, limit: u32) -> (Vec<String>, bool) {
        let selection = Selection {
            limit,
            ..everything(order)
        };
        let page = self
            .stores
            .records
            .query(TELEMETRY.to_owned(), selection)
            .await
            .unwrap();
        (
            page.entries.into_iter().map(|entry| entry.id).collect(),
            page.more,
        )
    }

    /// The reports since the last call.
    async fn reports(&self) -> Vec<SystemError> {
        let outbox = self.stores.outbox.as_ref().unwrap();
        let events = outbox
            .pending(100, Duration::from_secs(3600))
            .await
            .unwrap();
        events.into_iter().map(|event| event.error).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_record_is_reported_once_and_not_served_until_it_is_sent_again() {
    let Some(house) = House::build().await else {
        return;
    };
    let entries: Vec<_> = (1..=6)
        .map(|n| entry(n, &format!("id-{n}"), format!("body {n}")))
        .collect();
    house
        .stores
        .records
        .put(TELEMETRY.to_owned(), entries.clone())
        .await;
    house
        .damage("UPDATE twin.records SET body = 'other' WHERE id IN ('id-2', 'id-3')")
        .await;

    // Pages have as many records as requested, and continue beyond damaged ones.
    assert_eq!(
        house.ids(Order::OldestFirst, 2).await,
        (vec!["id-1".into(), "id-4".into()], true)
    );
    assert_eq!(
        house.ids(Order::NewestFirst, 4).await.0,
        ["id-6", "id-5", "id-4", "id-1"]
    );
    assert!(!house.ids(Order::NewestFirst, 4).await.1);
    let reports = house.reports().await;
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(
        reports
            .iter()
            .all(|report| report.error_code == "RECORD_DAMAGED")
    );
    assert_eq!(reports[0].raw_data.as_deref(), Some("other"));

    let again = house
        .stores
        .records
        .put(TELEMETRY.to_owned(), entries[1..2].to_vec())
        .await;
    assert!(
        matches!(again[..], [Ok(Outcome::Duplicate(_))]),
        "{again:?}"
    );
    assert_eq!(
        house.ids(Order::OldestFirst, 9).await.0,
        ["id-1", "id-2", "id-4", "id-5", "id-6"]
    );
    assert_eq!(house.reports().await, []);
    // If it is damaged again, it is reported again.
    house
        .damage("UPDATE twin.records SET time_us = 7 WHERE id = 'id-2'")
        .await;
    assert_eq!(
        house.ids(Order::OldestFirst, 9).await.0,
        ["id-1", "id-4", "id-5", "id-6"]
    );
    assert_eq!(house.reports().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_letter_is_neither_shown_nor_taken_and_can_be_replaced_or_discarded() {
    let Some(house) = House::build().await else {
        return;
    };
    let letters = &house.stores.dead_letters;
    for name in ["a", "b", "c", "d"] {
        letters.push(letter(name)).await.unwrap();
    }
    house
        .damage("UPDATE twin.dead_letters SET envelope = 'x' WHERE letter_id = 'a'")
        .await;
    house
        .damage("UPDATE twin.dead_letters SET attempts = 'nonsense' WHERE letter_id = 'c'")
        .await;

    let taken = letters.take(any_letter(), None, 2, 1000).await.unwrap();
    let names: Vec<_> = taken
        .leases
        .iter()
        .map(|lease| lease.letter.letter_id.as_str())
        .collect();
    assert_eq!((names, taken.more), (vec!["b", "d"], false));
    let listed = letters.list(None, 1).await.unwrap();
    assert_eq!(listed.letters[0].letter.letter_id, "b");
    assert!(listed.next.is_some());
    assert!(matches!(
        letters.get("a".to_owned()).await,
        Err(Failure::Other(_))
    ));
    let reports = house.reports().await;
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(
        reports
            .iter()
            .all(|report| report.error_code == "LETTER_DAMAGED")
    );
    let preview = letters.preview(any_letter(), None, 10).await.unwrap();
    assert!(preview.letters.is_empty(), "{preview:?}");

    // The same letter replaces it.
    letters.push(letter("a")).await.unwrap();
    let taken = letters.take(any_letter(), None, 10, 1000).await.unwrap();
    assert_eq!(taken.leases.len(), 1);
    assert_eq!(taken.leases[0].letter, letter("a"));
    // A letter that cannot be sent can be discarded.
    assert_eq!(letters.take_damaged("b".to_owned(), 1000).await, Ok(None));
    let lease = letters
        .take_damaged("c".to_owned(), 1000)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(lease.letter.envelope, letter("c").envelope);
    assert_eq!(
        letters.take_damaged("c".to_owned(), 1000).await,
        Ok(None),
        "it is leased"
    );
    assert_eq!(
        letters.settle("c".to_owned(), lease.receipt).await,
        Ok(true)
    );
    assert_eq!(letters.get("c".to_owned()).await, Ok(None));
    let rows = house
        .client
        .query_one("SELECT count(*) FROM twin.damage", &[])
        .await
        .unwrap();
    assert_eq!(rows.get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_was_repaired_by_hand_is_taken_again() {
    let Some(house) = House::build().await else {
        return;
    };
    let letters = &house.stores.dead_letters;
    letters.push(letter("a")).await.unwrap();
    house
        .damage("UPDATE twin.dead_letters SET peer = 'reader'")
        .await;
    assert!(
        letters
            .take(any_letter(), None, 1, 1000)
            .await
            .unwrap()
            .leases
            .is_empty()
    );
    house
        .damage("UPDATE twin.dead_letters SET peer = 'writer'")
        .await;
    let taken = letters.take(any_letter(), None, 1, 1000).await.unwrap();
    assert_eq!(taken.leases.len(), 1);
}
