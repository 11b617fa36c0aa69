//! The check of a caller's key or token (spec §2). The host checks each request once; functions get the verdict.

mod forms;
mod iam;
mod oidc;
mod rotating;

use std::sync::Arc;

use async_trait::async_trait;
use twin_contract::{Cloud, KeyRefusal, KeyRing};

pub(crate) use self::oidc::is_token;
#[cfg(test)]
pub(crate) use self::oidc::tests as oidc_tests;
pub use self::{
    forms::KeysAndTokens,
    iam::IamCaller,
    oidc::{Oidc, OidcCaller},
    rotating::RotatingCredentials,
};
pub use twin_contract::HeaderForm;

use crate::{
    config::{Config, ConfigError},
    secrets::{Configured, Secret, Vault},
};
use twin_capabilities::{
    Verifier,
    credentials::{Caller, Denied, Presented},
    function::Verdict,
};

/// The keys that are valid now, in this cloud's form. Only their digests are kept.
#[derive(Debug)]
pub struct Credentials(KeyRing);

impl Credentials {
    /// Accepts these keys; there are several while keys are rotated.
    pub fn new(cloud: Cloud, keys: &[Secret]) -> Self {
        Self(KeyRing::new(cloud, keys.iter().map(Secret::expose)))
    }

    /// Takes the keys that the configuration itself has. Those that are kept elsewhere are not among them: see
    /// [`RotatingCredentials`].
    pub fn of(config: &Config) -> Self {
        let values = |keys: &[Configured]| -> Vec<_> {
            keys.iter().filter_map(Configured::value).cloned().collect()
        };
        Self::new(config.cloud, &values(&config.keys))
            .with_operators(&values(&config.operator_keys))
    }

    /// Also accepts these operator keys. If there are any, the other keys open only the routes for data.
    #[must_use]
    pub fn with_operators(self, keys: &[Secret]) -> Self {
        Self(self.0.with_operators(keys.iter().map(Secret::expose)))
    }

    /// Verifies the credential among a caller's headers. The caller is named after the key's place in the list: `key-1`, …
    ///
    /// # Errors
    /// [`Denied::Missing`] if no credential is presented in this cloud's form; [`Denied::Wrong`] if it is not valid, or if two
    /// are presented.
    pub fn verify(&self, headers: &[(String, String)]) -> Result<Caller, Denied> {
        match self.0.verify(headers) {
            Ok(known) => Ok(Caller {
                name: known.name,
                role: known.role,
            }),
            Err(KeyRefusal::Missing) => Err(Denied::Missing),
            Err(KeyRefusal::Wrong) => Err(Denied::Wrong),
        }
    }

    /// What a function learns about a caller with these headers. They must include every header that can carry a key.
    pub fn judge(&self, headers: &[(String, String)]) -> Verdict {
        let verified = self.verify(headers);
        repeated(headers).map_or_else(|| verified.into(), Verdict::Repeated)
    }
}

/// The check that this configuration asks for: of keys, which are looked up now, and of tokens if an audience is set.
///
/// # Errors
/// The variable whose secret cannot be used, or with which TLS or the proxy cannot be set up.
pub async fn verifier(
    config: &Config,
    vault: Arc<Vault>,
) -> Result<Arc<dyn Verifier>, ConfigError> {
    let keys = RotatingCredentials::of(config, vault).await?;
    Ok(match Oidc::new(&config.oidc, &config.peers)? {
        None => Arc::new(keys),
        Some(oidc) => Arc::new(KeysAndTokens::new(config.cloud, keys, oidc)),
    })
}

/// The header that can carry a key and was given more than once.
///
/// It has its own verdict, even beside a valid key: a proxy before the host may have checked a different copy.
pub(crate) fn repeated(headers: &[(String, String)]) -> Option<String> {
    let mut names: Vec<_> = headers
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| HeaderForm::is_credential(name))
        .collect();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [name, next] if name == next => Some((*name).to_owned()),
        _ => None,
    })
}

#[async_trait]
impl Verifier for Credentials {
    async fn verify(&self, presented: Presented) -> Result<Caller, Denied> {
        Self::verify(self, &presented.headers)
    }
}

#[cfg(test)]
mod tests {
    use twin_capabilities::credentials::Role;

    use super::*;

    fn judge(headers: &[(&str, &str)]) -> Verdict {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Credentials::new(Cloud::Aws, &[Secret::new("key")]).judge(&headers)
    }

    #[test]
    fn a_verdict_says_who_it_is_or_why_that_is_not_known() {
        let verified = Verdict::Verified(Caller {
            name: "key-1".to_owned(),
            role: Role::Any,
        });
        let repeated = |name: &str| Verdict::Repeated(name.to_owned());
        let key = ("x-api-key", "key");
        let other = ("x-functions-key", "key");
        for (headers, verdict) in [
            (&[][..], Verdict::Missing),
            (&[key], verified.clone()),
            (&[("x-api-key", "other")], Verdict::Wrong),
            (&[other], Verdict::Missing),
            (&[other, key], verified),
            (&[key, key], repeated("x-api-key")),
            (&[key, ("x-api-key", "")], repeated("x-api-key")),
            // In a form that this cloud does not read, and beside a valid key.
            (&[other, key, other], repeated("x-functions-key")),
            (&[other, other], repeated("x-functions-key")),
            (
                &[("idempotency-key", "1"), ("idempotency-key", "1")],
                Verdict::Missing,
            ),
        ] {
            assert_eq!(judge(headers), verdict, "{headers:?}");
        }
    }
}
