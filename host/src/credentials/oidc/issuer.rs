//! The keys of one issuer, fetched when they are needed and remembered.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;
use url::Url;

use super::{
    discovery::{Discovery, FetchError},
    keys::{Key, KeySet, Wanted},
};
use crate::peers::words;

/// The age from which keys are fetched again, in the background.
pub(super) const REFRESHED: Duration = Duration::from_secs(60 * 60);

/// How long keys are used while the issuer cannot be reached.
pub(super) const USED: Duration = Duration::from_secs(24 * 60 * 60);

/// The least time between two fetches while there are keys: callers with unknown keys must not make each request one to the
/// issuer.
pub(super) const PAUSE: Duration = Duration::from_secs(60);

/// The least time between two fetches while there are none.
pub(super) const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(10);

/// An issuer of tokens.
pub(super) struct Issuer {
    name: String,
    url: Url,
    discovery: Arc<Discovery>,
    known: Mutex<Known>,
}

/// What is known of an issuer's keys.
#[derive(Default)]
struct Known {
    keys: Option<(Arc<KeySet>, Instant)>,
    /// When the last fetch began.
    tried_at: Option<Instant>,
    /// Why the last fetch failed.
    failure: Option<Arc<FetchError>>,
    under_way: Option<Fetching>,
}

/// A fetch that is under way, for all who need its result. It continues if nobody waits for it.
type Fetching = Shared<BoxFuture<'static, Fetched>>;
type Fetched = Result<Arc<KeySet>, Arc<FetchError>>;

/// What can be said about a key at once.
enum Look {
    Found(Arc<Key>),
    /// The issuer was asked a moment ago, and did not have it.
    Unknown,
    /// The issuer was asked a moment ago, in vain.
    Failed(Arc<FetchError>),
    Fetch(Fetching),
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Issuer").field(&self.name).finish()
    }
}

impl Issuer {
    /// An issuer whose keys are not known yet. `url` is that of its discovery document.
    pub(super) fn new(name: String, url: Url, discovery: Arc<Discovery>) -> Self {
        Self {
            name,
            url,
            discovery,
            known: Mutex::default(),
        }
    }

    /// As tokens name it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The key that a token names; `None` if the issuer does not have it.
    ///
    /// # Errors
    /// If that is not known, because the issuer's keys cannot be fetched now.
    pub(super) async fn key(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
    ) -> Result<Option<Arc<Key>>, Arc<FetchError>> {
        match self.look(wanted) {
            Look::Found(key) => Ok(Some(key)),
            Look::Unknown => Ok(None),
            Look::Failed(error) => Err(error),
            Look::Fetch(fetching) => Ok(fetching.await?.find(wanted)),
        }
    }

    fn look(self: &Arc<Self>, wanted: Wanted<'_>) -> Look {
        // Held until a fetch is noted, so that all share it.
        let mut known = self.known();
        let usable = known.usable();
        let pause = match usable {
            Some(_) => PAUSE,
            None => PAUSE_WITHOUT_KEYS,
        };
        let may_fetch = known.tried_at.is_none_or(|at| at.elapsed() >= pause);
        if let Some((keys, age)) = usable
            && let Some(key) = keys.find(wanted)
        {
            if age >= REFRESHED && may_fetch && known.under_way.is_none() {
                // The task continues without us; the next request gets what it finds.
                drop(self.fetch(&mut known));
            }
            return Look::Found(key);
        }
        match (&known.under_way, &known.failure) {
            (Some(under_way), _) => Look::Fetch(under_way.clone()),
            (None, _) if may_fetch => Look::Fetch(self.fetch(&mut known)),
            (None, Some(error)) => Look::Failed(Arc::clone(error)),
            (None, None) => Look::Unknown,
        }
    }

    fn fetch(self: &Arc<Self>, known: &mut Known) -> Fetching {
        let issuer = Arc::clone(self);
        let task = tokio::spawn(async move {
            let keys = issuer.discovery.keys(&issuer.name, &issuer.url);
            let keys = AssertUnwindSafe(keys).catch_unwind().await;
            let fetched = keys.unwrap_or(Err(FetchError::Ended));
            let fetched = fetched.map(Arc::new).map_err(Arc::new);
            issuer.keep(&fetched);
            fetched
        });
        let fetching = async move {
            task.await
                .unwrap_or_else(|_| Err(Arc::new(FetchError::Ended)))
        };
        let fetching = fetching.boxed().shared();
        known.tried_at = Some(Instant::now());
        known.under_way = Some(fetching.clone());
        fetching
    }

    /// Keeps what a fetch brought. A failure leaves the last keys in use.
    fn keep(&self, fetched: &Fetched) {
        let mut known = self.known();
        known.under_way = None;
        match fetched {
            Ok(keys) => {
                known.keys = Some((Arc::clone(keys), Instant::now()));
                known.failure = None;
            }
            Err(error) => {
                if known.usable().is_some() {
                    tracing::warn!(
                        issuer = self.name,
                        error = words(&**error),
                        "the keys of an issuer could not be fetched again: the last ones stay in use"
                    );
                }
                known.failure = Some(Arc::clone(error));
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The keys, if they may still be used, and their age.
    fn usable(&self) -> Option<(Arc<KeySet>, Duration)> {
        let (keys, read_at) = self.keys.as_ref()?;
        let age = read_at.elapsed();
        (age < USED).then(|| (Arc::clone(keys), age))
    }
}
