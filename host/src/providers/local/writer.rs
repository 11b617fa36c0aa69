//! The thread that writes: many jobs, one commit, and no reply before the commit is on the disk.
//!
//! While one batch is on its way to the disk, the next one gathers in the queue. Lingering for more company would be
//! measurably slower, with one producer (5400 to 1700 puts/s at 0.3 ms) as with 64 (27 000 to 24 000).

use std::{
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use rusqlite::{Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    LocalError,
    database::{Access, Database},
    queue::{Crew, Queue},
    session::{Link, Session},
};
use crate::{bindings::types::Failure, telemetry::metrics};

/// The most jobs in a batch.
const BATCH: usize = 512;

/// The thread that writes.
pub(super) struct Writer(Crew<Box<dyn Job>>);

impl Writer {
    /// Opens the database for writing, and starts the thread.
    pub(super) fn start(database: &Database) -> Result<Self, LocalError> {
        let link = Link::open(database, Access::Write)?;
        Crew::start("store-writer", [link], write).map(Self)
    }

    /// Does some work: durably if this returns its result, as a whole or not at all.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, Failure>
    where
        T: Send + 'static,
        W: FnOnce(&Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        self.0.hand(Box::new(Task {
            work: Some(work),
            result: Err(not_done()),
            reply,
        }))?;
        result.await.unwrap_or_else(|_| Err(not_done()))
    }
}

fn not_done() -> Failure {
    Failure::Unavailable("the store did not come to it".to_owned())
}

fn write(link: &mut Link, queue: &Queue<Box<dyn Job>>) {
    while let Some(mut batch) = next_batch(queue) {
        let started = Instant::now();
        let written = link.run(|session| commit(session, &mut batch));
        metrics::commit(started.elapsed());
        // The caller logs the failure, where it is handled.
        let lost = written.err().map(|error| error.unavailable());
        for job in batch {
            job.reply(lost.as_ref());
        }
    }
}

fn next_batch(queue: &Queue<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
    let first = queue.next()?;
    let more = iter::from_fn(|| queue.next_waiting());
    Some(iter::once(first).chain(more).take(BATCH).collect())
}

fn commit(session: &Session<'_>, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    // Rolls back when dropped.
    let transaction =
        Transaction::new_unchecked(session.connection, TransactionBehavior::Immediate)?;
    for job in batch {
        job.run(session)?;
    }
    transaction.commit()
}

/// Work of any kind, with whoever waits for its result.
trait Job: Send {
    /// Does the work within the batch's transaction. An error is the batch's: this job's own is in its reply.
    fn run(&mut self, session: &Session<'_>) -> rusqlite::Result<()>;

    /// Replies, once the batch is durable or `lost`.
    fn reply(self: Box<Self>, lost: Option<&Failure>);
}

struct Task<W, T> {
    work: Option<W>,
    result: Result<T, Failure>,
    reply: oneshot::Sender<Result<T, Failure>>,
}

impl<W, T> Job for Task<W, T>
where
    T: Send,
    W: FnOnce(&Session<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, session: &Session<'_>) -> rusqlite::Result<()> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        session.execute("SAVEPOINT job", [])?;
        // A panic is this job's failure; the others of the batch are stored.
        match catch_unwind(AssertUnwindSafe(|| work(session))) {
            Ok(Ok(value)) => self.result = Ok(value),
            Ok(Err(error)) => {
                // After some errors SQLite has rolled back all of the transaction; then there is no savepoint either.
                if session.execute("ROLLBACK TO job", []).is_err() {
                    return Err(error);
                }
                self.result = Err(error.into());
            }
            Err(_) => {
                session.execute("ROLLBACK TO job", [])?;
            }
        }
        session.execute("RELEASE job", [])?;
        Ok(())
    }

    fn reply(self: Box<Self>, lost: Option<&Failure>) {
        let result = lost.map_or(self.result, |failure| Err(failure.clone()));
        // Whoever asked may have gone; what is stored is stored.
        let _ = self.reply.send(result);
    }
}
