//! Where the database is, and how a connection to it is opened.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{LocalError, schema};
use crate::providers::Clock;

const FILE_NAME: &str = "twin.db";

/// How long to wait for another process that writes, and how often to look whether it is done. SQLite's own way to wait
/// looks less and less often, and comes away empty-handed for seconds beside a process that writes without a break.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// More than there are statements: each is compiled once a connection.
const STATEMENTS: usize = 64;

/// A commit is on the disk when it returns, and readers do not wait for it. The log grows to 16 MiB before it is folded
/// into the database: a page that changes often is then copied once, which is worth a fifth of the throughput.
const DURABLE: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000; -- pages of 4 KiB
    PRAGMA cache_size = -16000;       -- KiB";

/// Where the database is and whose part of it is used: all it takes to open a connection, again if need be.
#[derive(Clone)]
pub(super) struct Database {
    folder: PathBuf,
    pub(super) twin: String,
    pub(super) clock: Clock,
}

/// What a connection may do.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Read,
    Write,
}

impl Database {
    /// The database of a folder, which is made if there is none.
    pub(super) fn new(folder: &Path, twin: &str, clock: Clock) -> Result<Self, LocalError> {
        let database = Self {
            folder: folder.to_owned(),
            twin: twin.to_owned(),
            clock,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| database.folder_unusable(source))?;
        Ok(database)
    }

    /// The database file.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Opens a connection. Opened for writing, the database becomes what it should be.
    pub(super) fn connect(&self, access: Access) -> Result<Connection, LocalError> {
        let unusable = |source| self.unusable(source);
        let flags = match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
        let mut connection =
            Connection::open_with_flags(self.path(), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(unusable)?;
        connection.busy_handler(Some(wait)).map_err(unusable)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        if let Access::Write = access {
            self.prepare(&mut connection)?;
        }
        Ok(connection)
    }

    /// Makes the database durable and gives it its tables.
    fn prepare(&self, connection: &mut Connection) -> Result<(), LocalError> {
        let _turn = self.turn().map_err(|source| self.folder_unusable(source))?;
        let version = connection
            .execute_batch(DURABLE)
            .and_then(|()| schema::upgrade(connection))
            .map_err(|source| self.unusable(source))?;
        if version > schema::NEWEST {
            return Err(LocalError::SchemaTooNew {
                path: self.path(),
                found: version,
                known: schema::NEWEST,
            });
        }
        Ok(())
    }

    /// Waits until no other process prepares this database; the turn ends when the file is dropped.
    ///
    /// SQLite itself does not wait when it switches a new database to its write-ahead log.
    fn turn(&self) -> io::Result<File> {
        let folder = File::open(&self.folder)?;
        folder.lock()?;
        Ok(folder)
    }

    /// The error that something is wrong with the database file.
    pub(super) fn unusable(&self, source: rusqlite::Error) -> LocalError {
        LocalError::DatabaseUnusable {
            path: self.path(),
            source,
        }
    }

    fn folder_unusable(&self, source: io::Error) -> LocalError {
        LocalError::FolderUnusable {
            folder: self.folder.clone(),
            source,
        }
    }
}

/// Waits for another process, if it is worth it after so many times.
fn wait(times: i32) -> bool {
    thread::sleep(BUSY_PAUSE);
    times.unsigned_abs() * BUSY_PAUSE < BUSY_TIMEOUT
}
