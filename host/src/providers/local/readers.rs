//! The threads that read, beside the one that writes: each query sees all that was acknowledged before it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{
    LocalError,
    database::{Access, Database},
    files::Files,
    queue::{Crew, Queue},
    session::{Link, Session},
};
use crate::bindings::types::Failure;

const READERS: usize = 2;

type Job = Box<dyn FnOnce(&Link) + Send>;

/// The threads that read.
pub(super) struct Readers {
    crew: Crew<Job>,
    database: Database,
    /// The files in which a query met damage. It stays there until they are replaced.
    damaged: Arc<Mutex<Option<Files>>>,
}

impl Readers {
    /// Opens the database for reading, and starts the threads.
    pub(super) fn start(database: &Database) -> Result<Self, LocalError> {
        let links = (0..READERS)
            .map(|_| Link::open(database, Access::Read))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            crew: Crew::start("store-reader", links, read)?,
            database: database.clone(),
            damaged: Arc::default(),
        })
    }

    /// Runs a query.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, Failure>
    where
        T: Send + 'static,
        W: FnOnce(&Session<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let (damaged, database) = (Arc::clone(&self.damaged), self.database.clone());
        self.crew.hand(Box::new(move |link| {
            let found = link.run(work);
            if let Err(error) = &found
                && error.is_damage()
            {
                let mut damaged = damaged.lock().unwrap_or_else(PoisonError::into_inner);
                *damaged = Files::at(&database.path()).ok();
            }
            // Whoever asked may have gone.
            let _ = reply.send(found.map_err(Failure::from));
        }))?;
        result
            .await
            .unwrap_or_else(|_| Err(Failure::Unavailable("the query was not run".to_owned())))
    }

    /// Fails if a query met damage in the files that are there now.
    pub(super) fn healthy(&self) -> Result<(), Failure> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        match damaged.as_ref() {
            Some(files) if self.database.still_has(files).is_ok() => Err(Failure::Unavailable(
                "the database is damaged: `twin data check` tells where".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

fn read(link: &mut Link, queue: &Queue<Job>) {
    while let Some(job) = queue.next() {
        job(link);
    }
}
