//! A limited number of connections, and the work that is done on them.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};
use twin_capabilities::Failure;

use crate::{
    connection::{Place, Session},
    error::Trouble,
};

/// The time limit of a piece of work, including the wait for a connection: the longest that any caller waits.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Work that can be repeated is repeated if its connection was lost within this time.
const AGAIN_WITHIN: Duration = Duration::from_secs(2);

/// A piece of work: some statements on one connection.
pub(crate) trait Work: Send + Sync + 'static {
    /// The result.
    type Output: Send + 'static;

    /// Does the work. When it returns, no transaction is open, or the connection is no longer used.
    fn run(&self, session: &Session) -> impl Future<Output = Result<Self::Output, Trouble>> + Send;
}

/// Connections that are opened when needed, and kept. Clones share them.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    place: Arc<Place>,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool of at most `limit` connections.
    pub(crate) fn new(place: Arc<Place>, limit: usize) -> Self {
        Self(Arc::new(Shared {
            place,
            permits: Semaphore::new(limit),
            idle: Mutex::default(),
        }))
    }

    /// Does work once. If this fails, whether the work took effect is unknown.
    pub(crate) async fn once<W: Work>(&self, work: W) -> Result<W::Output, Failure> {
        Ok(self.detached(work, false).await?)
    }

    /// Does work that can be repeated: once more if its connection is lost and there is time.
    pub(crate) async fn again<W: Work>(&self, work: W) -> Result<W::Output, Failure> {
        Ok(self.detached(work, true).await?)
    }

    /// Like [`Self::again`], for callers that need the details of a failure.
    pub(crate) async fn attempt<W: Work>(&self, work: Arc<W>) -> Result<W::Output, Trouble> {
        let limit = Instant::now() + LIMIT;
        timeout_at(limit, self.work(work.as_ref(), true))
            .await
            .unwrap_or(Err(Trouble::TooSlow))
    }

    /// Does the work in a separate task, which continues if the caller stops waiting.
    async fn detached<W: Work>(&self, work: W, again: bool) -> Result<W::Output, Trouble> {
        let pool = self.clone();
        let task = tokio::spawn(async move {
            timeout(LIMIT, pool.work(&work, again))
                .await
                .unwrap_or(Err(Trouble::TooSlow))
        });
        task.await.unwrap_or(Err(Trouble::TooSlow))
    }

    async fn work<W: Work>(&self, work: &W, again: bool) -> Result<W::Output, Trouble> {
        let began = Instant::now();
        let done = self.try_once(work).await;
        match done {
            Err(trouble) if again && trouble.may_pass() && began.elapsed() < AGAIN_WITHIN => {
                tracing::debug!(%trouble, "the work is done again on another connection");
                self.try_once(work).await
            }
            done => done,
        }
    }

    async fn try_once<W: Work>(&self, work: &W) -> Result<W::Output, Trouble> {
        let lent = self.lend().await?;
        let done = match work.run(lent.session()?).await {
            Ok(_) if lent.session()?.take_doubt() => Err(Trouble::Doubtful),
            done => done,
        };
        match &done {
            Ok(_) => lent.give_back(),
            Err(trouble) if trouble.spares_connection() => lent.give_back(),
            Err(Trouble::Statement(error)) if error.as_db_error().is_none() => {
                // The cause probably broke the other open connections, too.
                self.idle().clear();
            }
            Err(_) => {}
        }
        done
    }

    /// An idle connection, or a new one as soon as the limit allows it.
    async fn lend(&self) -> Result<Lent<'_>, Trouble> {
        let permit = self.0.permits.acquire().await.map_err(|_| Trouble::Busy)?;
        let session = loop {
            let kept = self.idle().pop();
            match kept {
                Some(session) if session.is_spent() => {}
                Some(session) => break session,
                None => break self.0.place.connect(None).await?,
            }
        };
        Ok(Lent {
            pool: self,
            session: Some(session),
            _permit: permit,
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. If it is dropped without being given back, it is closed, because its state is unknown.
struct Lent<'pool> {
    pool: &'pool Pool,
    session: Option<Session>,
    _permit: SemaphorePermit<'pool>,
}

impl Lent<'_> {
    fn session(&self) -> Result<&Session, Trouble> {
        self.session.as_ref().ok_or(Trouble::Busy)
    }

    fn give_back(mut self) {
        if let Some(session) = self.session.take().filter(|session| !session.is_spent()) {
            self.pool.idle().push(session);
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.cut();
        }
    }
}
