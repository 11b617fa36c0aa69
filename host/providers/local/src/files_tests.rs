//! Tests: which files a connection has open, and what a reader remembers about a failing disk.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tempfile::tempdir;
use twin_capabilities::{provider::system_clock, types::Failure};

use super::{
    LocalError, LocalSettings,
    database::{Access, Database},
    readers::Readers,
    session::Session,
    writer::Writer,
};

fn database(folder: &Path) -> Database {
    Database::new(folder, "twin", LocalSettings::default(), system_clock()).unwrap()
}

/// Replaces the database with a copy: the same content in another file.
fn replace(folder: &Path) {
    let (file, copy) = (folder.join("twin.db"), folder.join("copy"));
    fs::copy(&file, &copy).unwrap();
    fs::rename(copy, file).unwrap();
}

fn remove(folder: &Path) {
    fs::remove_file(folder.join("twin.db")).unwrap();
}

#[test]
fn a_database_that_is_replaced_while_it_is_opened_is_not_used() {
    for access in [Access::Read, Access::Write] {
        for accident in [replace, remove] {
            let folder = tempdir().unwrap();
            let database = database(folder.path());
            let _writer = database.connect(Access::Write).unwrap();
            *database.accident.lock().unwrap() = Some(accident);
            let opened = database.connect(access).err().expect("not used");
            // SQLite itself notices a file that was removed.
            let gone = !database.path().exists();
            assert!(
                gone || matches!(opened, LocalError::DatabaseReplaced { .. }),
                "{opened:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_read_that_the_disk_fails_makes_the_store_unhealthy_for_a_minute() {
    let folder = tempdir().unwrap();
    let database = database(folder.path());
    let _writer = Writer::start(&database).unwrap();
    let readers = Readers::start(&database).unwrap();
    let fails = |code| {
        move |_: &Session<'_>| -> rusqlite::Result<()> {
            Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(code),
                None,
            ))
        }
    };
    // These codes say nothing about the disk.
    for code in [rusqlite::ffi::SQLITE_BUSY, rusqlite::ffi::SQLITE_ERROR] {
        readers.run(fails(code)).await.unwrap_err();
        assert_eq!(readers.healthy(Instant::now()), Ok(()));
    }

    readers
        .run(fails(rusqlite::ffi::SQLITE_IOERR_READ))
        .await
        .unwrap_err();

    // Another record can still be read.
    readers.run(|_| Ok(())).await.unwrap();
    let now = Instant::now();
    let health = readers.healthy(now);
    assert!(matches!(health, Err(Failure::Unavailable(_))), "{health:?}");
    assert_eq!(readers.healthy(now + Duration::from_secs(61)), Ok(()));
}
