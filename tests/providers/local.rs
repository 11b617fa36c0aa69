//! What only a data folder guarantees: its data lasts and is shared, and its problems are reported.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, thread, time::Duration};

use futures_util::{future::join_all, poll};
use rusqlite::{Connection, TransactionBehavior};
use tempfile::tempdir;
use twin_capabilities::{
    records::{Order, Outcome},
    testing::samples::{
        PutAll as _, TELEMETRY, any_letter, entry, everything, letter, only, system_error,
    },
    types::Failure,
};
use twin_host::providers::{
    Stores,
    local::{Local, LocalError},
};

const DATABASE: &str = "twin.db";

fn open(folder: &Path) -> Stores {
    Local::open(folder, "factory-01").unwrap().stores()
}

async fn records(stores: &Stores) -> usize {
    let everything = everything(Order::OldestFirst);
    let query = stores.records.query(TELEMETRY.to_owned(), everything);
    query.await.unwrap().entries.len()
}

/// Runs `blocked` while another connection is in the middle of a write, as another process would be.
async fn while_locked<T>(folder: &Path, blocked: impl Future<Output = T>) -> T {
    let mut other = Connection::open(folder.join(DATABASE)).unwrap();
    let _writing = other
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    blocked.await
}

#[tokio::test]
async fn a_reopened_folder_has_all_that_was_acknowledged() {
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    let entries = (0..100)
        .map(|time| entry(time, &format!("at-{time}"), "body"))
        .collect();
    stores
        .records
        .put_all(TELEMETRY.to_owned(), entries)
        .await
        .unwrap();
    stores.dead_letters.push(letter("a")).await.unwrap();
    stores.dead_letters.push(letter("b")).await.unwrap();
    let lease = stores
        .dead_letters
        .take(any_letter(), None, 1, 60_000)
        .await
        .unwrap()
        .leases
        .remove(0);
    stores.error_topic.publish(system_error("A")).await.unwrap();
    let swap = stores
        .circuits
        .compare_and_swap("writer".to_owned(), 0, "open".to_owned());
    swap.await.unwrap();
    let everything = everything(Order::NewestFirst);
    let before = stores
        .records
        .query(TELEMETRY.to_owned(), everything.clone())
        .await;
    drop(stores);

    let stores = open(folder.path());

    assert_eq!(
        stores.records.query(TELEMETRY.to_owned(), everything).await,
        before
    );
    assert_eq!(
        stores
            .dead_letters
            .get("b".to_owned())
            .await
            .unwrap()
            .unwrap()
            .letter,
        letter("b")
    );
    assert!(
        stores
            .dead_letters
            .take(only("a"), None, 1, 1)
            .await
            .unwrap()
            .leases
            .is_empty()
    );
    assert_eq!(
        stores
            .dead_letters
            .settle("a".to_owned(), lease.receipt)
            .await,
        Ok(true)
    );
    let events = stores
        .outbox
        .as_ref()
        .unwrap()
        .pending(10, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(events[0].error, system_error("A"));
    assert_eq!(
        stores
            .circuits
            .load("writer".to_owned())
            .await
            .unwrap()
            .state,
        "open"
    );
}

#[tokio::test]
async fn what_was_begun_is_finished_before_the_folder_closes() {
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    for number in 0..100 {
        let entries = vec![entry(number, &format!("at-{number}"), "body")];
        let mut put = stores.records.put_all(TELEMETRY.to_owned(), entries);
        // Started, but nothing waits for its end.
        let _ = poll!(&mut put);
    }
    drop(stores);

    let log = folder.path().join("twin.db-wal");
    assert!(
        !log.exists(),
        "the last connection has folded the log into the database"
    );
    assert_eq!(records(&open(folder.path())).await, 100);
}

#[test]
fn many_may_open_a_fresh_folder_at_once() {
    let folder = tempdir().unwrap();
    let folder = folder.path().join("not/there/yet");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(&folder));
        }
    });
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = tempdir().unwrap();
    drop(open(folder.path()));
    let database = Connection::open(folder.path().join(DATABASE)).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();

    let refused = Local::open(folder.path(), "factory-01").err().unwrap();

    let newest = match refused {
        LocalError::SchemaTooNew {
            found: 99, known, ..
        } => known,
        other => panic!("{other:?}"),
    };
    database
        .pragma_update(None, "user_version", newest)
        .unwrap();
    open(folder.path());
}

/// The first version, as it was released.
const SCHEMA_1: &str = include_str!("../../host/providers/local/src/schema_1.sql");

#[tokio::test]
async fn a_folder_of_the_first_version_keeps_its_letters_and_their_order() {
    let folder = tempdir().unwrap();
    let database = Connection::open(folder.path().join(DATABASE)).unwrap();
    database.execute_batch(SCHEMA_1).unwrap();
    database.pragma_update(None, "user_version", 1).unwrap();
    for letter_id in ["c", "a", "b"] {
        let pushed = "INSERT INTO dead_letters
            (twin, letter_id, id, peer, envelope, attempts, first_failure_us, last_failure_us, stored_at_us)
            VALUES ('factory-01', ?1, 'm', 'writer', x'7b7d', '[]', 0, 0, 0)";
        database.execute(pushed, [letter_id]).unwrap();
    }
    drop(database);
    let stores = open(folder.path());
    stores.dead_letters.push(letter("new")).await.unwrap();
    for limit in [2, 4] {
        let taken = stores.dead_letters.take(any_letter(), None, limit, 0).await;
        let taken = taken.unwrap().leases.into_iter();
        let ids: Vec<_> = taken.map(|lease| lease.letter.letter_id).collect();
        let expected = ["c", "a", "b", "new", "c", "a"];
        let start = if limit == 2 { 0 } else { 2 };
        assert_eq!(ids, expected[start..start + limit as usize]);
    }
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let refused = Local::open(&file, "factory-01").err().unwrap();
    assert!(matches!(refused, LocalError::FolderUnusable { folder, .. } if folder == file));

    fs::write(
        folder.path().join(DATABASE),
        "not a database, but long enough to be read as one",
    )
    .unwrap();
    let refused = Local::open(folder.path(), "factory-01").err().unwrap();
    assert!(matches!(refused, LocalError::DatabaseUnusable { .. }));
}

#[tokio::test]
async fn a_full_queue_turns_away_at_once_and_keeps_what_it_took() {
    // More than fit in the queue and a batch.
    const PUTS: i64 = 5000;
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    let put = |number| {
        let entries = vec![entry(number, &format!("at-{number}"), "body")];
        stores.records.put_all(TELEMETRY.to_owned(), entries)
    };
    let mut waiting = Vec::new();
    let mut turned_away = 0;
    while_locked(folder.path(), async {
        for number in 0..PUTS {
            let mut put = put(number);
            match poll!(&mut put) {
                std::task::Poll::Ready(Err(Failure::Unavailable(_))) => turned_away += 1,
                std::task::Poll::Ready(other) => panic!("{other:?}"),
                std::task::Poll::Pending => waiting.push(put),
            }
        }
    })
    .await;

    assert!(turned_away > 0);
    for outcomes in join_all(waiting).await {
        assert!(matches!(outcomes.unwrap()[..], [Outcome::Stored(_)]));
    }
    assert!(put(PUTS).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn publishing_does_not_wait_for_long() {
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    let begun = tokio::time::Instant::now();
    let publish = stores.error_topic.publish(system_error("A"));
    let published = while_locked(folder.path(), publish).await;
    assert!(matches!(published, Err(Failure::Unavailable(_))));
    assert!(begun.elapsed() <= Duration::from_millis(501));
}

#[tokio::test]
async fn a_folder_that_was_removed_is_not_healthy() {
    let folder = tempdir().unwrap();
    let stores = open(folder.path());
    assert_eq!(stores.health.check().await, Ok(()));
    fs::remove_file(folder.path().join(DATABASE)).unwrap();
    assert!(matches!(
        stores.health.check().await,
        Err(Failure::Unavailable(_))
    ));
}
