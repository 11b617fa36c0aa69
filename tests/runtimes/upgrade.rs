//! Data that an earlier version of an adapter left behind.

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
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = [
        ("TWIN_NAME", "test-twin"),
        ("TWIN_CLOUD", "aws"),
        ("INTER_CLOUD_TOKEN", "the-key"),
    ];
    let settings: Variables = settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let runtime = Spin::stand_in();
    let mut twin = Twin::new(&runtime, settings);
    let database = Connection::open(twin.folder().join("sqlite_db.db")).unwrap();
    database.execute_batch(LETTERS_WITHOUT_A_TURN).unwrap();
    drop(database);
    // Twice: the second start finds what the first has made.
    for _ in 0..2 {
        twin.run(&["connector".to_owned()]);
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
        let ids: Vec<_> = letters
            .iter()
            .map(|letter| letter["letter_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["c", "a", "b"]);
    }
}
