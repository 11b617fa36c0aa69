//! Connections with a limit, and the work that is done on them.

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

/// The most time that a piece of work has, waiting for a connection included: as much as any caller waits.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Within this time work that may be done twice is done again after its connection was lost.
const AGAIN_WITHIN: Duration = Duration::from_secs(2);

/// A piece of work: some statements on one connection.
pub(crate) trait Work: Send + Sync + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// Does it. On return no transaction is open, or the connection is given up.
    fn run(&self, session: &Session) -> impl Future<Output = Result<Self::Output, Trouble>> + Send;
}

/// Some connections, opened as they are needed and kept. Clones share them.
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
    /// At most so many connections.
    pub(crate) fn new(place: Arc<Place>, limit: usize) -> Self {
        Self(Arc::new(Shared {
            place,
            permits: Semaphore::new(limit),
            idle: Mutex::default(),
        }))
    }

    /// Does some work once. Whether it happened is open if this fails.
    pub(crate) async fn once<W: Work>(&self, work: W) -> Result<W::Output, Failure> {
        Ok(self.detached(work, false).await?)
    }

    /// Does some work that may happen twice: once more if its connection is lost and there is time.
    pub(crate) async fn again<W: Work>(&self, work: W) -> Result<W::Output, Failure> {
        Ok(self.detached(work, true).await?)
    }

    /// As [`Self::again`], for those who want to know more of a failure.
    pub(crate) async fn attempt<W: Work>(&self, work: Arc<W>) -> Result<W::Output, Trouble> {
        let limit = Instant::now() + LIMIT;
        timeout_at(limit, self.work(work.as_ref(), true))
            .await
            .unwrap_or(Err(Trouble::TooSlow))
    }

    /// Does the work in a task of its own: it goes on if its caller does not wait for it.
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
                // What broke this connection broke the others, as far as they were open.
                self.idle().clear();
            }
            Err(_) => {}
        }
        done
    }

    /// A connection that is idle, or a new one, as soon as there may be one more.
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

/// A connection at work. Dropped without being given back, it is cut: nobody knows what is under way on it.
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
