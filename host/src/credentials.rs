//! The check of a caller's key, with the types of the WIT (spec §2).

use async_trait::async_trait;
use twin_contract::{Cloud, KeyRefusal, KeyRing};

pub use twin_contract::HeaderForm;

use crate::{config::Config, secrets::Secret};
use twin_capabilities::{
    Verifier,
    credentials::{Caller, Denied, Presented, Role},
};

/// The keys that are valid now, in the form of the own cloud. It keeps their digests only.
pub struct Credentials(KeyRing);

impl Credentials {
    /// Accepts these keys; several, while they are rotated.
    pub fn new(cloud: Cloud, keys: &[Secret]) -> Self {
        Self(KeyRing::new(cloud, keys.iter().map(Secret::expose)))
    }

    /// Accepts one key, whose holder has this name in logs and reports.
    pub fn of_one(cloud: Cloud, name: &str, key: &Secret) -> Self {
        Self(KeyRing::of_one(cloud, name, key.expose()))
    }

    /// As configured.
    pub fn of(config: &Config) -> Self {
        Self::new(config.cloud, &config.keys).with_operators(&config.operator_keys)
    }

    /// Accepts these keys of operators, too. If there are any, the others open the routes for data only.
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

    /// Whether a caller with these headers may read `/metrics`.
    ///
    /// # Errors
    /// As for [`Self::verify`].
    pub fn may_operate(&self, headers: &[(String, String)]) -> Result<bool, Denied> {
        let caller = self.verify(headers)?;
        Ok(matches!(caller.role, Role::Any | Role::Operator))
    }
}

#[async_trait]
impl Verifier for Credentials {
    async fn verify(&self, presented: Presented) -> Result<Caller, Denied> {
        Self::verify(self, &presented.headers)
    }
}
