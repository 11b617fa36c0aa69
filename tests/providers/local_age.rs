//! What a data folder removes because of its age, beside rows that must stay.

use std::{
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
    records::Order,
    testing::samples::{PutAll as _, TELEMETRY, any_letter, entry, everything, letter},
};
use twin_host::providers::local::{Expired, Local, LocalSettings};

const DAY: Duration = Duration::from_secs(86_400);

/// How long anything may take. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// More rows than are examined in one batch.
const RECORDS: usize = 600;
const LETTERS: usize = 120;

/// A clock that a test controls.
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_767_225_600_000_000)))
    }

    fn turn(&self, days: i64) {
        self.0.fetch_add(days * 86_400_000_000, Ordering::SeqCst);
    }

    /// A twin's part of a folder. Its records and letters are removed after ten days.
    fn open(&self, folder: &Path, twin: &str) -> Local {
        let settings = LocalSettings {
            record_age: Some(10 * DAY),
            letter_age: Some(10 * DAY),
            ..LocalSettings::default()
        };
        let time = Arc::clone(&self.0);
        let clock = Arc::new(move || time.load(Ordering::SeqCst));
        Local::open_with(folder, twin, settings, clock).unwrap()
    }
}

async fn store(local: &Local, from: usize, records: usize, letters: usize) {
    let stores = local.stores();
    let entries = (from..from + records).map(|number| entry(1, &format!("{number}"), "body"));
    stores
        .records
        .put_all(TELEMETRY.to_owned(), entries.collect())
        .await
        .unwrap();
    for number in from..from + letters {
        let letter = letter(&format!("{number}"));
        stores.dead_letters.push(letter).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_too_old_goes_from_behind_another_twins_rows() {
    let (folder, hands) = (tempdir().unwrap(), Hands::new());
    let other = hands.open(folder.path(), "factory-02");
    let ours = hands.open(folder.path(), "factory-01");
    store(&other, 0, RECORDS, LETTERS).await;
    store(&ours, 0, 1, 1).await;
    hands.turn(11);
    let (records, letters) = (1, 1);
    assert_eq!(ours.expire().await, Ok(Expired { records, letters }));
    let theirs = other.stores().records;
    let found = theirs.query(TELEMETRY.to_owned(), everything(Order::OldestFirst));
    assert_eq!(found.await.unwrap().entries.len(), RECORDS);
}

#[tokio::test]
async fn what_is_too_old_goes_from_behind_rows_of_the_future() {
    let (folder, hands) = (tempdir().unwrap(), Hands::new());
    let ours = hands.open(folder.path(), "factory-01");
    hands.turn(400);
    store(&ours, 0, RECORDS, LETTERS).await;
    hands.turn(-400);
    store(&ours, RECORDS, 1, 1).await;
    hands.turn(11);
    let (records, letters) = (1, 1);
    assert_eq!(ours.expire().await, Ok(Expired { records, letters }));
}

#[tokio::test]
async fn letters_that_are_too_old_go_from_behind_those_under_replay() {
    let (folder, hands) = (tempdir().unwrap(), Hands::new());
    let ours = hands.open(folder.path(), "factory-01");
    store(&ours, 0, 0, LETTERS).await;
    hands.turn(11);
    let dead_letters = ours.stores().dead_letters;
    let mut taken = 0;
    while taken < LETTERS {
        let some = dead_letters.take(any_letter(), None, 100, 60_000);
        taken += some.await.unwrap().leases.len();
    }
    hands.turn(-11);
    store(&ours, LETTERS, 0, 1).await;
    hands.turn(11);
    let (records, letters) = (0, 1);
    assert_eq!(ours.expire().await, Ok(Expired { records, letters }));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_goes_once_the_clock_has_proved_right() {
    let (folder, hands) = (tempdir().unwrap(), Hands::new());
    let ours = hands.open(folder.path(), "factory-01");
    store(&ours, 0, 1, 0).await;
    // Without waiting, because the paused clock advances while a test waits.
    let left = || -> i64 {
        let database = Connection::open(folder.path().join("twin.db")).unwrap();
        let count = "SELECT count(*) FROM records";
        database.query_row(count, [], |row| row.get(0)).unwrap()
    };

    // The clock jumps after the start: neither the first round nor the following ones trust it.
    let retention = tokio::spawn(ours.retention());
    hands.turn(400);
    tokio::time::sleep(DAY / 2).await;
    assert_eq!(left(), 1);
    retention.abort();

    // The clock was set before the start, and runs correctly.
    let retention = tokio::spawn(ours.retention());
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(left(), 1, "not before it has proved right");
    let begun = Instant::now();
    while left() > 0 {
        assert!(begun.elapsed() < PATIENCE, "nothing is removed");
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    retention.abort();
}
