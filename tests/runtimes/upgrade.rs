//! Existing data in an adapter's database, from an earlier version or from another machine.

use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use crate::{
    process::Twin,
    runtime::{Spin, Variables},
};

/// The table of letters as the Spin adapter made it before letters had a turn.
const LETTERS_WITHOUT_A_TURN: &str = "
    CREATE TABLE dead_letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, twin TEXT NOT NULL, letter_id TEXT NOT NULL,
        id TEXT NOT NULL, peer TEXT NOT NULL, trace_id TEXT, envelope BLOB NOT NULL,
        attempts TEXT NOT NULL, first_failure_us INTEGER NOT NULL,
        last_failure_us INTEGER NOT NULL, stored_at_us INTEGER NOT NULL,
        receipt TEXT, leased_until_us INTEGER) STRICT;
    INSERT INTO dead_letters
        (twin, letter_id, id, peer, envelope, attempts, first_failure_us, last_failure_us, stored_at_us)
    VALUES
        ('test-twin', 'c', 'm1', 'writer', x'7b7d', '[]', 0, 0, 0),
        ('test-twin', 'a', 'm2', 'writer', x'7b7d', '[]', 0, 0, 0),
        ('test-twin', 'b', 'm3', 'writer', x'7b7d', '[]', 0, 0, 0);";

#[tokio::test]
async fn letters_of_an_earlier_spin_adapter_are_there_and_keep_their_order() {
    let runtime = Spin::stand_in();
    let mut twin = Twin::new(&runtime, settings());
    let database = Connection::open(twin.folder().join("sqlite_db.db")).unwrap();
    database.execute_batch(LETTERS_WITHOUT_A_TURN).unwrap();
    drop(database);
    // Twice: the second start finds what the first one created.
    for _ in 0..2 {
        twin.run(&["connector".to_owned()]);
        assert_eq!(free(&twin).await, ["c", "a", "b"]);
    }
}

#[tokio::test]
async fn a_lease_of_a_clock_that_is_a_little_ahead_stands_on_spin() {
    const LEASE: &str = "UPDATE dead_letters
        SET receipt = 'r', leased_at_us = ?2, leased_until_us = ?2 + 3600000000 WHERE letter_id = ?1";
    let runtime = Spin::stand_in();
    let mut twin = Twin::new(&runtime, settings());
    let database = Connection::open(twin.folder().join("sqlite_db.db")).unwrap();
    database.execute_batch(LETTERS_WITHOUT_A_TURN).unwrap();
    twin.run(&["connector".to_owned()]);
    assert_eq!(free(&twin).await, ["c", "a", "b"]);
    let lease = |letter_id: &str, ahead: Duration| {
        let at = SystemTime::UNIX_EPOCH.elapsed().unwrap() + ahead;
        let at = i64::try_from(at.as_micros()).unwrap();
        assert_eq!(database.execute(LEASE, (letter_id, at)).unwrap(), 1);
    };
    // This lease began before the clock was set back.
    lease("c", Duration::from_secs(600));
    lease("a", Duration::from_millis(900));
    assert_eq!(free(&twin).await, ["c", "b"]);
}

fn settings() -> Variables {
    let settings = [
        ("TWIN_NAME", "test-twin"),
        ("TWIN_CLOUD", "aws"),
        ("INTER_CLOUD_TOKEN", "the-key"),
    ];
    settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The letters that a replay would send, in its order.
async fn free(twin: &Twin<'_, Spin>) -> Vec<String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = client
        .post(twin.address("/dead-letters/replay"))
        .header("x-api-key", "the-key")
        .body(r#"{"dry_run":true}"#)
        .send()
        .await
        .unwrap();
    let shown = reply.text().await.unwrap();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let letters = shown["letters"]
        .as_array()
        .unwrap_or_else(|| panic!("{shown}: {}", twin.logs()));
    letters
        .iter()
        .map(|letter| letter["letter_id"].as_str().unwrap().to_owned())
        .collect()
}
