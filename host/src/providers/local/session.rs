//! A thread's connection to the database, and what a piece of work sees of it.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::{
    LocalError,
    database::{Access, Database},
};
use crate::bindings::types::Instant;

/// A connection that is opened anew after a failure: whatever broke it may be over by then.
pub(super) struct Link {
    database: Database,
    access: Access,
    connection: Option<Connection>,
}

impl Link {
    /// A link that is connected already.
    pub(super) fn open(database: &Database, access: Access) -> Result<Self, LocalError> {
        Ok(Self {
            database: database.clone(),
            access,
            connection: Some(database.connect(access)?),
        })
    }

    /// Runs some work. If it fails, the next work gets a new connection.
    pub(super) fn run<T>(
        &mut self,
        work: impl FnOnce(&Session<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, LocalError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.connect(self.access)?,
        };
        let session = Session {
            connection: &connection,
            database: &self.database,
        };
        let result = work(&session).map_err(|source| self.database.unusable(source))?;
        self.connection = Some(connection);
        Ok(result)
    }
}

/// What a piece of work sees: the database, the twin whose data it is, the time.
pub(super) struct Session<'link> {
    pub(super) connection: &'link Connection,
    database: &'link Database,
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
