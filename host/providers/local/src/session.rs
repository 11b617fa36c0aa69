//! A thread's connection to the database, and what one piece of work can do with it.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{Connection, OptionalExtension, Params, Row};
use twin_capabilities::types::Instant;

use super::{
    LocalError,
    database::{Access, Connected, Database},
};

/// A connection that is opened again after a failure, because the cause may be gone by then.
pub(super) struct Link {
    database: Database,
    access: Access,
    slot: Arc<Slot>,
}

/// Holds a thread's connection. It is locked while the thread is working.
pub(super) type Slot = Mutex<Option<Connected>>;

/// Locks a slot.
pub(super) fn lock(slot: &Slot) -> MutexGuard<'_, Option<Connected>> {
    // After a panic the connection may be within a transaction.
    slot.lock().unwrap_or_else(|poisoned| {
        let mut content = poisoned.into_inner();
        *content = None;
        slot.clear_poison();
        content
    })
}

impl Link {
    /// Opens a link with its first connection.
    pub(super) fn open(database: &Database, access: Access) -> Result<Self, LocalError> {
        let connected = database.connect(access)?;
        Ok(Self {
            database: database.clone(),
            access,
            slot: database.register(connected),
        })
    }

    /// Runs a piece of work. If it fails, the next one gets a new connection.
    ///
    /// A success refers to the files at the database's path, for reading and for writing: if they were removed or replaced
    /// during the work, this fails.
    pub(super) fn run<T>(
        &self,
        work: impl FnOnce(&Session<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, LocalError> {
        let mut slot = lock(&self.slot);
        let is_current = |connected: &Connected| self.database.still_has(&connected.files).is_ok();
        if !slot.as_ref().is_some_and(is_current) {
            drop(slot);
            // Must be done before a new connection is opened: see `close_stale`.
            self.database.close_stale()?;
            slot = lock(&self.slot);
        }
        let connected = match slot.take() {
            Some(connected) => connected,
            None => self.database.connect(self.access)?,
        };
        let session = Session {
            connection: &connected.connection,
            database: &self.database,
            hasty: &connected.hasty,
        };
        let result = work(&session).map_err(|source| self.database.unusable(source))?;
        let still = self.database.still_has(&connected.files);
        // Put it back in any case, so that stale connections are closed in the right order.
        *slot = Some(connected);
        still.map(|()| result)
    }
}

/// The context of a piece of work: the database, the twin and the time.
pub(super) struct Session<'link> {
    pub(super) connection: &'link Connection,
    pub(super) database: &'link Database,
    hasty: &'link AtomicBool,
}

impl Session<'_> {
    /// The twin's name, part of every key.
    pub(super) fn twin(&self) -> &str {
        &self.database.twin
    }

    /// The time by the store's clock.
    pub(super) fn now(&self) -> Instant {
        (self.database.clock)()
    }

    /// Runs work without waiting for other processes.
    pub(super) fn without_waiting<T>(
        &self,
        work: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.hasty.store(true, Ordering::SeqCst);
        let result = work();
        self.hasty.store(false, Ordering::SeqCst);
        result
    }

    /// Runs a statement and returns how many rows it changed.
    pub(super) fn execute(&self, sql: &str, parameters: impl Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(parameters)
    }

    /// Reads the only row of a query; an error if there is no row.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.connection
            .prepare_cached(sql)?
            .query_row(parameters, read)
    }

    /// Reads the row that a query finds, if any.
    pub(super) fn find<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.row(sql, parameters, read).optional()
    }
}
