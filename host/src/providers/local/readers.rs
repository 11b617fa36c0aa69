//! The threads that read, beside the one that writes: each query sees all that was acknowledged before it.

use tokio::sync::oneshot;

use super::{
    LocalError,
    database::{Access, Database},
    queue::{Crew, Queue},
    session::{Link, Session},
};
use crate::bindings::types::Failure;

const READERS: usize = 2;

type Job = Box<dyn FnOnce(&mut Link) + Send>;

/// The threads that read.
pub(super) struct Readers(Crew<Job>);

impl Readers {
    /// Opens the database for reading, and starts the threads.
    pub(super) fn start(database: &Database) -> Result<Self, LocalError> {
        let links = (0..READERS)
            .map(|_| Link::open(database, Access::Read))
            .collect::<Result<Vec<_>, _>>()?;
        Crew::start("store-reader", links, read).map(Self)
    }

    /// Runs a query.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, Failure>
    where
        T: Send + 'static,
        W: FnOnce(&Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        self.0.hand(Box::new(move |link| {
            // Whoever asked may have gone.
            let _ = reply.send(link.run(work).map_err(Failure::from));
        }))?;
        result
            .await
            .unwrap_or_else(|_| Err(Failure::Unavailable("the query was not run".to_owned())))
    }
}

fn read(link: &mut Link, queue: &Queue<Job>) {
    while let Some(job) = queue.next() {
        job(link);
    }
}
