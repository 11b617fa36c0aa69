//! Secrets that the services of the clouds keep.

#[cfg(any(feature = "azure", feature = "gcp"))]
use std::sync::OnceLock;

#[cfg(feature = "azure")]
use twin_capabilities::secrets::KeyVaultSecret;
#[cfg(feature = "gcp")]
use twin_capabilities::secrets::SecretManagerVersion;
#[cfg(feature = "aws")]
use twin_capabilities::secrets::SecretsManagerArn;
use twin_documents::{Kind, ServiceError};

use super::{LookupError, Reference, Secret};

/// AWS Secrets Manager.
#[cfg(feature = "aws")]
#[derive(Default)]
pub(super) struct SecretsManager(std::sync::OnceLock<twin_aws::SecretsManager>);

#[cfg(all(test, feature = "aws"))]
impl From<twin_aws::SecretsManager> for SecretsManager {
    fn from(service: twin_aws::SecretsManager) -> Self {
        Self(service.into())
    }
}

#[cfg(feature = "aws")]
impl SecretsManager {
    pub(super) async fn read(
        &self,
        reference: &Reference,
        secret: &SecretsManagerArn,
    ) -> Result<Secret, LookupError> {
        let service = self
            .0
            .get_or_init(|| twin_aws::SecretsManager::open(twin_aws::AwsSettings::new()));
        let found = service.fetch(secret).await;
        found.map_err(|error| failed(reference, error))
    }
}

/// Azure Key Vault.
#[cfg(feature = "azure")]
#[derive(Default)]
pub(super) struct KeyVault(OnceLock<twin_azure::KeyVault>);

#[cfg(feature = "azure")]
impl KeyVault {
    pub(super) async fn read(
        &self,
        reference: &Reference,
        secret: &KeyVaultSecret,
    ) -> Result<Secret, LookupError> {
        let opened = opened(&self.0, || {
            twin_azure::KeyVault::open(twin_azure::KeyVaultSettings::default())
        });
        let service = opened.map_err(|error| unusable(reference, &error))?;
        let found = service.fetch(secret).await;
        found.map_err(|error| failed(reference, error))
    }
}

/// GCP Secret Manager.
#[cfg(feature = "gcp")]
#[derive(Default)]
pub(super) struct SecretManager(OnceLock<twin_gcp::SecretManager>);

#[cfg(all(test, feature = "gcp"))]
impl From<twin_gcp::SecretManager> for SecretManager {
    fn from(service: twin_gcp::SecretManager) -> Self {
        Self(service.into())
    }
}

#[cfg(feature = "gcp")]
impl SecretManager {
    pub(super) async fn read(
        &self,
        reference: &Reference,
        secret: &SecretManagerVersion,
    ) -> Result<Secret, LookupError> {
        let opened = opened(&self.0, || {
            let endpoints = twin_gcp::Endpoints::default();
            twin_gcp::SecretManager::open(twin_gcp::Identity::Default, &endpoints)
        });
        let service = opened.map_err(|error| unusable(reference, &error))?;
        let found = service.fetch(secret).await;
        found.map_err(|error| failed(reference, error))
    }
}

/// The service, which is opened for its first secret. Of several callers that open it at once, one wins.
#[cfg(any(feature = "azure", feature = "gcp"))]
fn opened<T, E>(service: &OnceLock<T>, open: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
    match service.get() {
        Some(service) => Ok(service),
        None => open().map(|opened| service.get_or_init(|| opened)),
    }
}

/// The host has no identity, or one that cannot be used.
#[cfg(any(feature = "azure", feature = "gcp"))]
fn unusable(reference: &Reference, error: &dyn std::error::Error) -> LookupError {
    LookupError::Unavailable(reference.clone(), error.to_string())
}

fn failed(reference: &Reference, error: ServiceError) -> LookupError {
    let reference = reference.clone();
    match error.kind {
        Kind::Missing => LookupError::Missing(reference),
        Kind::Denied => LookupError::Denied(reference),
        _ => LookupError::Unavailable(reference, error.to_string()),
    }
}
