//! A thread's connection to the database, and what a piece of work sees of it.

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

/// A connection that is opened anew after a failure: whatever broke it may be over by then.
pub(super) struct Link {
    database: Database,
    access: Access,
    slot: Arc<Slot>,
}

/// Where a thread keeps its connection. It is locked while the thread works.
pub(super) type Slot = Mutex<Option<Connected>>;

/// The content of a slot.
pub(super) fn lock(slot: &Slot) -> MutexGuard<'_, Option<Connected>> {
    // After a panic the connection may be in the middle of a transaction.
    slot.lock().unwrap_or_else(|poisoned| {
        let mut content = poisoned.into_inner();
        *content = None;
        slot.clear_poison();
        content
    })
}

impl Link {
    /// A link that is connected already.
    pub(super) fn open(database: &Database, access: Access) -> Result<Self, LocalError> {
        let connected = database.connect(access)?;
        Ok(Self {
            database: database.clone(),
            access,
            slot: database.register(connected),
        })
    }

    /// Runs some work. If it fails, the next work gets a new connection.
    ///
    /// What this returns was read from, or is stored in, the files that are at the database's path: it fails if they were
    /// removed or replaced during the work.
    pub(super) fn run<T>(
        &self,
        work: impl FnOnce(&Session<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, LocalError> {
        let mut slot = lock(&self.slot);
        let is_current = |connected: &Connected| self.database.still_has(&connected.files).is_ok();
        if !slot.as_ref().is_some_and(is_current) {
            drop(slot);
            // Before a new connection is opened: see there.
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
        // Back into its place in any case: what is stale is closed in the right order.
        *slot = Some(connected);
        still.map(|()| result)
    }
}

/// What a piece of work sees: the database, the twin whose data it is, the time.
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

    /// Does something that is not worth waiting for others.
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

    /// Reads the one row of a query; an error if there is none.
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

    /// Reads the row that a query finds, if it finds one.
    pub(super) fn find<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.row(sql, parameters, read).optional()
    }
}
