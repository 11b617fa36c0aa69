//! The data folder of a running host, and `twin data`.

use std::{fs, path::Path};

use reqwest::Method;
use rusqlite::Connection;
use tempfile::tempdir;
use twin_contract::Cloud::{Aws, Gcp};

use crate::{
    crossing::reading,
    house::Host,
    peer::{FakePeer, error},
    process::{Told, run, twin},
    replies::Reply,
};

fn envelope(device: &str, size: usize) -> String {
    let filler = "x".repeat(size);
    format!(
        r#"{{"source_cloud":"azure","target_layer":"L3","message_type":"telemetry","timestamp":"2026-01-01T00:00:00Z","payload":{{"device_id":"{device}","x":"{filler}"}}}}"#
    )
}

async fn ready(host: &Host) -> u16 {
    host.send(Method::GET, "/readyz", &[], "")
        .await
        .unwrap()
        .status
}

fn assert_unavailable(reply: &Reply, code: &str) {
    reply.assert_status(503);
    assert_eq!(reply.error_code(), code);
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
}

fn data(arguments: &[&str]) -> Told {
    run(&mut twin(["data"].iter().chain(arguments)))
}

#[tokio::test]
async fn what_goes_into_files_that_are_gone_is_not_acknowledged() {
    let host = Host::of(Gcp, "writer,reader").start().await;
    host.post("/write", &envelope("d", 1))
        .await
        .assert_status(200);
    for file in ["twin.db", "twin.db-wal", "twin.db-shm"] {
        fs::remove_file(host.data().join(file)).unwrap();
    }
    for _ in 0..3 {
        let reply = host.post("/write", &envelope("e", 1)).await;
        assert_unavailable(&reply, "STORE_UNAVAILABLE");
        assert_unavailable(&host.get("/read?device_id=d").await, "STORE_UNAVAILABLE");
        assert_eq!(ready(&host).await, 503);
    }
    assert!(
        !host.data().join("twin.db").exists(),
        "no empty twin in its place"
    );
}

#[tokio::test]
async fn a_limit_on_the_size_of_files_is_a_failed_write() {
    let mut host = Host::of(Gcp, "writer,reader").set("RUST_LOG", "error");
    // In units of 512 bytes: enough for the reserve, but less than the log may need.
    host.start_under("ulimit -f 20000").await;
    let (mut tried, mut stored, mut refused) = (0, Vec::new(), 0);
    // The log and then the database reach the limit; a batch that fails may free some of the log's room.
    while refused < 5 {
        let reply = host
            .post("/write", &envelope(&format!("d{tried}"), 200_000))
            .await;
        match reply.status {
            200 => (stored, refused) = ([stored, vec![tried]].concat(), 0),
            _ => {
                assert_unavailable(&reply, "STORE_UNAVAILABLE");
                refused += 1;
            }
        }
        tried += 1;
        assert!(tried < 200, "two files of 10 MB have no room for so many");
    }
    assert!(stored.len() > 10, "{stored:?}");
    assert_eq!(ready(&host).await, 503);
    host.get("/read?device_id=d0").await.assert_status(200);
    host.kill();
    // Everything that was acknowledged is stored.
    host.restart().await;
    for number in stored {
        let found = host.items(&format!("/read?device_id=d{number}")).await;
        assert_eq!(found.len(), 1, "d{number}");
    }
}

#[tokio::test]
async fn at_its_limit_a_host_stores_no_more_and_says_so() {
    let limit = 33_554_432;
    let host = Host::of(Gcp, "writer,reader").set("TWIN_DATA_MAX_BYTES", &limit.to_string());
    let host = host.start().await;
    let mut stored = 0;
    let refused = loop {
        let reply = host
            .post("/write", &envelope(&format!("d{stored}"), 200_000))
            .await;
        if reply.status != 200 {
            break reply;
        }
        stored += 1;
        assert!(stored < 200);
    };
    assert_unavailable(&refused, "STORE_FULL");
    assert!(stored > 120, "{stored}");
    assert_eq!(ready(&host).await, 503);
    assert_eq!(
        host.items("/read?device_id=d0").await.len(),
        1,
        "nothing is deleted"
    );
}

/// Starts a host that must not start, and returns its message.
#[track_caller]
fn refusal(host: &Host) -> String {
    let told = run(&mut host.command(["serve"]));
    assert_eq!(told.code, Some(2), "{told:?}");
    assert_eq!(told.stderr.lines().count(), 1, "{}", told.stderr);
    told.stderr
}

#[tokio::test]
async fn a_database_that_is_gone_stops_the_start_and_a_backup_brings_it_back() {
    let mut host = Host::of(Gcp, "writer,reader").start().await;
    host.post("/write", &envelope("d", 1))
        .await
        .assert_status(200);
    let place = tempdir().unwrap();
    let backup = place.path().join("backup.db");
    let (folder, file) = (
        host.data().to_str().unwrap().to_owned(),
        backup.to_str().unwrap(),
    );
    // While the host is running.
    let told = data(&["backup", "--data", &folder, "--to", file]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(
        told.stdout.contains("records: 1 intact, 0 damaged"),
        "{told:?}"
    );
    let told = data(&["backup", "--data", &folder, "--to", file]);
    assert_eq!(told.code, Some(2), "a file is never overwritten: {told:?}");
    assert!(told.stderr.contains(file), "{told:?}");
    let told = data(&["restore", "--from", file, "--data", &folder]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("--overwrite"), "{told:?}");
    let told = data(&["restore", "--from", file, "--data", &folder, "--overwrite"]);
    assert_eq!(told.code, Some(2), "a host runs: {told:?}");
    assert!(told.stderr.contains("stop it"), "{told:?}");
    host.get("/read?device_id=d").await.assert_status(200);
    host.kill();

    fs::write(host.data().join("twin.db"), "").unwrap();
    let line = refusal(&host);
    assert!(
        line.contains("twin.id") && line.contains("twin data restore"),
        "{line}"
    );
    let told = data(&["restore", "--from", file, "--data", &folder, "--overwrite"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("replaced-0"), "{told:?}");

    host.restart().await;
    assert_eq!(host.items("/read?device_id=d").await.len(), 1);
}

#[tokio::test]
async fn a_backup_becomes_a_data_folder_where_there_was_none() {
    let host = Host::of(Gcp, "writer,reader").start().await;
    host.post("/write", &envelope("d", 1))
        .await
        .assert_status(200);
    let place = tempdir().unwrap();
    let (backup, folder) = (place.path().join("backup.db"), place.path().join("new"));
    let (file, new) = (backup.to_str().unwrap(), folder.to_str().unwrap());
    let told = data(&[
        "backup",
        "--data",
        host.data().to_str().unwrap(),
        "--to",
        file,
    ]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let told = data(&["restore", "--from", file, "--data", new]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let other = host.beside().set("TWIN_DATA_DIR", new).start().await;
    assert_eq!(other.items("/read?device_id=d").await.len(), 1);
}

#[tokio::test]
async fn damage_is_found_reported_and_not_restored() {
    let mut host = Host::of(Aws, "writer,reader,error-reporter").start().await;
    for device in ["d", "e"] {
        host.post("/write", &envelope(device, 1))
            .await
            .assert_status(200);
    }
    host.kill();
    damage(host.data());
    let folder = host.data().to_str().unwrap().to_owned();
    let told = data(&["check", "--data", &folder]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(
        told.stdout.contains("records: 1 intact, 1 damaged"),
        "{told:?}"
    );
    let place = tempdir().unwrap();
    let backup = place.path().join("backup.db");
    let told = data(&[
        "backup",
        "--data",
        &folder,
        "--to",
        backup.to_str().unwrap(),
    ]);
    assert_eq!(told.code, Some(1), "the rest is worth a copy: {told:?}");
    let new = place.path().join("new");
    let restore = [
        "restore",
        "--from",
        backup.to_str().unwrap(),
        "--data",
        new.to_str().unwrap(),
    ];
    let told = data(&restore);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(!new.join("twin.db").exists());
    let told = data(&[&restore[..], &["--accept-damaged"]].concat());
    assert_eq!(told.code, Some(0), "{told:?}");

    host.restart().await;
    assert_eq!(host.items("/read?device_id=d").await.len(), 0);
    assert_eq!(host.items("/read?device_id=e").await.len(), 1);
    let reported = crate::process::eventually("the damage is reported", async || {
        let codes = host.texts("/errors", "error_code").await;
        codes
            .contains(&"RECORD_DAMAGED".to_owned())
            .then_some(codes)
    });
    assert_eq!(reported.await, ["RECORD_DAMAGED"]);
}

#[tokio::test]
async fn a_damaged_letter_is_discarded_and_reported() {
    let refusing = FakePeer::start(|_| error(400));
    let host = Host::of(Aws, "connector,error-reporter")
        .set("REMOTE_INGESTION_URL", &refusing.url())
        .start()
        .await;
    for number in 0..2 {
        let kept = host.post("/telemetry", &reading(number)).await;
        kept.assert_status(202);
    }
    let letters = host.texts("/dead-letters", "letter_id").await;
    let database = Connection::open(host.data().join("twin.db")).unwrap();
    let damage = "UPDATE dead_letters SET envelope = CAST('{}' AS BLOB)";
    assert_eq!(database.execute(damage, []).unwrap(), 2);
    drop(database);
    assert!(host.items("/dead-letters").await.is_empty());

    let path = format!("/dead-letters/{}?reason=the+disk", letters[0]);
    let (name, key) = host.credential();
    let told = host.send(Method::DELETE, &path, &[(name, &key)], "").await;
    told.unwrap().assert_status(200);
    let mut command = host.command(["dead-letters", "discard", &letters[1]]);
    command.args(["--reason", "the disk", "--cloud", "aws", "--data"]);
    let told = run(command.arg(host.data()));
    assert_eq!(told.code, Some(0), "{told:?}");

    let messages = crate::process::eventually("both are reported", async || {
        let messages = host.texts("/errors", "message").await;
        let discarded = messages
            .into_iter()
            .filter(|message| message.contains(" discarded damaged dead letter "));
        let discarded: Vec<_> = discarded.collect();
        (discarded.len() == 2).then_some(discarded)
    })
    .await;
    for letter in &letters {
        assert!(
            messages
                .iter()
                .any(|message| message.contains(letter.as_str())),
            "{messages:?}"
        );
    }
    let metrics = host.get("/metrics").await.text;
    assert!(
        metrics.contains(r#"twin_dead_letters{cloud="aws"} 0"#),
        "{metrics}"
    );
}

/// Changes a byte of the record of the device `d`.
fn damage(folder: &Path) {
    let database = Connection::open(folder.join("twin.db")).unwrap();
    let damage = "UPDATE records SET body = CAST(replace(body, 'telemetry', 'telemetrY') AS BLOB)
        WHERE device_id = 'd'";
    assert_eq!(database.execute(damage, []).unwrap(), 1);
}

#[tokio::test]
async fn an_old_file_shrinks_when_it_is_rewritten() {
    let mut host = Host::of(Gcp, "writer").start().await;
    for number in 0..40 {
        host.post("/write", &envelope(&format!("d{number}"), 200_000))
            .await
            .assert_status(200);
    }
    let folder = host.data().to_str().unwrap().to_owned();
    let told = data(&["compact", "--data", &folder]);
    assert_eq!(told.code, Some(2), "a host runs: {told:?}");
    host.kill();
    let database = Connection::open(host.data().join("twin.db")).unwrap();
    // A database as an older version creates it, with most of its records removed.
    database
        .execute_batch("DELETE FROM records WHERE rowid > 1; PRAGMA auto_vacuum = NONE; VACUUM; PRAGMA auto_vacuum")
        .unwrap();
    drop(database);
    let told = data(&["compact", "--data", &folder]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let size = fs::metadata(host.data().join("twin.db")).unwrap().len();
    assert!(size < 1 << 20, "{size}");
    let database = Connection::open(host.data().join("twin.db")).unwrap();
    let mode: i64 = database
        .query_row("PRAGMA auto_vacuum", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, 2, "it gives room back by itself from now on");
    drop(database);
    host.restart().await;
}

#[test]
fn a_folder_without_a_database_is_named() {
    let place = tempdir().unwrap();
    let folder = place.path().to_str().unwrap();
    for arguments in [
        &["check", "--data", folder][..],
        &["backup", "--data", folder, "--to", "/dev/null/x"],
        &["compact", "--data", folder],
    ] {
        let told = data(arguments);
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(
            told.stderr.starts_with("twin: ") && told.stderr.contains(folder),
            "{told:?}"
        );
        assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
    }
}

#[test]
fn a_folder_that_another_process_has_locked_stops_the_start() {
    let host = Host::of(Aws, "writer");
    let lock = fs::File::open(host.data()).unwrap();
    lock.lock().unwrap();
    let line = refusal(&host);
    assert!(
        line.contains("TWIN_DATA_DIR") && line.contains("flock"),
        "{line}"
    );
}
