//! Restoring a backup: the existing data is safe, whatever happens, and so is a running host.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

use tempfile::tempdir;
use twin_capabilities::{
    records::Order,
    testing::samples::{PutAll as _, TELEMETRY, entry, everything},
};
use twin_host::providers::{
    Stores,
    local::{
        Local, LocalSettings,
        maintenance::{MaintenanceError, RestoreOptions, backup, restore},
    },
    system_clock,
};

const OVERWRITE: RestoreOptions = RestoreOptions {
    overwrite: true,
    accept_damaged: false,
};

fn open(folder: &Path) -> Stores {
    Local::open(folder, "factory-01").unwrap().stores()
}

async fn put(stores: &Stores, id: &str) {
    let entries = vec![entry(1, id, "body")];
    let put = stores.records.put_all(TELEMETRY.to_owned(), entries);
    put.await.unwrap();
}

async fn ids(folder: &Path) -> Vec<String> {
    let everything = everything(Order::OldestFirst);
    let stores = open(folder);
    let page = stores.records.query(TELEMETRY.to_owned(), everything).await;
    let entries = page.unwrap().entries.into_iter();
    entries.map(|entry| entry.id).collect()
}

/// A folder with a record `new`, and a backup from before that.
async fn folder_and_backup(folder: &Path, file: &Path) {
    let stores = open(folder);
    put(&stores, "old").await;
    let _ = backup(folder, file).unwrap();
    put(&stores, "new").await;
}

#[tokio::test]
async fn a_restore_that_cannot_copy_leaves_what_was_there() {
    let (folder, place) = (tempdir().unwrap(), tempdir().unwrap());
    let file = place.path().join("backup.db");
    folder_and_backup(folder.path(), &file).await;
    // A folder with the name of the copy's file.
    let unfinished = folder.path().join("twin.db.new");
    fs::create_dir(&unfinished).unwrap();

    let failed = restore(&file, folder.path(), OVERWRITE);

    assert!(
        matches!(failed, Err(MaintenanceError::File { .. })),
        "{failed:?}"
    );
    fs::remove_dir(unfinished).unwrap();
    assert!(!folder.path().join("replaced-0").exists());
    assert_eq!(ids(folder.path()).await, ["new", "old"]);
}

#[tokio::test]
async fn a_restore_that_cannot_end_says_where_the_replaced_files_are() {
    let (folder, place) = (tempdir().unwrap(), tempdir().unwrap());
    let file = place.path().join("backup.db");
    folder_and_backup(folder.path(), &file).await;
    let unfinished = folder.path().join("twin.id.new");
    fs::create_dir(&unfinished).unwrap();

    let failed = restore(&file, folder.path(), OVERWRITE).unwrap_err();

    let aside = folder.path().join("replaced-0");
    assert!(
        matches!(failed, MaintenanceError::Interrupted { .. }),
        "{failed:?}"
    );
    assert!(
        failed.to_string().contains(aside.to_str().unwrap()),
        "{failed}"
    );
    assert!(
        folder.path().join("twin.id").exists(),
        "never an empty twin"
    );
    assert_eq!(ids(&aside).await, ["new", "old"]);

    // As the error message advises.
    fs::remove_dir(unfinished).unwrap();
    assert_eq!(
        restore(&file, folder.path(), OVERWRITE).unwrap(),
        Some(folder.path().join("replaced-1"))
    );
    assert_eq!(ids(folder.path()).await, ["old"]);
}

#[tokio::test]
async fn what_killed_commands_left_behind_is_removed() {
    let (folder, place) = (tempdir().unwrap(), tempdir().unwrap());
    let file = place.path().join("backup.db");
    folder_and_backup(folder.path(), &file).await;
    let left = ["twin.db.new", "twin.db.new-journal", "twin.db.new-wal"];
    let leave = || {
        for name in left.iter().chain(&["twin.id.new", "twin.reserve.new"]) {
            fs::write(folder.path().join(name), "half").unwrap();
        }
    };
    let gone = || left.iter().all(|name| !folder.path().join(name).exists());

    leave();
    assert_eq!(ids(folder.path()).await, ["new", "old"]);
    assert!(gone(), "at the start");

    leave();
    restore(&file, folder.path(), OVERWRITE).unwrap();
    assert!(gone(), "by the next restore");
    assert!(!folder.path().join("twin.id.new").exists());
    let settings = LocalSettings {
        reserve: true,
        ..LocalSettings::default()
    };
    drop(Local::open_with(folder.path(), "factory-01", settings, system_clock()).unwrap());
    assert!(folder.path().join("twin.reserve").exists());
    assert!(!folder.path().join("twin.reserve.new").exists());
}

#[tokio::test]
async fn a_file_that_another_process_writes_is_left_to_it() {
    let (folder, place) = (tempdir().unwrap(), tempdir().unwrap());
    drop(open(folder.path()));
    let to = place.path().join("backup.db");
    let unfinished = place.path().join("backup.db.new");
    let other = File::create(&unfinished).unwrap();
    other.lock().unwrap();
    let failed = backup(folder.path(), &to);
    assert!(
        matches!(failed, Err(MaintenanceError::File { .. })),
        "{failed:?}"
    );
    assert!(unfinished.exists());
    drop(other);
    let _ = backup(folder.path(), &to).unwrap();
    assert!(to.exists() && !unfinished.exists());
}

#[tokio::test]
async fn a_folder_in_use_is_not_restored_however_broken_its_database_is() {
    let broken = |database: &Path| {
        let mut file = File::options().write(true).open(database).unwrap();
        file.write_all(&[0xA5; 4096]).unwrap();
    };
    let empty = |database: &Path| fs::write(database, "").unwrap();
    let gone = |database: &Path| fs::remove_file(database).unwrap();
    for (number, hurt) in [broken, empty, gone].into_iter().enumerate() {
        let (folder, place) = (tempdir().unwrap(), tempdir().unwrap());
        let file = place.path().join("backup.db");
        folder_and_backup(folder.path(), &file).await;
        let stores = open(folder.path());
        hurt(&folder.path().join("twin.db"));

        let failed = restore(&file, folder.path(), OVERWRITE);

        assert!(
            matches!(failed, Err(MaintenanceError::InUse(_))),
            "{number}: {failed:?}"
        );
        assert!(!folder.path().join("replaced-0").exists(), "{number}");
        drop(stores);
        restore(&file, folder.path(), OVERWRITE).unwrap();
        assert_eq!(ids(folder.path()).await, ["old"], "{number}");
    }
}

#[tokio::test]
async fn what_root_makes_in_a_folder_belongs_to_its_owner() {
    const OWNER: u32 = 12_345;
    let (folder, place) = (tempdir().unwrap(), tempdir().unwrap());
    if chown(folder.path(), Some(OWNER), Some(OWNER)).is_err() {
        // Only root can create files for other users.
        return;
    }
    let file = place.path().join("backup.db");
    let settings = LocalSettings {
        reserve: true,
        ..LocalSettings::default()
    };
    let local = Local::open_with(folder.path(), "factory-01", settings, system_clock()).unwrap();
    put(&local.stores(), "a").await;
    assert_owner(folder.path());
    let _ = backup(folder.path(), &file).unwrap();
    drop(local);
    restore(&file, folder.path(), OVERWRITE).unwrap();
    assert_owner(folder.path());
    assert_owner(&folder.path().join("replaced-0"));

    fn assert_owner(folder: &Path) {
        for found in fs::read_dir(folder).unwrap() {
            let found = found.unwrap();
            let owner = found.metadata().unwrap();
            let name = found.file_name();
            assert_eq!((owner.uid(), owner.gid()), (OWNER, OWNER), "{name:?}");
        }
    }
}
