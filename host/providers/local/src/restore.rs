//! Replaces the database of a data folder with a copy.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;
use twin_capabilities::provider::system_clock;

use super::{
    LocalSettings,
    database::Database,
    files::{BESIDE, FILE_NAME, MARKER_NAME, Marker, hand_over, make, size, sync_folder},
    maintenance::{
        MaintenanceError, Outcome, check, copy, database_error, database_of, file_error,
        must_be_alone, must_be_ours, new_file, open_existing, put, sync,
    },
    schema,
};

/// Options of [`restore`], all off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Replace the data in the folder, which is then kept in a separate folder.
    pub overwrite: bool,
    /// Accept a backup with damaged rows. They are not served.
    pub accept_damaged: bool,
}

/// Replaces the database of a data folder with a copy, which is checked first. A folder with data is refused, unless it may
/// be overwritten: then the data is kept in a separate folder, whose path is returned. Nothing is moved before the copy is
/// complete in the folder, and the folder never looks like that of a new twin.
///
/// # Errors
/// If the copy is damaged, the folder is not empty, or a host is using it.
pub fn restore(from: &Path, folder: &Path, options: RestoreOptions) -> Outcome<Option<PathBuf>> {
    let source = database_of(from);
    must_be_ours(&source)?;
    let report = check(&source)?;
    let acceptable = options.accept_damaged && report.structure.is_empty();
    if !report.is_good() && !acceptable {
        return Err(MaintenanceError::Damaged(source));
    }
    let place = Database::new(folder, "", LocalSettings::default(), system_clock())?;
    let target = place.path();
    let _turn = place.turn()?;
    let present = present(folder);
    if !present.is_empty() && !options.overwrite {
        return Err(MaintenanceError::NotEmpty(folder.to_owned()));
    }
    let Some(_alone) = place.keep_alone()? else {
        return Err(MaintenanceError::InUse(target));
    };
    must_be_closed(&target)?;
    let new = new_file(&target)?;
    // Its rows are those that were checked above, and it has checked the structure itself.
    let _ = copy(&source, &new)?;
    let id = make_newest(&new)?;
    let marker = Marker::of(folder);
    let mark = || marker.write(&id).map_err(file_error(&marker.path()));
    if !present.iter().any(|name| name == MARKER_NAME) {
        mark()?;
    }
    if present.is_empty() {
        put(new, &target)?;
        return Ok(None);
    }
    let aside = make_aside(folder)?;
    set_aside(&present, folder, &aside)
        .and_then(|()| put(new, &target))
        .and_then(|()| mark())
        .map_err(|source| MaintenanceError::Interrupted {
            aside: aside.clone(),
            source: Box::new(source),
        })?;
    Ok(Some(aside))
}

/// Upgrades a copy to the newest schema and returns its id, so that its folder can be marked.
fn make_newest(new: &NamedTempFile) -> Outcome<String> {
    let failed = database_error(new.path());
    let mut connection = open_existing(new.path())?;
    schema::upgrade(&mut connection).map_err(&failed)?;
    let id = schema::id(&connection).map_err(&failed)?;
    sync(new)?;
    id.ok_or_else(|| MaintenanceError::Foreign(new.path().to_owned()))
}

/// The names of the database's files that exist in a data folder.
fn present(folder: &Path) -> Vec<String> {
    let beside = BESIDE.map(|suffix| format!("{FILE_NAME}{suffix}"));
    [FILE_NAME.to_owned(), MARKER_NAME.to_owned()]
        .into_iter()
        .chain(beside)
        .filter(|name| folder.join(name).symlink_metadata().is_ok())
        .collect()
}

/// Creates the folder for the data that is replaced.
fn make_aside(folder: &Path) -> Outcome<PathBuf> {
    let aside = (0..)
        .map(|number: u32| folder.join(format!("replaced-{number}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| folder.join("replaced"));
    DirBuilder::new()
        .mode(0o700)
        .create(&aside)
        .and_then(|()| hand_over(&File::open(&aside)?, folder))
        .map_err(file_error(&aside))?;
    Ok(aside)
}

/// Moves the database's files from a data folder into another. The marker stays: until it is replaced, it prevents a host
/// from starting as an empty twin.
fn set_aside(present: &[String], folder: &Path, aside: &Path) -> Outcome<()> {
    for name in present {
        let (from, to) = (folder.join(name), aside.join(name));
        let moved = if name == MARKER_NAME {
            fs::read(&from).and_then(|text| make(&to, 0o600)?.write_all(&text))
        } else {
            fs::rename(&from, &to)
        };
        match moved {
            // Closing the database may have removed the log.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error(&from)(error));
            }
            _ => {}
        }
    }
    sync_folder(aside).map_err(file_error(aside))?;
    sync_folder(folder).map_err(file_error(folder))
}

/// Fails if another program has the database open, as far as SQLite can tell from its content. Checkpoints its log.
fn must_be_closed(database: &Path) -> Outcome<()> {
    if size(database).map_err(file_error(database))? == 0 {
        return Ok(());
    }
    match open_existing(database).and_then(|connection| must_be_alone(&connection, database)) {
        Err(error @ MaintenanceError::InUse(_)) => Err(error),
        // Damage does not matter, because the database will be replaced.
        _ => Ok(()),
    }
}
