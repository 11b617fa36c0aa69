//! A value that a service gives for a limited time, such as a token: kept while it is valid, and renewed before it ends.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::kept::{Age, Kept, Lasting};

/// How long a renewed value is left alone: a source may give the same one until it ends, and a peer may refuse every one.
const PAUSE: Duration = Duration::from_secs(30);

/// How long a failure is repeated to callers before the source is asked again, if there is no value.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// The service that gives the values.
pub trait Source: Send + Sync + 'static {
    /// A value. Two of them are equal if the service gave the same one again.
    type Value: Clone + PartialEq + Send + Sync + 'static;
    /// Why there is none.
    type Error: Clone + fmt::Display + Send + Sync + 'static;

    /// Asks the service once. The source limits the time that this takes.
    fn fetch(&self) -> impl Future<Output = Result<Lasting<Self::Value>, Self::Error>> + Send;
}

type Outcome<S> = Result<<S as Source>::Value, <S as Source>::Error>;

/// The values of one source. Clones share them.
///
/// All callers share one fetch. A value that gets old is renewed in the background, and is used until it ends if the source
/// fails.
pub struct Renewing<S: Source>(Arc<Inner<S>>);

struct Inner<S: Source> {
    source: S,
    now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    state: Mutex<State<S>>,
}

struct State<S: Source> {
    kept: Option<Kept<S::Value>>,
    /// The last fetch, if it failed.
    failed: Option<(SystemTime, S::Error)>,
    /// The last fetch. It has no outcome while it runs, and never gets one if it panicked.
    fetch: Option<watch::Receiver<Option<Outcome<S>>>>,
}

impl<S: Source> Clone for Renewing<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Source> fmt::Debug for Renewing<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Renewing").finish_non_exhaustive()
    }
}

impl<S: Source> Renewing<S> {
    /// Values of this source. Nothing is fetched before the first call.
    pub fn new(source: S) -> Self {
        Self::with_clock(source, SystemTime::now)
    }

    /// The same with a clock in place of the system's.
    pub fn with_clock(source: S, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            source,
            now: Box::new(now),
            state: Mutex::new(State {
                kept: None,
                failed: None,
                fetch: None,
            }),
        }))
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.0.source
    }

    /// A value that is valid now. A fetch continues even if its callers stop waiting. Must be called in a Tokio runtime.
    ///
    /// # Errors
    /// The source's failure, if there is no valid value.
    pub async fn current(&self) -> Outcome<S> {
        loop {
            let fetch = {
                let now = (self.0.now)();
                let mut state = self.0.state();
                let kept = state.kept.as_ref().map(|kept| (kept.age(now), kept));
                match kept {
                    Some((Age::Fresh, kept)) => return Ok(kept.value.clone()),
                    Some((Age::Old, kept)) => {
                        let value = kept.value.clone();
                        if state.failure(now, PAUSE).is_none() {
                            self.fetch(&mut state);
                        }
                        return Ok(value);
                    }
                    Some((Age::Over, _)) | None => match state.failure(now, FAILURE_PAUSE) {
                        Some(failure) => return Err(failure),
                        None => self.fetch(&mut state),
                    },
                }
            };
            if let Some(outcome) = outcome(fetch).await {
                return outcome;
            }
            // The source panicked; the limit on the caller's time ends the loop.
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
    }

    /// A peer refused `presented`. Renews it, unless it has just been renewed. True if the value is now another one.
    pub async fn refused(&self, presented: &S::Value) -> bool {
        let fetch = {
            let now = (self.0.now)();
            let mut state = self.0.state();
            match &state.kept {
                Some(kept) if kept.value != *presented => return true,
                Some(kept) if is_within(kept.since, PAUSE, now) => return false,
                _ if state.failure(now, PAUSE).is_some() => return false,
                _ => self.fetch(&mut state),
            }
        };
        matches!(outcome(fetch).await, Some(Ok(value)) if value != *presented)
    }

    /// The fetch under way, or a new one.
    fn fetch(&self, state: &mut State<S>) -> watch::Receiver<Option<Outcome<S>>> {
        let running = state.fetch.as_ref().filter(|fetch| {
            // An error means that the task has ended.
            fetch.borrow().is_none() && fetch.has_changed().is_ok()
        });
        if let Some(running) = running {
            return running.clone();
        }
        let (done, fetch) = watch::channel(None);
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let fetched = inner.source.fetch().await;
            let outcome = inner.take(fetched);
            done.send_replace(Some(outcome));
        });
        state.fetch = Some(fetch.clone());
        fetch
    }
}

impl<S: Source> Inner<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was fetched. A failure changes nothing about the value that is kept.
    fn take(&self, fetched: Result<Lasting<S::Value>, S::Error>) -> Outcome<S> {
        let now = (self.now)();
        let mut state = self.state();
        match fetched {
            Ok(lasting) => {
                let value = lasting.value.clone();
                state.kept = Some(Kept::new(lasting, now, PAUSE));
                state.failed = None;
                Ok(value)
            }
            Err(error) => {
                let is_usable = |kept: &Kept<S::Value>| !matches!(kept.age(now), Age::Over);
                if state.kept.as_ref().is_some_and(is_usable) {
                    tracing::warn!(%error, "a credential was not renewed: the present one is used until it ends");
                }
                state.failed = Some((now, error.clone()));
                Err(error)
            }
        }
    }
}

impl<S: Source> State<S> {
    /// The last fetch's failure, if it happened within `pause`.
    fn failure(&self, now: SystemTime, pause: Duration) -> Option<S::Error> {
        let (at, failure) = self.failed.as_ref()?;
        is_within(*at, pause, now).then(|| failure.clone())
    }
}

/// Whether less than `span` has passed since `then`. A `then` in the future, after the clock was set back, is long ago.
fn is_within(then: SystemTime, span: Duration, now: SystemTime) -> bool {
    now.duration_since(then).is_ok_and(|passed| passed < span)
}

/// The outcome of a fetch; `None` if its task ended without one.
async fn outcome<T: Clone>(mut fetch: watch::Receiver<Option<T>>) -> Option<T> {
    let outcome = fetch.wait_for(Option::is_some).await.ok()?;
    outcome.clone()
}

#[cfg(test)]
mod tests;
