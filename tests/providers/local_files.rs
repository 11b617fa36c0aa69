//! How a data folder handles files that are missing, foreign, replaced or of an older version.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tempfile::tempdir;
use twin_capabilities::{
    records::{Order, Outcome},
    testing::samples::{PutAll as _, TELEMETRY, entry, everything, letter},
    types::Failure,
};
use twin_host::providers::{
    Stores,
    local::{Local, LocalError},
};

const FILES: [&str; 3] = ["twin.db", "twin.db-wal", "twin.db-shm"];

fn open(folder: &Path) -> Stores {
    Local::open(folder, "factory-01").unwrap().stores()
}

fn refusal(folder: &Path) -> LocalError {
    Local::open(folder, "factory-01").expect_err("refused")
}

async fn put(stores: &Stores, id: &str) -> Result<Vec<Outcome>, Failure> {
    let entries = vec![entry(1, id, "body")];
    stores.records.put_all(TELEMETRY.to_owned(), entries).await
}

async fn ids(stores: &Stores) -> Result<Vec<String>, Failure> {
    let everything = everything(Order::OldestFirst);
    let page = stores
        .records
        .query(TELEMETRY.to_owned(), everything)
        .await?;
    Ok(page.entries.into_iter().map(|entry| entry.id).collect())
}

fn unavailable<T: std::fmt::Debug>(result: &Result<T, Failure>) -> bool {
    matches!(result, Err(Failure::Unavailable(_)))
}

#[test]
fn a_folder_that_another_process_has_locked_is_refused_after_five_seconds() {
    let folder = tempdir().unwrap();
    let lock = fs::File::open(folder.path()).unwrap();
    lock.lock().unwrap();
    let begun = Instant::now();
    let refused = refusal(folder.path());
    assert!(
        matches!(refused, LocalError::FolderLocked { .. }),
        "{refused:?}"
    );
    assert!(begun.elapsed() >= Duration::from_secs(5));
    let line = refused.to_string();
    assert!(
        line.contains(folder.path().to_str().unwrap()) && line.contains("flock"),
        "{line}"
    );
    lock.unlock().unwrap();
    open(folder.path());
}

/// An accident to the files of a running host; the second folder is for moving files to.
type Accident = (&'static str, fn(&Path, &Path));

const ACCIDENTS: [Accident; 5] = [
    ("all removed", |folder, _| {
        for file in FILES {
            fs::remove_file(folder.join(file)).unwrap();
        }
    }),
    ("the database removed", |folder, _| {
        fs::remove_file(folder.join("twin.db")).unwrap();
    }),
    ("the database moved", |folder, away| {
        fs::rename(folder.join("twin.db"), away.join("twin.db")).unwrap();
    }),
    ("another file in its place", |folder, away| {
        fs::rename(folder.join("twin.db"), away.join("twin.db")).unwrap();
        fs::write(
            folder.join("twin.db"),
            "not a database, but long enough to be read as one",
        )
        .unwrap();
    }),
    ("another twin's database in its place", |folder, away| {
        drop(open(away));
        fs::rename(away.join("twin.db"), folder.join("twin.db")).unwrap();
    }),
];

#[tokio::test]
async fn what_goes_into_files_that_are_gone_is_not_acknowledged() {
    for (accident, happen) in ACCIDENTS {
        let (folder, away) = (tempdir().unwrap(), tempdir().unwrap());
        let stores = open(folder.path());
        put(&stores, "before").await.unwrap();
        assert_eq!(ids(&stores).await.unwrap(), ["before"]);

        happen(folder.path(), away.path());

        // Neither the first nor the next write is acknowledged: no empty twin takes the old one's place.
        for id in ["a", "b"] {
            let stored = put(&stores, id).await;
            assert!(unavailable(&stored), "{accident}: {stored:?}");
            assert!(
                stores.dead_letters.push(letter(id)).await.is_err(),
                "{accident}"
            );
            assert!(ids(&stores).await.is_err(), "{accident}");
            assert!(stores.health.check().await.is_err(), "{accident}");
        }
        drop(stores);
        if !folder.path().join("twin.db").exists() {
            refusal(folder.path());
        }
    }
}

#[tokio::test]
async fn a_database_that_comes_back_is_used_again() {
    let (folder, away) = (tempdir().unwrap(), tempdir().unwrap());
    let stores = open(folder.path());
    put(&stores, "before").await.unwrap();
    let (here, there) = (folder.path().join("twin.db"), away.path().join("twin.db"));
    fs::rename(&here, &there).unwrap();
    assert!(unavailable(&put(&stores, "lost").await));
    assert!(stores.health.check().await.is_err());

    fs::rename(&there, &here).unwrap();

    assert_eq!(stores.health.check().await, Ok(()));
    put(&stores, "after").await.unwrap();
    let found = ids(&stores).await.unwrap();
    assert!(found.contains(&"before".to_owned()) && found.contains(&"after".to_owned()));
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_with_a_log_or_its_index() {
    for file in ["twin.db-wal", "twin.db-shm"] {
        let folder = tempdir().unwrap();
        let stores = open(folder.path());
        let mut acknowledged = Vec::new();
        for round in 0..4 {
            for number in 0..10 {
                let id = format!("{round}-{number}");
                if put(&stores, &id).await.is_ok() {
                    acknowledged.push(id);
                }
            }
            fs::remove_file(folder.path().join(file)).unwrap();
            // It must not matter which connection notices first.
            if round % 2 == 0 {
                let _ = ids(&stores).await;
            }
        }
        let _ = put(&stores, "z").await;
        acknowledged.sort_unstable();
        assert!(acknowledged.len() >= 30, "{file}: {acknowledged:?}");
        for stores in [stores, open(folder.path())] {
            let found = ids(&stores).await.unwrap();
            for id in &acknowledged {
                assert!(found.contains(id), "{file}: {id} is lost");
            }
        }
    }
}

#[test]
fn an_empty_twin_takes_no_place_of_one_that_was() {
    let remove = |folder: &Path| fs::remove_file(folder.join("twin.db")).unwrap();
    let cut = |folder: &Path| fs::write(folder.join("twin.db"), "").unwrap();
    for lose in [remove, cut] {
        let folder = tempdir().unwrap();
        drop(open(folder.path()));
        lose(folder.path());
        let refused = refusal(folder.path());
        let line = refused.to_string();
        assert!(
            matches!(refused, LocalError::DatabaseGone { .. }),
            "{refused:?}"
        );
        assert!(
            line.contains("twin.id") && line.contains("twin data restore"),
            "{line}"
        );

        // As the message advises.
        fs::remove_file(folder.path().join("twin.id")).unwrap();
        open(folder.path());
    }
}

#[test]
fn a_log_without_its_database_is_no_empty_twin() {
    for empty in [false, true] {
        let folder = tempdir().unwrap();
        if empty {
            fs::write(folder.path().join("twin.db"), "").unwrap();
        }
        fs::write(folder.path().join("twin.db-wal"), "what was acknowledged").unwrap();
        let refused = refusal(folder.path());
        assert!(
            matches!(refused, LocalError::DatabaseGone { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("twin.db-wal"));
        assert!(folder.path().join("twin.db-wal").exists());
    }
}

#[tokio::test]
async fn the_database_of_another_folder_is_refused_and_left_as_it_is() {
    let (one, other) = (tempdir().unwrap(), tempdir().unwrap());
    drop(open(one.path()));
    let stores = open(other.path());
    put(&stores, "theirs").await.unwrap();
    drop(stores);
    fs::copy(other.path().join("twin.db"), one.path().join("twin.db")).unwrap();

    let refused = refusal(one.path());

    assert!(
        matches!(refused, LocalError::DatabaseForeign { .. }),
        "{refused:?}"
    );
    fs::remove_file(one.path().join("twin.id")).unwrap();
    assert_eq!(ids(&open(one.path())).await.unwrap(), ["theirs"]);
    refusal_ends(one.path());
}

/// Checks that the folder remembers the database that it was given.
fn refusal_ends(folder: &Path) {
    let marker = fs::read_to_string(folder.join("twin.id")).unwrap();
    let database = Connection::open(folder.join("twin.db")).unwrap();
    let id: String = database
        .query_row("SELECT id FROM store", [], |row| row.get(0))
        .unwrap();
    assert_eq!(marker.trim(), id);
}

#[tokio::test]
async fn a_folder_of_schema_1_is_upgraded_with_what_is_in_it() {
    let folder = tempdir().unwrap();
    {
        let database = Connection::open(folder.path().join("twin.db")).unwrap();
        let schema_1 = include_str!("../../host/providers/local/src/schema_1.sql");
        database.execute_batch(schema_1).unwrap();
        database.execute_batch("
            PRAGMA user_version = 1;
            INSERT INTO records (twin, collection, device_id, id, time_us, message_type, digest, body, stored_at_us)
                VALUES ('factory-01', 'telemetry', 'device-1', 'old', 1, 'telemetry', '4-Some(98)', 'body', 5);
            INSERT INTO dead_letters (twin, letter_id, id, peer, envelope, attempts, first_failure_us, last_failure_us, stored_at_us)
                VALUES ('factory-01', 'a', 'm', 'writer', '{}', '[]', 1, 2, 3);
            INSERT INTO error_events (twin, event_id, twin_id, cloud_provider, severity, component, error_code, message, timestamp)
                VALUES ('factory-01', 'e', 'factory-01', 'aws', 'INFO', 'L1-Connector', 'X', 'm', 't');
            INSERT INTO circuits VALUES ('factory-01', 'peer/writer', 7, 'open');
            INSERT INTO health VALUES ('factory-01', 1);
        ".replace("'body'", "CAST('body' AS BLOB)").replace("'{}'", "CAST('{}' AS BLOB)").as_str()).unwrap();
    }

    for _ in 0..2 {
        let stores = open(folder.path());
        assert_eq!(ids(&stores).await.unwrap(), ["old"]);
        assert!(matches!(
            put(&stores, "old").await.unwrap()[..],
            [Outcome::Duplicate(5)]
        ));
        let letter = stores
            .dead_letters
            .get("a".to_owned())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (letter.stored_at, letter.letter.envelope.as_slice()),
            (3, &b"{}"[..])
        );
        assert_eq!(
            stores
                .circuits
                .load("peer/writer".to_owned())
                .await
                .unwrap()
                .version,
            7
        );
        let events = stores
            .outbox
            .as_ref()
            .unwrap()
            .pending(10, Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(stores.health.check().await, Ok(()));
    }
    // From now on, this database must not disappear.
    fs::remove_file(folder.path().join("twin.db")).unwrap();
    refusal(folder.path());
}
