//! `spin:sqlite` on a file that processes share: SQLite with its defaults, and rows that are fetched one by one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rusqlite::{params_from_iter, types};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task,
};
use wasmtime::{
    StoreContextMut,
    component::{
        Accessor, Destination, FutureReader, Resource, StreamProducer, StreamReader, StreamResult,
    },
};

use crate::{
    bindings::spin::sqlite::sqlite::{
        Error, Host, HostConnection, HostConnectionWithStore, RowResult, Value,
    },
    platform::{Imports, State},
};

/// The connection of a component.
#[allow(unreachable_pub, reason = "the bindings export it again")]
pub struct Connection(Arc<Mutex<rusqlite::Connection>>);

/// A running statement: the names of its columns, its rows, and how it ended.
type Execution = (
    Vec<String>,
    StreamReader<RowResult>,
    FutureReader<Result<(), Error>>,
);

impl Host for State {}

impl HostConnection for State {
    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl<T: Send> HostConnectionWithStore<T> for Imports {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        database: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        accessor.with(|mut access| {
            let State { app, table, .. } = access.get();
            let Some(file) = app.database.as_ref().filter(|_| database == "default") else {
                return Ok(Err(Error::AccessDenied));
            };
            match rusqlite::Connection::open(file) {
                Ok(opened) => Ok(Ok(table.push(Connection(Arc::new(Mutex::new(opened))))?)),
                Err(error) => Ok(Err(Error::Io(error.to_string()))),
            }
        })
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Execution, Error>> {
        let connection = accessor.with(|mut access| {
            let table = &access.get().table;
            table.get(&connection).map(|held| Arc::clone(&held.0))
        })?;
        let (names, columns) = oneshot::channel();
        // A statement runs only as far as its rows are read: if some rows are not read, it stays unfinished.
        let (found, rows) = mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        task::spawn_blocking(move || {
            let connection = connection.blocking_lock();
            let outcome = run(&connection, &statement, parameters, names, &found);
            drop(found);
            let _ = end.send(outcome.map_err(|error| Error::Io(error.to_string())));
        });
        // An invalid statement has no columns; the error appears only at the end, if the result is read.
        let columns = columns.await.unwrap_or_default();
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, Rows(rows))?;
            let ended = FutureReader::new(&mut access, ended)?;
            Ok(Ok((columns, rows, ended)))
        })
    }
}

fn run(
    connection: &rusqlite::Connection,
    statement: &str,
    parameters: Vec<Value>,
    names: oneshot::Sender<Vec<String>>,
    found: &mpsc::Sender<RowResult>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(statement)?;
    let columns = statement.column_names();
    let width = columns.len();
    let _ = names.send(columns.into_iter().map(str::to_owned).collect());
    let parameters = parameters.into_iter().map(to_sqlite);
    let mut rows = statement.query(params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        let values = (0..width).map(|column| row.get_ref(column).map(from_sqlite));
        let values = values.collect::<rusqlite::Result<_>>()?;
        if found.blocking_send(RowResult { values }).is_err() {
            break;
        }
    }
    Ok(())
}

fn to_sqlite(value: Value) -> types::Value {
    match value {
        Value::Integer(integer) => types::Value::Integer(integer),
        Value::Real(real) => types::Value::Real(real),
        Value::Text(text) => types::Value::Text(text),
        Value::Blob(bytes) => types::Value::Blob(bytes),
        Value::Null => types::Value::Null,
    }
}

fn from_sqlite(value: types::ValueRef<'_>) -> Value {
    match value {
        types::ValueRef::Integer(integer) => Value::Integer(integer),
        types::ValueRef::Real(real) => Value::Real(real),
        types::ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        types::ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        types::ValueRef::Null => Value::Null,
    }
}

/// Rows as a stream. The end comes separately, after the last row. The runtime stops an instance that reads again after
/// that, here as under Spin.
struct Rows(mpsc::Receiver<RowResult>);

impl<D: 'static> StreamProducer<D> for Rows {
    type Item = RowResult;
    type Buffer = Option<RowResult>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut reader: Destination<'a, Self::Item, Self::Buffer>,
        cancelled: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        Poll::Ready(Ok(match self.0.poll_recv(context) {
            Poll::Ready(Some(row)) => {
                reader.set_buffer(Some(row));
                StreamResult::Completed
            }
            Poll::Ready(None) => StreamResult::Dropped,
            Poll::Pending if cancelled => StreamResult::Cancelled,
            Poll::Pending => return Poll::Pending,
        }))
    }
}
