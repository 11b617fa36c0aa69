//! The database: opened once per instance; missing tables are created.

use std::{cell::RefCell, rc::Rc};

use spin_sdk::sqlite::{Connection, Error, QueryResult, RowResult, Value};
use twin_adapter::{Failure, twin_name};

use crate::Adapter;

/// As in the native host: durable, and many times faster than SQLite's default. A database that is not a file uses its own
/// settings, and may refuse these.
const JOURNAL: [&str; 2] = ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"];

/// The tables. A test compares them with those of the native host.
const TABLES: &str = include_str!("schema.sql");

/// Columns that databases of an earlier version lack. Existing letters keep their order. The index needs the column, so it
/// is created last.
const HAS_LEASED_AT: &str =
    "SELECT 1 FROM pragma_table_info('dead_letters') WHERE name = 'leased_at_us'";
const ADD_LEASED_AT: &str = "ALTER TABLE dead_letters ADD COLUMN leased_at_us INTEGER";
const HAS_TURN: &str = "SELECT 1 FROM pragma_table_info('dead_letters') WHERE name = 'turn'";
const ADD_TURN: &str = "ALTER TABLE dead_letters ADD COLUMN turn INTEGER NOT NULL DEFAULT 0";
const FILL_TURN: &str = "UPDATE dead_letters SET turn = seq WHERE turn = 0";
const INDEX_TURN: &str =
    "CREATE INDEX IF NOT EXISTS dead_letters_by_turn ON dead_letters (twin, turn, letter_id)";

thread_local! {
    static CONNECTION: RefCell<Option<Rc<Connection>>> = const { RefCell::new(None) };
}

/// The twin's part of the database.
pub(crate) struct Database {
    connection: Rc<Connection>,
    twin: String,
}

impl Database {
    /// Opens it.
    pub(crate) async fn open() -> Result<Self, Failure> {
        let twin = twin_name::<Adapter>().await?;
        if let Some(connection) = CONNECTION.with_borrow(Clone::clone) {
            return Ok(Self { connection, twin });
        }
        let connection = Connection::open_default().await.map_err(failure)?;
        for pragma in JOURNAL {
            if let Ok(answer) = connection.execute(pragma, []).await {
                let _ = answer.collect().await;
            }
        }
        // Spin runs only one statement per call.
        for statement in TABLES.split_inclusive(";\n") {
            done(&connection, statement).await?;
        }
        upgrade(&connection).await?;
        let connection = Rc::new(connection);
        CONNECTION.with_borrow_mut(|slot| *slot = Some(Rc::clone(&connection)));
        Ok(Self { connection, twin })
    }

    /// Runs a statement; its first parameter, `?1`, is the twin.
    pub(crate) async fn run(
        &self,
        statement: &str,
        parameters: impl IntoIterator<Item = Value>,
    ) -> Result<Rows, Failure> {
        let twin = Value::Text(self.twin.clone());
        let parameters = std::iter::once(twin).chain(parameters);
        let result = self.connection.execute(statement, parameters).await;
        let rows = |result| Rows {
            result,
            ended: false,
        };
        result.map(rows).map_err(failure)
    }

    /// Runs a statement for its first row, if there is one.
    pub(crate) async fn first(
        &self,
        statement: &str,
        parameters: impl IntoIterator<Item = Value>,
    ) -> Result<Option<Row>, Failure> {
        let mut rows = self.run(statement, parameters).await?;
        let first = rows.next().await;
        // Read to the end: only then has a writing statement taken effect.
        while rows.next().await.is_some() {}
        rows.finish().await.map(|()| first)
    }
}

/// Upgrades the tables of an earlier version to this one.
async fn upgrade(connection: &Connection) -> Result<(), Failure> {
    add_column(connection, HAS_LEASED_AT, ADD_LEASED_AT).await?;
    if add_column(connection, HAS_TURN, ADD_TURN).await? {
        done(connection, FILL_TURN).await?;
    }
    done(connection, INDEX_TURN).await
}

/// Adds a column if it is missing. Returns whether it was.
async fn add_column(connection: &Connection, has: &str, add: &str) -> Result<bool, Failure> {
    if is_there(connection, has).await? {
        return Ok(false);
    }
    let added = done(connection, add).await;
    // Another instance may have been faster; what matters is that the column exists.
    if added.is_err() && !is_there(connection, has).await? {
        return added.map(|()| true);
    }
    Ok(true)
}

/// Runs a statement without results to its end.
async fn done(connection: &Connection, statement: &str) -> Result<(), Failure> {
    let running = connection.execute(statement, []).await.map_err(failure)?;
    running.result().await.map_err(failure)
}

/// Whether a statement returns any row.
async fn is_there(connection: &Connection, statement: &str) -> Result<bool, Failure> {
    let found = connection.execute(statement, []).await.map_err(failure)?;
    let rows = found.collect().await.map_err(failure)?;
    Ok(!rows.is_empty())
}

/// The rows of a result, one after the other.
pub(crate) struct Rows {
    result: QueryResult,
    /// Asking for another row after the last one makes the runtime stop the instance.
    ended: bool,
}

impl Rows {
    pub(crate) async fn next(&mut self) -> Option<Row> {
        if self.ended {
            return None;
        }
        let row = self.result.next().await;
        self.ended = row.is_none();
        row.map(Row)
    }

    /// Whether these were all rows.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        self.result.result().await.map_err(failure)
    }
}

/// A row, read by the order of its columns.
pub(crate) struct Row(RowResult);

impl Row {
    pub(crate) fn get<'a, T: TryFrom<&'a Value>>(&'a self, index: usize) -> Result<T, Failure> {
        let value = self.0.get(index);
        value.ok_or_else(|| Failure::Other(format!("column {index} has an unexpected type")))
    }

    pub(crate) fn text(&self, index: usize) -> Result<String, Failure> {
        self.get::<&str>(index).map(str::to_owned)
    }

    pub(crate) fn blob(&self, index: usize) -> Result<Vec<u8>, Failure> {
        self.get::<&[u8]>(index).map(<[u8]>::to_vec)
    }

    /// `None` if the column is NULL.
    pub(crate) fn optional<T>(
        &self,
        index: usize,
        read: impl FnOnce(&Self, usize) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        match self.0.values.get(index) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => read(self, index).map(Some),
        }
    }
}

/// A text as a parameter.
pub(crate) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// A text or NULL as a parameter.
pub(crate) fn optional(value: Option<String>) -> Value {
    value.map_or(Value::Null, Value::Text)
}

fn misconfigured(cause: &str) -> Failure {
    Failure::Misconfigured(cause.to_owned())
}

fn failure(error: Error) -> Failure {
    match error {
        Error::AccessDenied => misconfigured("access to the database `default` is denied"),
        Error::DatabaseFull => Failure::Full,
        Error::NoSuchDatabase => misconfigured("the database `default` does not exist"),
        Error::InvalidConnection => Failure::Unavailable("the connection is gone".to_owned()),
        Error::Io(words) => Failure::Unavailable(words),
    }
}
