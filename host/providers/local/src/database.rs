//! The location of the database, and how connections to it are opened.

use std::{
    fs::{DirBuilder, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[cfg(test)]
use std::sync::atomic::AtomicI64;

use rusqlite::{Connection, OpenFlags};
use twin_capabilities::provider::Clock;

use super::{
    LocalError, LocalSettings,
    files::{FILE_NAME, Files, Marker, beside, lock_file, make, remove_unfinished, size},
    schema,
    session::{Slot, lock},
};

/// How long to wait for another process that is writing, and how often to check whether it has finished. SQLite's own wait
/// checks less and less often, and can wait for seconds while another process writes without a pause.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// How long to wait for another process that has locked the folder, and how often to check.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// More than the number of statements, so that each is compiled once per connection.
const STATEMENTS: usize = 64;

/// The size to which the write-ahead log is truncated, in bytes: the 4000 pages after which it is checkpointed into the
/// database, with the frame header of each.
pub(super) const LOG_LIMIT: u64 = 4000 * (4096 + 24) + 32;

/// A commit is on the disk when it returns, and readers do not wait for it. The log grows to 16 MiB before it is
/// checkpointed into the database: a page that changes often is then copied only once, which adds about 20 % throughput. A
/// new database can give pages back to the disk; an old one only after it has been rewritten.
const DURABLE: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000; -- pages of 4 KiB
    PRAGMA journal_size_limit = 16480032; -- bytes: LOG_LIMIT
    PRAGMA cache_size = -16000;       -- KiB";

/// The database and the twin: everything that is needed to open a connection, and to open it again.
#[derive(Clone)]
pub(super) struct Database {
    folder: PathBuf,
    pub(super) twin: String,
    pub(super) clock: Clock,
    pub(super) settings: LocalSettings,
    /// The id of the database, once a connection has been opened for writing. Every later connection must find the same.
    id: Arc<OnceLock<String>>,
    /// The connections of all threads of this process, beginning with the one that writes.
    slots: Arc<Mutex<Vec<Weak<Slot>>>>,
    /// The files that were opened most recently.
    opened: Arc<Mutex<Option<Files>>>,
    /// The most pages that the database may have; beyond them the disk is full for SQLite. 0 means no limit.
    #[cfg(test)]
    pub(super) page_limit: Arc<AtomicI64>,
    /// Makes the disk count as nearly full.
    #[cfg(test)]
    pub(super) nearly_full: Arc<AtomicBool>,
    /// Called once, between opening the database and recording which files are open.
    #[cfg(test)]
    pub(super) accident: Arc<Mutex<Option<Accident>>>,
}

#[cfg(test)]
pub(super) type Accident = fn(&Path);

/// The purpose of a connection.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Read,
    Write,
}

/// A connection, and the files that it has open.
pub(super) struct Connected {
    pub(super) connection: Connection,
    pub(super) files: Files,
    /// Whether the connection fails at once instead of waiting for others.
    pub(super) hasty: Arc<AtomicBool>,
}

impl Database {
    /// The database of a folder, which is created if it does not exist.
    pub(super) fn new(
        folder: &Path,
        twin: &str,
        settings: LocalSettings,
        clock: Clock,
    ) -> Result<Self, LocalError> {
        let database = Self {
            folder: folder.to_owned(),
            twin: twin.to_owned(),
            clock,
            settings,
            id: Arc::default(),
            slots: Arc::default(),
            opened: Arc::default(),
            #[cfg(test)]
            page_limit: Arc::default(),
            #[cfg(test)]
            nearly_full: Arc::default(),
            #[cfg(test)]
            accident: Arc::default(),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| database.folder_unusable(source))?;
        Ok(database)
    }

    /// The data folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The size of the write-ahead log in bytes; 0 if it is unknown.
    pub(super) fn log_size(&self) -> u64 {
        size(&beside(&self.path(), "-wal")).unwrap_or(0)
    }

    /// The database file.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Opens a connection. Opening it for writing also creates or upgrades the database.
    pub(super) fn connect(&self, access: Access) -> Result<Connected, LocalError> {
        self.must_not_mix()?;
        let (mut connection, before) = match access {
            Access::Read => self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?,
            Access::Write => self.prepare()?,
        };
        #[cfg(test)]
        if let Some(accident) = self.accident.lock().ok().and_then(|mut it| it.take()) {
            accident(&self.folder);
        }
        let hasty = Arc::new(AtomicBool::new(false));
        connection
            .busy_handler(Some({
                let hasty = Arc::clone(&hasty);
                move |times| !hasty.load(Ordering::SeqCst) && wait(times)
            }))
            .map_err(|source| self.unusable(source))?;
        if self.id.get().is_some() {
            // Reading the id opens the log, too, so from here on all the files are known.
            let id = schema::id(&connection).map_err(|source| self.unusable(source))?;
            self.must_be_the_same(id.as_deref())?;
        }
        let files = self.files()?;
        if !files.have_database_of(&before) {
            return Err(LocalError::DatabaseReplaced { path: self.path() });
        }
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(files.clone());
        Ok(Connected {
            connection,
            files,
            hasty,
        })
    }

    /// Registers a connection for [`Self::close_stale`].
    pub(super) fn register(&self, connected: Connected) -> Arc<Slot> {
        let slot = Arc::new(Mutex::new(Some(connected)));
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.push(Arc::downgrade(&slot));
        slot
    }

    /// Closes all connections of this process whose files are no longer at the database's path.
    ///
    /// A new connection must not be opened while they are open: SQLite would share its state in memory between them, and
    /// take a log that was removed for the new one. The connection that writes is closed last and checkpoints its log into
    /// the database, so nothing is lost if only the log was removed.
    pub(super) fn close_stale(&self) -> Result<(), LocalError> {
        let slots: Vec<_> = {
            let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.iter().filter_map(Weak::upgrade).collect()
        };
        let mut closed = false;
        for slot in slots.iter().rev() {
            let mut slot = lock(slot);
            let stale = |connected: &Connected| self.still_has(&connected.files).is_err();
            if slot.as_ref().is_some_and(stale) {
                *slot = None;
                closed = true;
            }
        }
        if closed { self.settle() } else { Ok(()) }
    }

    /// If the database exists but its log or index does not, makes sure that no other process still uses the removed files.
    fn settle(&self) -> Result<(), LocalError> {
        let now = self.files()?;
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if !opened
            .as_ref()
            .is_some_and(|opened| now.have_database_of(opened))
        {
            return Ok(());
        }
        let alone = "PRAGMA locking_mode = EXCLUSIVE; SELECT count(*) FROM store;
            PRAGMA wal_checkpoint(TRUNCATE)";
        let (connection, _) = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection
            .execute_batch(alone)
            .map_err(|source| self.unusable(source))
    }

    /// Fails if the log of the database that was open is beside another database.
    fn must_not_mix(&self) -> Result<(), LocalError> {
        let now = self.files()?;
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.as_ref().is_some_and(|opened| now.mix_with(opened)) {
            return Err(LocalError::DatabaseReplaced { path: self.path() });
        }
        Ok(())
    }

    /// Fails if these are no longer the files at the database's path.
    pub(super) fn still_has(&self, files: &Files) -> Result<(), LocalError> {
        if self.files()? == *files {
            Ok(())
        } else {
            Err(LocalError::DatabaseReplaced { path: self.path() })
        }
    }

    /// The files that are at the database's path now.
    fn files(&self) -> Result<Files, LocalError> {
        Files::at(&self.path()).map_err(|source| self.folder_unusable(source))
    }

    /// Opens the database. Also returns the files that were there before: if the database is still among them afterwards, it
    /// is the one that was opened.
    fn open(&self, flags: OpenFlags) -> Result<(Connection, Files), LocalError> {
        let unusable = |source| self.unusable(source);
        let before = self.files()?;
        let mut connection =
            Connection::open_with_flags(self.path(), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(unusable)?;
        connection.busy_handler(Some(wait)).map_err(unusable)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok((connection, before))
    }

    /// Opens the database for writing, sets it up for durability and creates its tables. A new database is created only in a
    /// folder that never had one.
    fn prepare(&self) -> Result<(Connection, Files), LocalError> {
        let unusable = |source| self.unusable(source);
        let _turn = self.turn()?;
        let marker = Marker::of(&self.folder);
        let expected = marker.expected(&self.path())?;
        self.make_file()?;
        let (mut connection, before) = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let found = schema::version(&connection).map_err(unusable)?;
        if found > schema::NEWEST {
            return Err(LocalError::SchemaTooNew {
                path: self.path(),
                found,
                known: schema::NEWEST,
            });
        }
        if let Some(expected) = &expected {
            let found = schema::id(&connection).map_err(unusable)?;
            marker.must_be(&self.path(), expected, found.as_deref())?;
        }
        connection
            .execute_batch(DURABLE)
            .and_then(|()| schema::upgrade(&mut connection))
            .map_err(unusable)?;
        let id = schema::id(&connection).map_err(unusable)?;
        let id = self.must_be_the_same(id.as_deref())?;
        #[cfg(test)]
        match self.page_limit.load(Ordering::SeqCst) {
            0 => {}
            limit => connection
                .pragma_update(None, "max_page_count", limit)
                .map_err(unusable)?,
        }
        if expected.is_none() {
            marker
                .write(id)
                .map_err(|source| self.folder_unusable(source))?;
        }
        Ok((connection, before))
    }

    /// Creates the file of a new database, and removes what a killed restore left behind. The caller holds the lock for
    /// preparing the database, so no restore is in progress.
    fn make_file(&self) -> Result<(), LocalError> {
        let path = self.path();
        let made = remove_unfinished(&path).and_then(|()| match make(&path, 0o644) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map(drop),
        });
        made.map_err(|source| self.folder_unusable(source))
    }

    /// Records the id of the first database that is opened for writing, and fails for any other from then on.
    fn must_be_the_same(&self, found: Option<&str>) -> Result<&str, LocalError> {
        let ours = self.id.get_or_init(|| found.unwrap_or_default().to_owned());
        if found == Some(ours) {
            Ok(ours)
        } else {
            Err(LocalError::DatabaseReplaced { path: self.path() })
        }
    }

    /// Waits until no other process is preparing this database. The lock is released when the file is dropped.
    ///
    /// SQLite itself does not wait when it switches a new database to its write-ahead log.
    pub(super) fn turn(&self) -> Result<File, LocalError> {
        let folder = File::open(&self.folder).map_err(|source| self.folder_unusable(source))?;
        self.lock(folder, File::try_lock)
    }

    /// Marks the folder as in use by this process, until the file is dropped.
    pub(super) fn share(&self) -> Result<File, LocalError> {
        let file = lock_file(&self.folder).map_err(|source| self.folder_unusable(source))?;
        self.lock(file, File::try_lock_shared)
    }

    /// Prevents other processes from using the folder until the file is dropped; `None` if another process is using it.
    pub(super) fn keep_alone(&self) -> Result<Option<File>, LocalError> {
        let unusable = |source| self.folder_unusable(source);
        let file = lock_file(&self.folder).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Waits for a lock on a file.
    fn lock(
        &self,
        file: File,
        try_lock: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<File, LocalError> {
        let started = Instant::now();
        loop {
            match try_lock(&file) {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(self.folder_unusable(source)),
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_TIMEOUT => {
                    thread::sleep(LOCK_PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(LocalError::FolderLocked {
                        folder: self.folder.clone(),
                        waited: LOCK_TIMEOUT,
                    });
                }
            }
        }
    }

    /// The error for a database file that cannot be used.
    pub(super) fn unusable(&self, source: rusqlite::Error) -> LocalError {
        LocalError::DatabaseUnusable {
            path: self.path(),
            source,
        }
    }

    pub(super) fn folder_unusable(&self, source: io::Error) -> LocalError {
        LocalError::FolderUnusable {
            folder: self.folder.clone(),
            source,
        }
    }
}

/// Waits for another process; false if it has already waited often enough.
fn wait(times: i32) -> bool {
    thread::sleep(BUSY_PAUSE);
    times.unsigned_abs() * BUSY_PAUSE < BUSY_TIMEOUT
}
