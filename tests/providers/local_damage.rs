//! How a data folder handles bytes that have changed: it serves the rest, and reports the damage.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use rusqlite::Connection;
use tempfile::tempdir;
use twin_capabilities::{
    error_topic::{Severity, SystemError},
    records::{Order, Outcome},
    testing::samples::{PutAll as _, TELEMETRY, any_letter, entry, everything, letter, only},
    types::Failure,
};
use twin_contract::Cloud;
use twin_host::providers::{
    Stores,
    local::{Local, LocalSettings},
    system_clock,
};

fn open(folder: &Path) -> Stores {
    let settings = LocalSettings {
        cloud: Some(Cloud::Gcp),
        ..LocalSettings::default()
    };
    let local = Local::open_with(folder, "factory-01", settings, system_clock());
    local.unwrap().stores()
}

/// Changes rows as a disk might: no file is replaced, and locks are ignored.
fn change(folder: &Path, sql: &str) {
    let database = Connection::open(folder.join("twin.db")).unwrap();
    assert_eq!(database.execute(sql, []).unwrap(), 1, "{sql}");
}

async fn events(stores: &Stores) -> Vec<SystemError> {
    let pending = stores
        .outbox
        .as_ref()
        .unwrap()
        .pending(100, Duration::ZERO)
        .await
        .unwrap();
    pending.into_iter().map(|event| event.error).collect()
}

#[tokio::test]
async fn a_damaged_record_is_reported_once_and_the_rest_is_served() {
    for sql in [
        "UPDATE records SET body = CAST('bodY' AS BLOB) WHERE id = 'b'",
        "UPDATE records SET body = CAST('bod' AS BLOB) WHERE id = 'b'",
        "UPDATE records SET time_us = 7 WHERE id = 'b'",
        "UPDATE records SET id = 'x' WHERE id = 'b'",
        "UPDATE records SET id = CAST(X'62FF' AS TEXT) WHERE id = 'b'",
        "UPDATE records SET seal = X'00' WHERE id = 'b'",
    ] {
        let folder = tempdir().unwrap();
        let stores = open(folder.path());
        let entries = ["a", "b", "c"].into_iter().enumerate();
        let entries = entries
            .map(|(time, id)| entry(time as i64, id, "body"))
            .collect();
        stores
            .records
            .put_all(TELEMETRY.to_owned(), entries)
            .await
            .unwrap();
        change(folder.path(), sql);

        for order in [Order::OldestFirst, Order::NewestFirst, Order::OldestFirst] {
            let page = stores
                .records
                .query(TELEMETRY.to_owned(), everything(order))
                .await
                .unwrap();
            let mut ids: Vec<_> = page.entries.iter().map(|entry| entry.id.as_str()).collect();
            ids.sort_unstable();
            assert_eq!((ids, page.more), (vec!["a", "c"], false), "{sql}");
        }

        let events = events(&stores).await;
        assert_eq!(events.len(), 1, "{sql}: {events:?}");
        let event = &events[0];
        assert_eq!(event.error_code, "RECORD_DAMAGED");
        assert_eq!(
            (event.severity, event.cloud_provider.as_str()),
            (Severity::Critical, "gcp")
        );
        assert_eq!(
            (event.twin_id.as_str(), event.component.as_str()),
            ("factory-01", "L3-Reader")
        );
        assert!(event.message.contains("device-1"), "{}", event.message);
        assert!(
            event
                .raw_data
                .as_deref()
                .is_some_and(|raw| raw.starts_with("bod"))
        );
        assert_eq!(
            stores.health.check().await,
            Ok(()),
            "a row is not the store"
        );
    }
}

#[tokio::test]
async fn a_message_that_is_sent_again_repairs_its_record() {
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    let put = async |body: &str| {
        let entries = vec![entry(1, "a", body)];
        let put = stores.records.put_all(TELEMETRY.to_owned(), entries).await;
        put.unwrap().remove(0)
    };
    let served = async || {
        let everything = everything(Order::OldestFirst);
        let page = stores.records.query(TELEMETRY.to_owned(), everything).await;
        let entries = page.unwrap().entries.into_iter();
        entries.map(|entry| entry.body).collect::<Vec<_>>()
    };
    let Outcome::Stored(at) = put("body").await else {
        panic!("it is new");
    };
    for reported in [1, 2] {
        let damage = "UPDATE records SET body = CAST('x' AS BLOB), time_us = 9 WHERE id = 'a'";
        change(folder.path(), damage);
        assert_eq!(served().await, Vec::<Vec<u8>>::new());
        assert_eq!(
            put("other").await,
            Outcome::Conflict,
            "not with other bytes"
        );
        assert_eq!(served().await, Vec::<Vec<u8>>::new());

        assert_eq!(put("body").await, Outcome::Duplicate(at));

        assert_eq!(served().await, [b"body"]);
        assert_eq!(events(&stores).await.len(), reported);
    }
}

#[tokio::test]
async fn a_page_of_damaged_records_is_no_end() {
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    for number in 0..20 {
        let entries = vec![entry(number, &format!("{number:02}"), "body")];
        stores
            .records
            .put_all(TELEMETRY.to_owned(), entries)
            .await
            .unwrap();
        if number < 15 {
            change(
                folder.path(),
                &format!("UPDATE records SET body = CAST('x' AS BLOB) WHERE id = '{number:02}'"),
            );
        }
    }
    let mut selection = everything(Order::OldestFirst);
    selection.limit = 3;
    let page = stores
        .records
        .query(TELEMETRY.to_owned(), selection)
        .await
        .unwrap();
    let ids: Vec<_> = page.entries.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!((ids, page.more), (vec!["15", "16", "17"], true));
    assert_eq!(events(&stores).await.len(), 15, "all damage is reported");
}

#[tokio::test]
async fn a_damaged_letter_is_reported_once_and_neither_shown_nor_sent() {
    for sql in [
        "UPDATE dead_letters SET envelope = CAST('{}' AS BLOB) WHERE letter_id = 'b'",
        "UPDATE dead_letters SET id = 'another' WHERE letter_id = 'b'",
        "UPDATE dead_letters SET peer = 'ingestion' WHERE letter_id = 'b'",
        "UPDATE dead_letters SET attempts = '[' WHERE letter_id = 'b'",
    ] {
        let folder = tempdir().unwrap();
        let stores = open(folder.path());
        for id in ["a", "b", "c"] {
            stores.dead_letters.push(letter(id)).await.unwrap();
        }
        change(folder.path(), sql);

        let list = stores.dead_letters.list(None, 10).await.unwrap();
        let ids: Vec<_> = list
            .letters
            .iter()
            .map(|stored| stored.letter.letter_id.as_str())
            .collect();
        assert_eq!(ids, ["a", "c"], "{sql}");
        let shown = stores.dead_letters.get("b".to_owned()).await;
        assert!(matches!(shown, Err(Failure::Other(_))), "{shown:?}");
        let taken = stores
            .dead_letters
            .take(any_letter(), None, 10, 60_000)
            .await
            .unwrap();
        let taken = taken.leases;
        assert_eq!(taken.len(), 2, "{sql}");
        assert!(taken.iter().all(|lease| lease.letter.letter_id != "b"));
        let preview = stores.dead_letters.preview(any_letter(), None, 10).await;
        assert_eq!(preview.unwrap().letters, [], "{sql}");

        let events = events(&stores).await;
        assert_eq!(events.len(), 1, "{sql}: {events:?}");
        assert_eq!(events[0].error_code, "LETTER_DAMAGED");
        assert_eq!(events[0].severity, Severity::Critical);
    }
}

const DAMAGE_TO_B: [&str; 3] = [
    "UPDATE dead_letters SET envelope = CAST('{}' AS BLOB) WHERE letter_id = 'b'",
    "UPDATE dead_letters SET peer = CAST(X'62FF' AS TEXT) WHERE letter_id = 'b'",
    "UPDATE dead_letters SET attempts = '[' WHERE letter_id = 'b'",
];

#[tokio::test]
async fn a_damaged_letter_that_comes_again_is_whole_again() {
    for sql in DAMAGE_TO_B {
        for noticed in [true, false] {
            let folder = tempdir().unwrap();
            let stores = open(folder.path());
            for id in ["a", "b"] {
                stores.dead_letters.push(letter(id)).await.unwrap();
            }
            change(folder.path(), sql);
            if noticed {
                stores.dead_letters.list(None, 10).await.unwrap();
            }
            // The sender is told that the letter is stored.
            stores.dead_letters.push(letter("b")).await.unwrap();
            let shown = stores.dead_letters.get("b".to_owned()).await.unwrap();
            assert_eq!(shown.unwrap().letter, letter("b"), "{sql}");
            let taken = stores.dead_letters.take(only("b"), None, 1, 60_000).await;
            assert_eq!(taken.unwrap().leases[0].letter, letter("b"), "{sql}");
            assert_eq!(events(&stores).await.len(), usize::from(noticed));
        }
    }
}

#[tokio::test]
async fn a_damaged_letter_can_be_removed() {
    for sql in DAMAGE_TO_B {
        let folder = tempdir().unwrap();
        let stores = open(folder.path());
        for id in ["a", "b"] {
            stores.dead_letters.push(letter(id)).await.unwrap();
        }
        change(folder.path(), sql);
        let take = || stores.dead_letters.take_damaged("b".to_owned(), 60_000);
        let lease = take().await.unwrap().unwrap();
        assert_eq!(lease.letter.letter_id, "b");
        assert_eq!(lease.letter.id, "message-of-b");
        assert_eq!(take().await, Ok(None), "it is held");
        let receipt = lease.receipt.clone();
        let released = stores.dead_letters.release("b".to_owned(), receipt, None);
        assert_eq!(released.await, Ok(true));
        let lease = take().await.unwrap().unwrap();
        let settled = stores.dead_letters.settle("b".to_owned(), lease.receipt);
        assert_eq!(settled.await, Ok(true));
        assert_eq!(stores.dead_letters.get("b".to_owned()).await, Ok(None));
        let numbers = stores.statistics.numbers().await.unwrap();
        assert_eq!(numbers.dead_letters, Some(1));
        let database = Connection::open(folder.path().join("twin.db")).unwrap();
        let noted: u32 = database
            .query_row("SELECT count(*) FROM damage", [], |row| row.get(0))
            .unwrap();
        assert_eq!(noted, 0);
    }
}

#[tokio::test]
async fn a_letter_that_is_found_whole_is_taken_again() {
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    stores.dead_letters.push(letter("b")).await.unwrap();
    change(folder.path(), "UPDATE dead_letters SET id = 'x'");
    assert_eq!(
        stores.dead_letters.list(None, 10).await.unwrap().letters,
        []
    );
    assert_eq!(events(&stores).await.len(), 1);
    change(folder.path(), "UPDATE dead_letters SET id = 'message-of-b'");
    let taken = stores.dead_letters.take(any_letter(), None, 10, 60_000);
    assert_eq!(taken.await.unwrap().leases.len(), 1);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_not_healthy() {
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    for number in 0..100 {
        let entries = vec![entry(number, &format!("{number}"), vec![b'x'; 4000])];
        stores
            .records
            .put_all(TELEMETRY.to_owned(), entries)
            .await
            .unwrap();
    }
    assert_eq!(stores.health.check().await, Ok(()));
    // Moves everything to the database file.
    let database = Connection::open(folder.path().join("twin.db")).unwrap();
    database
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    // Only the pages in the middle of the file are lost, so SQLite can still open it.
    let path = folder.path().join("twin.db");
    let size = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let from = size / 4 / 4096 * 4096;
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&vec![0xA5; usize::try_from(size / 2).unwrap()])
        .unwrap();

    let read = stores
        .records
        .query(TELEMETRY.to_owned(), everything(Order::OldestFirst))
        .await;
    assert!(read.is_err());
    let check = stores.health.check().await;
    assert!(
        matches!(check, Err(Failure::Unavailable(_) | Failure::Other(_))),
        "{check:?}"
    );
    // Closing a file releases all locks that this process holds on it, so this one is closed last.
    drop(stores);
    drop(file);
}
