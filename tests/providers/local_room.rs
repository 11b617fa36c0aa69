//! How a data folder handles lack of room: its log, its limit, its age, and a full disk.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tempfile::tempdir;
use twin_capabilities::{
    error_topic::Severity,
    records::{Order, Outcome},
    testing::samples::{
        PutAll as _, TELEMETRY, any_letter, entry, everything, letter, system_error,
    },
    types::Failure,
};
use twin_contract::Cloud;
use twin_host::providers::{
    Stores,
    local::{Expired, Local, LocalSettings},
    system_clock,
};

const MIB: u64 = 1 << 20;
const DAY: Duration = Duration::from_secs(86_400);

/// How long anything may take. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

async fn put(stores: &Stores, id: usize, size: usize) -> Result<Vec<Outcome>, Failure> {
    let entries = vec![entry(1, &format!("{id}"), vec![b'x'; size])];
    stores.records.put_all(TELEMETRY.to_owned(), entries).await
}

fn size(folder: &Path, file: &str) -> u64 {
    fs::metadata(folder.join(file)).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn a_log_that_a_reader_kept_growing_shrinks_when_it_is_gone() {
    let folder = tempdir().unwrap();
    let stores = Local::open(folder.path(), "factory-01").unwrap().stores();
    put(&stores, 0, 1).await.unwrap();
    let reader = Connection::open(folder.path().join("twin.db")).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM records")
        .unwrap();
    for number in 1..=100 {
        put(&stores, number, 256 * 1024).await.unwrap();
    }
    assert!(size(folder.path(), "twin.db-wal") > 20 * MIB);

    reader.execute_batch("COMMIT").unwrap();

    let begun = Instant::now();
    while size(folder.path(), "twin.db-wal") > 16 * MIB {
        assert!(begun.elapsed() < PATIENCE, "the log does not shrink");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn at_its_limit_a_store_takes_no_more_and_deletes_nothing() {
    let folder = tempdir().unwrap();
    let open = |max_bytes| {
        let settings = LocalSettings {
            max_bytes: Some(max_bytes),
            ..LocalSettings::default()
        };
        Local::open_with(folder.path(), "factory-01", settings, system_clock())
            .unwrap()
            .stores()
    };
    let stores = open(8 * MIB);
    stores.dead_letters.push(letter("a")).await.unwrap();
    let mut stored = 0;
    while put(&stores, stored, 256 * 1024).await.is_ok() {
        stored += 1;
        assert!(stored < 40, "8 MiB have room for no more than 32 of these");
    }
    assert!(stored > 20, "{stored}");

    assert_eq!(put(&stores, 1000, 1).await, Err(Failure::Full));
    assert_eq!(
        stores.dead_letters.push(letter("b")).await,
        Err(Failure::Full)
    );
    assert_eq!(stores.health.check().await, Err(Failure::Full));
    // Reporting the problem and freeing room still work.
    stores.error_topic.publish(system_error("A")).await.unwrap();
    let taken = stores
        .dead_letters
        .take(any_letter(), None, 1, 60_000)
        .await
        .unwrap();
    let settle = stores
        .dead_letters
        .settle("a".to_owned(), taken.leases[0].receipt.clone());
    assert_eq!(settle.await, Ok(true));
    let mut found = 0;
    let mut selection = everything(Order::OldestFirst);
    loop {
        let page = stores
            .records
            .query(TELEMETRY.to_owned(), selection.clone())
            .await
            .unwrap();
        found += page.entries.len();
        let Some(last) = page.entries.last().filter(|_| page.more) else {
            break;
        };
        selection.after = Some(twin_capabilities::records::Position {
            time: last.time,
            id: last.id.clone(),
        });
    }
    assert_eq!(found, stored);
    drop(stores);

    let stores = open(64 * MIB);
    put(&stores, 1000, 1).await.unwrap();
    assert_eq!(stores.health.check().await, Ok(()));
}

#[tokio::test]
async fn what_is_too_old_goes_and_the_file_shrinks() {
    let folder = tempdir().unwrap();
    let time = Arc::new(AtomicI64::new(1_767_225_600_000_000));
    let turn = |by: Duration| {
        time.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    };
    let settings = LocalSettings {
        cloud: Some(Cloud::Azure),
        record_age: Some(30 * DAY),
        letter_age: Some(10 * DAY),
        ..LocalSettings::default()
    };
    let clock = {
        let time = Arc::clone(&time);
        Arc::new(move || time.load(Ordering::SeqCst))
    };
    let local = Local::open_with(folder.path(), "factory-01", settings, clock).unwrap();
    let stores = local.stores();
    let other = Local::open_with(folder.path(), "factory-02", settings, system_clock())
        .unwrap()
        .stores();
    put(&other, 0, 1).await.unwrap();
    for number in 0..600 {
        put(&stores, number, 20_000).await.unwrap();
    }
    for number in 0..150 {
        stores
            .dead_letters
            .push(letter(&format!("old-{number}")))
            .await
            .unwrap();
    }
    turn(10 * DAY);
    assert_eq!(
        local.expire().await,
        Ok(Expired::default()),
        "not a moment too early"
    );
    stores.dead_letters.push(letter("held")).await.unwrap();
    stores.dead_letters.push(letter("young")).await.unwrap();
    turn(Duration::from_secs(1));
    assert_eq!(
        local.expire().await,
        Ok(Expired {
            records: 0,
            letters: 150
        })
    );
    let events = stores
        .outbox
        .as_ref()
        .unwrap()
        .pending(100, Duration::ZERO)
        .await
        .unwrap();
    let mut named = 0;
    for event in &events {
        let error = &event.error;
        assert_eq!(
            (error.error_code.as_str(), error.severity),
            ("LETTER_EXPIRED", Severity::Critical)
        );
        assert_eq!(
            (error.cloud_provider.as_str(), error.component.as_str()),
            ("azure", "L2-Connector")
        );
        named += error
            .raw_data
            .as_deref()
            .unwrap()
            .matches("\"letter_id\":\"old-")
            .count();
    }
    assert_eq!(named, 150, "each letter is named");
    assert_eq!(
        stores
            .dead_letters
            .list(None, 10)
            .await
            .unwrap()
            .letters
            .len(),
        2
    );

    turn(20 * DAY);
    put(&stores, 1000, 1).await.unwrap();
    let before = size(folder.path(), "twin.db") + size(folder.path(), "twin.db-wal");
    assert_eq!(
        local.expire().await,
        Ok(Expired {
            records: 600,
            letters: 2
        })
    );
    let left = stores
        .records
        .query(TELEMETRY.to_owned(), everything(Order::OldestFirst))
        .await
        .unwrap();
    assert_eq!(left.entries.len(), 1);
    assert!(before > 12 * MIB, "{before}");
    drop((local, stores));
    let theirs = other
        .records
        .query(TELEMETRY.to_owned(), everything(Order::OldestFirst))
        .await
        .unwrap();
    assert_eq!(theirs.entries.len(), 1, "another twin's stay");
    drop(other);
    let now = size(folder.path(), "twin.db");
    assert!(now < 6 * MIB, "{now} of {before} bytes are left");
}

#[tokio::test]
async fn a_letter_under_replay_does_not_expire() {
    let folder = tempdir().unwrap();
    let time = Arc::new(AtomicI64::new(0));
    let settings = LocalSettings {
        letter_age: Some(DAY),
        ..LocalSettings::default()
    };
    let clock = {
        let time = Arc::clone(&time);
        Arc::new(move || time.load(Ordering::SeqCst))
    };
    let local = Local::open_with(folder.path(), "factory-01", settings, clock).unwrap();
    let stores = local.stores();
    stores.dead_letters.push(letter("a")).await.unwrap();
    time.store(
        i64::try_from((2 * DAY).as_micros()).unwrap(),
        Ordering::SeqCst,
    );
    let taken = stores
        .dead_letters
        .take(any_letter(), None, 1, 1_000)
        .await
        .unwrap();
    assert_eq!(local.expire().await, Ok(Expired::default()));
    let receipt = taken.leases[0].receipt.clone();
    assert_eq!(
        stores.dead_letters.settle("a".to_owned(), receipt).await,
        Ok(true)
    );
}
