//! Maintenance of a data folder: checking it, copying it while a host uses it, rewriting it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, backup::Backup};
use tempfile::NamedTempFile;

use super::{
    LocalError, dead_letters,
    files::{FILE_NAME, UNFINISHED, beside, folder_of, size, sync_folder, unfinished},
    records, schema,
    seal::Checked,
};

pub use super::restore::{RestoreOptions, restore};

/// The most problems of each kind that are listed.
const LISTED: usize = 100;

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct CheckReport {
    /// What SQLite reports about the structure of the file, at most 100 lines; empty if it is intact.
    pub structure: Vec<String>,
    /// The records.
    pub records: RowsReport,
    /// The dead letters.
    pub letters: RowsReport,
}

/// The result of a check of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsReport {
    /// The number of intact rows.
    pub whole: u64,
    /// The row numbers of damaged rows: the first 100.
    pub damaged: Vec<i64>,
    /// The number of damaged rows.
    pub damaged_count: u64,
}

impl CheckReport {
    /// Whether nothing is damaged.
    pub fn is_good(&self) -> bool {
        self.structure.is_empty()
            && self.records.damaged_count == 0
            && self.letters.damaged_count == 0
    }
}

/// Why maintenance of a data folder failed.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The folder or its database cannot be used.
    #[error(transparent)]
    Store(#[from] LocalError),
    /// A file cannot be read or written.
    #[error("{} cannot be read or written", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The database does not exist.
    #[error("there is no database {}", .0.display())]
    NoDatabase(PathBuf),
    /// A database cannot be read or written.
    #[error("the database {} cannot be used", .path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// The database to be restored or copied is damaged.
    #[error("{} is damaged: `twin data check` shows where", .0.display())]
    Damaged(PathBuf),
    /// The file to be restored is not a twin's database, or is of a newer version than this program.
    #[error("{} is not a database of this program, or of a newer one", .0.display())]
    Foreign(PathBuf),
    /// The file to be written exists already.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The folder to restore into contains data.
    #[error("the data folder {} is not empty: --overwrite replaces what is there, and keeps it in a folder beside", .0.display())]
    NotEmpty(PathBuf),
    /// A host has the data folder open.
    #[error("a process has the database {} open: stop it first", .0.display())]
    InUse(PathBuf),
    /// The existing files were moved away, but the copy could not be put in their place.
    #[error("the restore was interrupted; the files that it replaces are in {}: run it again, or move them back", .aside.display())]
    Interrupted {
        /// The folder with the files that were moved away.
        aside: PathBuf,
        /// The cause.
        source: Box<MaintenanceError>,
    },
}

pub(super) type Outcome<T> = Result<T, MaintenanceError>;

pub(super) fn file_error(path: &Path) -> impl Fn(io::Error) -> MaintenanceError {
    let path = path.to_owned();
    move |source| MaintenanceError::File {
        path: path.clone(),
        source,
    }
}

pub(super) fn database_error(path: &Path) -> impl Fn(rusqlite::Error) -> MaintenanceError {
    let path = path.to_owned();
    move |source| MaintenanceError::Database {
        path: path.clone(),
        source,
    }
}

/// The path of the database: in a data folder, or a backup, which is a single file.
pub fn database_of(place: &Path) -> PathBuf {
    if place.is_dir() {
        place.join(FILE_NAME)
    } else {
        place.to_owned()
    }
}

/// Checks a database: its structure, by SQLite's own check, and the seal of every record and letter. A host may be using it.
///
/// # Errors
/// If it cannot be opened. Damage is not an error; it is in the report.
pub fn check(database: &Path) -> Outcome<CheckReport> {
    let failed = database_error(database);
    let connection = open_existing(database)?;
    let mut report = CheckReport {
        structure: match structure(&connection) {
            Ok(lines) => lines,
            // Damage can make the check itself fail.
            Err(error) => vec![error.to_string()],
        },
        ..CheckReport::default()
    };
    let with_seals = schema::id(&connection).map_err(&failed)?.is_some();
    if !with_seals {
        let count = |table: &str| {
            let count = format!("SELECT count(*) FROM {table}");
            let whole: rusqlite::Result<i64> = connection.query_row(&count, [], |row| row.get(0));
            whole.map(|whole| RowsReport {
                whole: whole.unsigned_abs(),
                ..RowsReport::default()
            })
        };
        report.records =
            count("records").unwrap_or_else(|error| unreadable(&mut report.structure, &error));
        report.letters =
            count("dead_letters").unwrap_or_else(|error| unreadable(&mut report.structure, &error));
    } else {
        report.records = rows(&connection, "SELECT rowid, * FROM records", |row| {
            records::check_row(row)
        })
        .unwrap_or_else(|error| unreadable(&mut report.structure, &error));
        report.letters = rows(&connection, "SELECT * FROM dead_letters", |row| {
            dead_letters::check_row(row)
        })
        .unwrap_or_else(|error| unreadable(&mut report.structure, &error));
    }
    Ok(report)
}

fn unreadable(structure: &mut Vec<String>, error: &rusqlite::Error) -> RowsReport {
    structure.push(error.to_string());
    RowsReport::default()
}

fn structure(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let check = format!("PRAGMA integrity_check({LISTED})");
    let mut statement = connection.prepare(&check)?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut lines = lines.collect::<Result<Vec<_>, _>>()?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}

fn rows<T>(
    connection: &Connection,
    select: &str,
    check: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<Checked<T>>,
) -> rusqlite::Result<RowsReport> {
    let mut report = RowsReport::default();
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match check(row)? {
            Checked::Whole(_) => report.whole += 1,
            Checked::Damaged(number) => {
                report.damaged_count += 1;
                if report.damaged.len() < LISTED {
                    report.damaged.push(number);
                }
            }
        }
    }
    Ok(report)
}

/// Copies the database of a data folder into a new file; a host may be using it. Everything that was acknowledged before
/// the call is in the copy. Damaged rows are copied unchanged and listed in the returned report.
///
/// # Errors
/// If the file exists or cannot be written, or the structure of the database is damaged.
pub fn backup(folder: &Path, to: &Path) -> Outcome<CheckReport> {
    if to.exists() {
        return Err(MaintenanceError::Exists(to.to_owned()));
    }
    let database = folder.join(FILE_NAME);
    must_exist(&database)?;
    let new = new_file(to)?;
    let report = copy(&database, &new)?;
    put(new, to)?;
    Ok(report)
}

/// Rewrites the database of a data folder without its free pages. From then on, the database can give pages back to the
/// disk. No host may be using it. Returns the size of the database in bytes before and after.
///
/// # Errors
/// If a host is using it, or there is no room for a second copy.
pub fn compact(folder: &Path) -> Outcome<(u64, u64)> {
    let database = folder.join(FILE_NAME);
    let failed = database_error(&database);
    let connection = open_existing(&database)?;
    must_be_alone(&connection, &database)?;
    let before = size(&database).map_err(file_error(&database))?;
    connection
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        .map_err(failed)?;
    let now = size(&database).map_err(file_error(&database))?;
    Ok((before, now))
}

/// An incomplete file for `to`.
pub(super) fn new_file(to: &Path) -> Outcome<NamedTempFile> {
    unfinished(to).map_err(file_error(&beside(to, UNFINISHED)))
}

/// Copies a database into a new file, and checks it.
pub(super) fn copy(from: &Path, new: &NamedTempFile) -> Outcome<CheckReport> {
    let source = open_existing(from)?;
    {
        let failed = database_error(new.path());
        let mut copy = Connection::open(new.path()).map_err(&failed)?;
        let all_at_once = i32::MAX;
        Backup::new(&source, &mut copy)
            .and_then(|backup| backup.run_to_completion(all_at_once, Duration::ZERO, None))
            .map_err(database_error(from))?;
        // The copy is a single file, without a log beside it.
        copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
            .map_err(&failed)?;
    }
    let report = check(new.path())?;
    if !report.structure.is_empty() {
        return Err(MaintenanceError::Damaged(from.to_owned()));
    }
    sync(new)?;
    Ok(report)
}

/// Makes a new file durable.
pub(super) fn sync(new: &NamedTempFile) -> Outcome<()> {
    let synced = new.as_file().sync_all();
    synced.map_err(file_error(new.path()))
}

/// Renames a complete and durable file to its final name, unless a file with that name exists.
pub(super) fn put(new: NamedTempFile, to: &Path) -> Outcome<()> {
    new.persist_noclobber(to)
        .map_err(|error| file_error(to)(error.error))?;
    let folder = folder_of(to);
    sync_folder(folder).map_err(file_error(folder))
}

pub(super) fn must_be_ours(database: &Path) -> Outcome<()> {
    let foreign = || MaintenanceError::Foreign(database.to_owned());
    let connection = open_existing(database)?;
    let version = schema::version(&connection).map_err(|_| foreign())?;
    let ours = (1..=schema::NEWEST).contains(&version)
        && connection
            .table_exists(None, "dead_letters")
            .map_err(|_| foreign())?;
    if ours { Ok(()) } else { Err(foreign()) }
}

/// Fails if any other connection has the database open.
pub(super) fn must_be_alone(connection: &Connection, database: &Path) -> Outcome<()> {
    connection
        .busy_timeout(Duration::from_millis(100))
        .map_err(database_error(database))?;
    connection
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
        .map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => MaintenanceError::InUse(database.to_owned()),
            _ => database_error(database)(error),
        })
}

fn must_exist(database: &Path) -> Outcome<()> {
    if size(database).map_err(file_error(database))? == 0 {
        return Err(MaintenanceError::NoDatabase(database.to_owned()));
    }
    Ok(())
}

pub(super) fn open_existing(database: &Path) -> Outcome<Connection> {
    must_exist(database)?;
    // Write access even for reading: whichever process opens the database first checkpoints the log that a killed host left
    // behind.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(database, flags).map_err(database_error(database))
}
