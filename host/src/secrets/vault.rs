//! Secrets as they are now: looked up by reference, and remembered for a while.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::time::{Instant, timeout};
use twin_capabilities::{Failure, Secrets};
use twin_contract::{is_key, keys};

use super::{Configured, Lookup, LookupError, Reference, Secret, Services};

/// How long a value is used before it is looked up again, unless `SECRET_TTL_SECONDS` says otherwise.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_secs(300);

/// The upper limit for a lookup.
const LONGEST: Duration = Duration::from_secs(5);

/// The least time between two lookups of a value because it was refused: a peer that refuses every request must not turn each
/// of them into a request to the service.
pub(crate) const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// How soon a lookup that failed is tried again while an older value is in use.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// The secrets of a host: those that are kept elsewhere, and those that its configuration has.
///
/// A value is used for a time ([`Self::new`]) and then looked up again in the background, so no request waits for that. If the
/// lookup fails, or finds something that cannot be a key, the last value stays in use. Each secret is looked up by one task at a
/// time, and all callers who need the result share it.
pub struct Vault {
    lookup: Arc<dyn Lookup>,
    ttl: Duration,
    pause: Duration,
    shelves: Mutex<HashMap<Reference, Arc<Shelf>>>,
}

/// One secret.
struct Shelf {
    reference: Reference,
    known: Mutex<Known>,
}

/// What is known of a secret.
#[derive(Default)]
struct Known {
    value: Option<Secret>,
    read_at: Option<Instant>,
    failed_at: Option<Instant>,
    /// When it was last looked up because it was refused.
    renewed_at: Option<Instant>,
    under_way: Option<LookingUp>,
}

/// A lookup that is under way. It continues if nobody waits for it.
type LookingUp = Shared<BoxFuture<'static, Result<Secret, LookupError>>>;

/// The result of looking up a secret because it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It is another one now.
    Changed,
    /// It is the same, or not a reference.
    Unchanged,
    /// It was looked up for this reason a moment ago, and not again.
    TooSoon,
}

impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Default for Vault {
    /// Looks up files and the services that were compiled in, and remembers values for five minutes.
    fn default() -> Self {
        Self::new(Arc::new(Services::default()), DEFAULT_TTL)
    }
}

impl Vault {
    /// Looks up secrets there, and remembers them for `ttl`.
    #[must_use]
    pub fn new(lookup: Arc<dyn Lookup>, ttl: Duration) -> Self {
        Self {
            lookup,
            ttl,
            pause: AFTER_REFUSAL,
            shelves: Mutex::default(),
        }
    }

    /// For tests that do not wait.
    #[cfg(test)]
    pub(crate) fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The current value, as it is kept.
    ///
    /// # Errors
    /// Why it cannot be looked up, if no older value is remembered.
    pub async fn value(&self, configured: &Configured) -> Result<Secret, LookupError> {
        match configured {
            Configured::Value(value) => Ok(value.clone()),
            Configured::Reference(reference) => self.value_of(reference).await,
        }
    }

    async fn value_of(&self, reference: &Reference) -> Result<Secret, LookupError> {
        let shelf = self.shelf(reference);
        let Some((value, is_due)) = shelf.remembered(self.ttl) else {
            return self.look_up(&shelf).await;
        };
        if is_due {
            // The task continues without us; the next request gets what it finds.
            drop(self.look_up(&shelf));
        }
        Ok(value)
    }

    /// The keys of the current value, which is one or a comma-separated list.
    ///
    /// # Errors
    /// As for [`Self::value`].
    pub async fn keys(&self, configured: &Configured) -> Result<Vec<Secret>, LookupError> {
        match configured {
            Configured::Value(value) => Ok(vec![value.clone()]),
            Configured::Reference(reference) => {
                let value = self.value_of(reference).await?;
                Ok(keys(value.expose()).map(Secret::new).collect())
            }
        }
    }

    /// Looks up a value before its time, because it was refused, unless that was done within `pause`.
    ///
    /// # Errors
    /// Why it cannot be looked up.
    pub async fn renew(
        &self,
        configured: &Configured,
        pause: Duration,
    ) -> Result<Renewal, LookupError> {
        let Some(reference) = configured.reference() else {
            return Ok(Renewal::Unchanged);
        };
        let shelf = self.shelf(reference);
        let before = {
            let mut known = shelf.known();
            if known.renewed_at.is_some_and(|at| at.elapsed() < pause) {
                return Ok(Renewal::TooSoon);
            }
            known.renewed_at = Some(Instant::now());
            known.value.clone()
        };
        let now = self.look_up(&shelf).await?;
        Ok(if before == Some(now) {
            Renewal::Unchanged
        } else {
            Renewal::Changed
        })
    }

    fn shelf(&self, reference: &Reference) -> Arc<Shelf> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves.get(reference) {
            return Arc::clone(shelf);
        }
        let shelf = Arc::new(Shelf {
            reference: reference.clone(),
            known: Mutex::default(),
        });
        shelves.insert(reference.clone(), Arc::clone(&shelf));
        shelf
    }

    /// The lookup that is under way, or a new one.
    fn look_up(&self, shelf: &Arc<Shelf>) -> LookingUp {
        // Held until the task is noted, so that it cannot end before.
        let mut known = shelf.known();
        if let Some(under_way) = &known.under_way {
            return under_way.clone();
        }
        let panicked =
            LookupError::Unavailable(shelf.reference.clone(), "it ended early".to_owned());
        let (lookup, shelf) = (Arc::clone(&self.lookup), Arc::clone(shelf));
        let task = tokio::spawn(async move {
            let found = read(&*lookup, &shelf.reference).await;
            shelf.keep(&found);
            found
        });
        let under_way = async move { task.await.unwrap_or(Err(panicked)) };
        let under_way = under_way.boxed().shared();
        known.under_way = Some(under_way.clone());
        under_way
    }
}

impl Shelf {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value that is remembered, and whether it should be looked up again.
    fn remembered(&self, ttl: Duration) -> Option<(Secret, bool)> {
        let known = self.known();
        let within = |at: Option<Instant>, time| at.is_some_and(|at| at.elapsed() < time);
        let is_due = !within(known.read_at, ttl) && !within(known.failed_at, AFTER_FAILURE);
        Some((known.value.clone()?, is_due))
    }

    /// Keeps what a lookup found. A failure leaves the last value in use.
    fn keep(&self, found: &Result<Secret, LookupError>) {
        let mut known = self.known();
        known.under_way = None;
        match found {
            Ok(value) => {
                known.value = Some(value.clone());
                known.read_at = Some(Instant::now());
                known.failed_at = None;
            }
            Err(error) => {
                known.failed_at = Some(Instant::now());
                if known.value.is_some() {
                    tracing::warn!(%error, "a secret could not be looked up again: its last value stays in use");
                }
            }
        }
    }
}

/// Reads a secret that must be a key, or a list of keys.
async fn read(lookup: &dyn Lookup, reference: &Reference) -> Result<Secret, LookupError> {
    let found = timeout(LONGEST, lookup.read(reference)).await;
    let value = found.unwrap_or_else(|_| {
        let cause = format!("no answer within {} s", LONGEST.as_secs());
        Err(LookupError::Unavailable(reference.clone(), cause))
    })?;
    if keys(value.expose()).all(is_key) {
        Ok(value)
    } else {
        Err(LookupError::NotKeys(reference.clone()))
    }
}

#[async_trait]
impl Secrets for Vault {
    async fn current(&self, configured: &Configured) -> Result<Secret, Failure> {
        let keys = self.keys(configured).await.map_err(failure)?;
        // Of a list, a sender presents the first.
        let first = keys.into_iter().next();
        first.ok_or_else(|| Failure::Other("a list of keys without any".to_owned()))
    }

    async fn refused(&self, configured: &Configured, presented: &Secret) -> bool {
        if configured.reference().is_none() {
            return false;
        }
        let changed = |current: Result<Secret, Failure>| current.is_ok_and(|key| key != *presented);
        // Another request may have been refused before, and have brought the new value.
        if changed(self.current(configured).await) {
            return true;
        }
        match self.renew(configured, self.pause).await {
            Ok(Renewal::Changed) => changed(self.current(configured).await),
            Ok(Renewal::Unchanged | Renewal::TooSoon) => false,
            Err(error) => {
                tracing::warn!(%error, "a key was refused, and could not be looked up again");
                false
            }
        }
    }
}

fn failure(error: LookupError) -> Failure {
    match &error {
        LookupError::Unavailable(..) => Failure::Unavailable(error.to_string()),
        _ => Failure::Misconfigured(error.to_string()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const TTL: Duration = Duration::from_secs(300);

    /// One secret at a service, which counts how often it is asked.
    #[derive(Default)]
    pub(crate) struct Service {
        value: Mutex<Option<&'static str>>,
        asked: AtomicUsize,
        takes: Duration,
    }

    impl Service {
        pub(crate) fn of(value: &'static str) -> Arc<Self> {
            let service = Arc::new(Self::default());
            service.set(Some(value));
            service
        }

        pub(crate) fn set(&self, value: Option<&'static str>) {
            *self.value.lock().unwrap() = value;
        }

        pub(crate) fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl Lookup for Service {
        async fn read(&self, reference: &Reference) -> Result<Secret, LookupError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if !self.takes.is_zero() {
                tokio::time::sleep(self.takes).await;
            }
            let value = *self.value.lock().unwrap();
            let unavailable = || LookupError::Unavailable(reference.clone(), "down".to_owned());
            value.map(Secret::new).ok_or_else(unavailable)
        }
    }

    /// A reference, as a variable has it.
    pub(crate) const REFERENCE: &str = "file:/run/secrets/token";

    fn reference() -> Configured {
        Configured::parse(REFERENCE).unwrap()
    }

    /// Lets a lookup in the background end.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    async fn pass(time: Duration) {
        tokio::time::advance(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_its_own_value_and_asks_nobody() {
        let service = Service::of("other");
        let vault = Vault::new(service.clone(), TTL);
        let key = Secret::new("a,key");
        let configured = Configured::from(key.clone());
        assert_eq!(vault.current(&configured).await, Ok(key.clone()));
        assert!(!vault.refused(&configured, &key).await);
        assert_eq!(service.asked(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_remembered_for_its_time_and_kept_while_the_service_is_down() {
        let service = Service::of("old");
        let vault = Vault::new(service.clone(), TTL);
        let current = async || vault.current(&reference()).await.unwrap();
        assert_eq!(current().await, Secret::new("old"));
        service.set(Some("new"));
        pass(TTL - Duration::from_millis(1)).await;
        assert_eq!(current().await, Secret::new("old"));
        assert_eq!(service.asked(), 1);
        pass(Duration::from_millis(1)).await;
        // No request waits for the lookup: the next one gets what it finds.
        assert_eq!(current().await, Secret::new("old"));
        settle().await;
        assert_eq!(current().await, Secret::new("new"));

        for unusable in [None, Some(""), Some("a key")] {
            service.set(unusable);
            let asked = service.asked();
            pass(TTL).await;
            for _ in 0..3 {
                assert_eq!(current().await, Secret::new("new"));
                settle().await;
            }
            assert_eq!(
                service.asked(),
                asked + 1,
                "it is not asked for each request"
            );
        }
        service.set(Some("newer"));
        pass(AFTER_FAILURE).await;
        current().await;
        settle().await;
        assert_eq!(current().await, Secret::new("newer"));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_value_nothing_is_presented() {
        let service = Arc::new(Service::default());
        let vault = Vault::new(service.clone(), TTL);
        for asked in 1..=2 {
            let current = vault.current(&reference()).await;
            assert!(
                matches!(current, Err(Failure::Unavailable(_))),
                "{current:?}"
            );
            assert_eq!(service.asked(), asked);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_value_is_looked_up_again_but_not_for_each_request() {
        let service = Service::of("old");
        let vault = Vault::new(service.clone(), TTL);
        let old = vault.current(&reference()).await.unwrap();
        service.set(Some("new"));
        assert!(vault.refused(&reference(), &old).await);
        // Those that were refused at the same time find the new value.
        assert!(vault.refused(&reference(), &old).await);
        assert_eq!(service.asked(), 2);
        // A peer that refuses the new one, too, is not the service's fault.
        for _ in 0..10 {
            assert!(!vault.refused(&reference(), &Secret::new("new")).await);
        }
        assert_eq!(service.asked(), 2);
        pass(AFTER_REFUSAL).await;
        assert!(!vault.refused(&reference(), &Secret::new("new")).await);
        assert_eq!(service.asked(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_has_keys_of_which_a_sender_presents_the_first() {
        let service = Service::of("new, old");
        let vault = Vault::new(service.clone(), TTL);
        let keys = vault.keys(&reference()).await;
        assert_eq!(keys, Ok(vec![Secret::new("new"), Secret::new("old")]));
        assert_eq!(vault.current(&reference()).await, Ok(Secret::new("new")));
        for unusable in ["", "a,,b", "a b", "a\tb"] {
            let vault = Vault::new(Service::of(unusable), TTL);
            let keys = vault.keys(&reference()).await;
            assert!(matches!(keys, Err(LookupError::NotKeys(_))), "{unusable:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_need_a_value_share_one_lookup_that_outlives_them() {
        let service = Arc::new(Service {
            takes: Duration::from_secs(1),
            ..Service::default()
        });
        service.set(Some("key"));
        let vault = Vault::new(service.clone(), TTL);
        let secret = reference();
        let all = futures_util::future::join_all((0..8).map(|_| vault.current(&secret)));
        assert!(all.await.iter().all(Result::is_ok));
        assert_eq!(service.asked(), 1);
        // One that is refused and gone does not keep the next from the new value.
        service.set(Some("new"));
        let presented = Secret::new("key");
        let gone = timeout(Duration::from_millis(1), vault.refused(&secret, &presented));
        assert!(gone.await.is_err());
        pass(Duration::from_secs(1)).await;
        settle().await;
        assert_eq!(vault.current(&secret).await, Ok(Secret::new("new")));
        assert_eq!(service.asked(), 2);
    }

    #[tokio::test]
    async fn a_file_is_read_without_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let secret = Configured::Reference(Reference::File(file.clone()));
        let value = async || Vault::default().value(&secret).await;
        assert!(matches!(value().await, Err(LookupError::Missing(_))));
        for (content, expected) in [("key", "key"), ("key\n", "key"), ("key\r\n", "key")] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(value().await, Ok(Secret::new(expected)));
        }
        std::fs::write(&file, b"\xFF").unwrap();
        assert!(matches!(value().await, Err(LookupError::Unusable(_))));
        std::fs::write(&file, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(value().await, Err(LookupError::Unusable(_))));
        #[cfg(not(feature = "gcp"))]
        {
            let elsewhere = Configured::parse("projects/p/secrets/s/versions/1").unwrap();
            let value = Vault::default().value(&elsewhere).await;
            assert!(matches!(value, Err(LookupError::NotCompiledIn(_, "gcp"))));
        }
    }
}
