//! The check of a caller's key where keys are kept elsewhere, and change.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use twin_capabilities::{
    Verifier,
    credentials::{Caller, Denied, Presented},
};
use twin_contract::Cloud;

use super::Credentials;
use crate::{
    config::{Config, ConfigError, needs},
    secrets::{Configured, LookupError, Renewal, Secret, Vault},
};

/// How soon an unknown key makes the host look up the keys again after another one has done so: callers with wrong keys must not make each request one to
/// the service.
const AFTER_UNKNOWN_KEY: Duration = Duration::from_secs(10);

/// How many earlier sets of keys are remembered.
const REMEMBERED: usize = 8;

/// The keys that are valid now, some of which are looked up.
///
/// A key that is not among them may be new: then the references are looked up again, at most once in ten seconds. Within these, an
/// unknown key is neither accepted nor refused; its sender is to try again.
pub struct RotatingCredentials {
    vault: Arc<Vault>,
    cloud: Cloud,
    /// As configured.
    keys: Vec<Configured>,
    operator_keys: Vec<Configured>,
    /// Whether some of them are references.
    rotates: bool,
    pause: Duration,
    made: RwLock<Made>,
}

/// The check, the keys that it was made of, and the checks before it.
struct Made {
    of: Keys,
    credentials: Arc<Credentials>,
    withdrawn: VecDeque<Arc<Credentials>>,
}

/// The keys as they are.
#[derive(Clone, PartialEq, Eq)]
struct Keys {
    data: Vec<Secret>,
    operators: Vec<Secret>,
}

impl std::fmt::Debug for RotatingCredentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RotatingCredentials")
            .finish_non_exhaustive()
    }
}

impl RotatingCredentials {
    /// Looks up all keys.
    ///
    /// # Errors
    /// The variable whose secret cannot be used.
    pub async fn of(config: &Config, vault: Arc<Vault>) -> Result<Self, ConfigError> {
        let of = Keys {
            data: all(&vault, "INTER_CLOUD_TOKEN", &config.keys).await?,
            operators: all(&vault, "TWIN_OPERATOR_TOKEN", &config.operator_keys).await?,
        };
        if of.overlap() {
            return Err(needs::operators_need_keys_of_their_own());
        }
        let credentials = Arc::new(of.credentials(config.cloud));
        let mut configured = config.keys.iter().chain(&config.operator_keys);
        Ok(Self {
            rotates: configured.any(|key| key.reference().is_some()),
            vault,
            cloud: config.cloud,
            keys: config.keys.clone(),
            operator_keys: config.operator_keys.clone(),
            pause: AFTER_UNKNOWN_KEY,
            made: RwLock::new(Made {
                of,
                credentials,
                withdrawn: VecDeque::new(),
            }),
        })
    }

    /// For tests that do not wait.
    #[cfg(test)]
    pub(crate) fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The check by the keys as they are now.
    async fn now(&self) -> Result<Arc<Credentials>, LookupError> {
        if !self.rotates {
            return Ok(self.made());
        }
        let of = Keys {
            data: look_up(&self.vault, &self.keys).await?,
            operators: look_up(&self.vault, &self.operator_keys).await?,
        };
        {
            let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
            if made.of == of {
                return Ok(Arc::clone(&made.credentials));
            }
        }
        if of.overlap() {
            tracing::error!(
                "a key is in INTER_CLOUD_TOKEN and in TWIN_OPERATOR_TOKEN: the keys before stay valid"
            );
            return Ok(self.made());
        }
        let credentials = Arc::new(of.credentials(self.cloud));
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        made.of = of;
        let before = std::mem::replace(&mut made.credentials, Arc::clone(&credentials));
        made.withdrawn.push_front(before);
        made.withdrawn.truncate(REMEMBERED);
        tracing::info!("the keys of callers have changed");
        Ok(credentials)
    }

    /// Whether these headers have a key that was valid before: its sender must learn that it is not any more.
    fn was_valid(&self, headers: &[(String, String)]) -> bool {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let mut withdrawn = made.withdrawn.iter();
        withdrawn.any(|before| before.verify(headers).is_ok())
    }

    fn made(&self) -> Arc<Credentials> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&made.credentials)
    }

    /// Looks up the references again.
    ///
    /// # Errors
    /// If they cannot be looked up, or it is too soon to do so again.
    async fn renew(&self) -> Result<(), Denied> {
        let mut too_soon = false;
        for key in self.keys.iter().chain(&self.operator_keys) {
            let renewed = self.vault.renew(key, self.pause).await;
            too_soon |= renewed.map_err(unavailable)? == Renewal::TooSoon;
        }
        if too_soon {
            let cause = "an unknown key, and the keys were looked up a moment ago";
            return Err(Denied::Unavailable(cause.to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Verifier for RotatingCredentials {
    async fn verify(&self, presented: Presented) -> Result<Caller, Denied> {
        let verified = self
            .now()
            .await
            .map_err(unavailable)?
            .verify(&presented.headers);
        if verified != Err(Denied::Wrong) || !self.rotates {
            return verified;
        }
        if self.was_valid(&presented.headers) {
            return Err(Denied::Wrong);
        }
        self.renew().await?;
        let credentials = self.now().await.map_err(unavailable)?;
        credentials.verify(&presented.headers)
    }
}

impl Keys {
    /// Whether a key is in both lists, which would give each side the other's rights.
    fn overlap(&self) -> bool {
        self.data.iter().any(|key| self.operators.contains(key))
    }

    fn credentials(&self, cloud: Cloud) -> Credentials {
        Credentials::new(cloud, &self.data).with_operators(&self.operators)
    }
}

async fn look_up(vault: &Vault, configured: &[Configured]) -> Result<Vec<Secret>, LookupError> {
    let mut keys = Vec::new();
    for configured in configured {
        keys.extend(vault.keys(configured).await?);
    }
    Ok(keys)
}

async fn all(
    vault: &Vault,
    variable: &'static str,
    configured: &[Configured],
) -> Result<Vec<Secret>, ConfigError> {
    look_up(vault, configured)
        .await
        .map_err(|error| ConfigError::of_secret(variable, error))
}

fn unavailable(error: LookupError) -> Denied {
    Denied::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::vault::tests::{REFERENCE, Service};

    const TTL: Duration = Duration::from_secs(300);

    async fn verifier(service: &Arc<Service>) -> RotatingCredentials {
        let keys = format!("fixed,{REFERENCE}");
        let config = Config::from_vars([
            ("TWIN_NAME", "factory-01"),
            ("TWIN_CLOUD", "aws"),
            ("TWIN_FUNCTIONS", "writer"),
            ("INTER_CLOUD_TOKEN", &keys),
        ]);
        let vault = Arc::new(Vault::new(service.clone(), TTL));
        RotatingCredentials::of(&config.unwrap(), vault)
            .await
            .unwrap()
    }

    async fn verify(verifier: &RotatingCredentials, key: &str) -> Result<String, Denied> {
        let presented = Presented {
            method: "POST".to_owned(),
            path_with_query: "/write".to_owned(),
            headers: vec![("x-api-key".to_owned(), key.to_owned())],
        };
        verifier.verify(presented).await.map(|caller| caller.name)
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_is_looked_up_and_then_accepted_or_refused() {
        let service = Service::of("old");
        let verifier = verifier(&service).await;
        assert_eq!(verify(&verifier, "old").await, Ok("key-2".to_owned()));
        assert_eq!(service.asked(), 1);
        service.set(Some("new,old"));
        assert_eq!(verify(&verifier, "new").await, Ok("key-2".to_owned()));
        assert_eq!(verify(&verifier, "old").await, Ok("key-3".to_owned()));
        assert_eq!(verify(&verifier, "fixed").await, Ok("key-1".to_owned()));
        assert_eq!(service.asked(), 2);

        // What is unknown now may be valid at the service: it is neither accepted nor refused before that is known.
        let unknown = verify(&verifier, "newer").await;
        assert!(
            matches!(unknown, Err(Denied::Unavailable(_))),
            "{unknown:?}"
        );
        assert_eq!(service.asked(), 2);
        tokio::time::advance(AFTER_UNKNOWN_KEY).await;
        assert_eq!(verify(&verifier, "newer").await, Err(Denied::Wrong));
        assert_eq!(service.asked(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_was_withdrawn_is_refused_when_its_time_is_over() {
        let service = Service::of("old");
        let verifier = verifier(&service).await;
        service.set(Some("new"));
        assert_eq!(verify(&verifier, "old").await, Ok("key-2".to_owned()));
        tokio::time::advance(TTL).await;
        // This request brings the new key, in the background.
        assert_eq!(verify(&verifier, "old").await, Ok("key-2".to_owned()));
        tokio::task::yield_now().await;
        assert_eq!(verify(&verifier, "new").await, Ok("key-2".to_owned()));
        // All senders that still have the old one learn that at once, although a lookup was made a moment ago.
        let _ = verify(&verifier, "unknown").await;
        for _ in 0..3 {
            assert_eq!(verify(&verifier, "old").await, Err(Denied::Wrong));
        }
        assert_eq!(verify(&verifier, "old").await, Err(Denied::Wrong));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_are_known_while_the_service_is_down() {
        let service = Service::of("old");
        let verifier = verifier(&service).await;
        service.set(None);
        tokio::time::advance(TTL).await;
        assert_eq!(verify(&verifier, "old").await, Ok("key-2".to_owned()));
        assert_eq!(verify(&verifier, "fixed").await, Ok("key-1".to_owned()));
        // An unknown key may be a new one.
        tokio::time::advance(AFTER_UNKNOWN_KEY).await;
        let unknown = verify(&verifier, "new").await;
        assert!(
            matches!(unknown, Err(Denied::Unavailable(_))),
            "{unknown:?}"
        );
    }
}
