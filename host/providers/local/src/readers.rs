//! The threads that read. Each query sees everything that was acknowledged before it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use twin_capabilities::types::Failure;

use super::{
    LocalError,
    database::{Access, Database},
    files::Files,
    queue::{Crew, Queue},
    session::{Link, Session},
};

const READERS: usize = 2;

/// How long reading counts as broken after the disk failed to answer a query. A successful query of other pages does not
/// show that these pages can be read again.
const UNREADABLE: Duration = Duration::from_secs(60);

type Job = Box<dyn FnOnce(&Link) + Send>;

/// The threads that read.
pub(super) struct Readers {
    crew: Crew<Job>,
    database: Database,
    /// The files in which a query found damage. They count as damaged until they are replaced.
    damaged: Arc<Mutex<Option<Files>>>,
    /// When the operating system last failed to read the files.
    unreadable: Arc<Mutex<Option<Instant>>>,
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
            unreadable: Arc::default(),
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
        let unreadable = Arc::clone(&self.unreadable);
        self.crew.hand(Box::new(move |link| {
            let found = link.run(work);
            match &found {
                Err(error) if error.is_damage() => {
                    let mut damaged = damaged.lock().unwrap_or_else(PoisonError::into_inner);
                    *damaged = Files::at(&database.path()).ok();
                }
                // A missing file says nothing about the disk.
                Err(error) if error.is_io() && database.path().exists() => {
                    let mut last = unreadable.lock().unwrap_or_else(PoisonError::into_inner);
                    *last = Some(Instant::now());
                }
                _ => {}
            }
            // The caller may have stopped waiting.
            let _ = reply.send(found.map_err(Failure::from));
        }))?;
        result
            .await
            .unwrap_or_else(|_| Err(Failure::Unavailable("the query was not run".to_owned())))
    }

    /// Fails if a query found damage in the present files, or if the disk recently failed to answer one.
    pub(super) fn healthy(&self, now: Instant) -> Result<(), Failure> {
        let unreadable = *self
            .unreadable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if unreadable.is_some_and(|at| now.saturating_duration_since(at) < UNREADABLE) {
            return Err(Failure::Unavailable(
                "the operating system could not read the database: the disk may be failing"
                    .to_owned(),
            ));
        }
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        match damaged.as_ref() {
            Some(files) if self.database.still_has(files).is_ok() => Err(Failure::Unavailable(
                "the database is damaged: `twin data check` shows where".to_owned(),
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
