//! Secrets that the services of the clouds keep.

#[cfg(any(feature = "azure", feature = "gcp"))]
use std::sync::OnceLock;

use twin_documents::{Kind, ServiceError};

use super::{LookupError, Reference, Secret};

/// AWS Secrets Manager.
#[cfg(feature = "aws")]
#[derive(Default)]
pub(super) struct SecretsManager(std::sync::OnceLock<twin_aws::SecretsManager>);

#[cfg(feature = "aws")]
impl SecretsManager {
    pub(super) async fn read(
        &self,
        reference: &Reference,
        name: &str,
    ) -> Result<Secret, LookupError> {
        let parsed = twin_aws::SecretReference::parse(name);
        let parsed = parsed.ok_or_else(|| LookupError::Missing(reference.clone()))?;
        let service = self
            .0
            .get_or_init(|| twin_aws::SecretsManager::open(twin_aws::AwsSettings::new()));
        let found = service.fetch(&parsed).await;
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
        url: &str,
    ) -> Result<Secret, LookupError> {
        let parsed = twin_azure::SecretReference::parse(url);
        let parsed = parsed.ok_or_else(|| LookupError::Missing(reference.clone()))?;
        let service = match self.0.get() {
            Some(service) => service,
            None => {
                let opened = twin_azure::KeyVault::open(twin_azure::KeyVaultSettings::default());
                let opened = opened.map_err(|error| unusable(reference, &error))?;
                self.0.get_or_init(|| opened)
            }
        };
        let found = service.fetch(&parsed).await;
        found.map_err(|error| failed(reference, error))
    }
}

/// GCP Secret Manager.
#[cfg(feature = "gcp")]
#[derive(Default)]
pub(super) struct SecretManager(OnceLock<twin_gcp::SecretManager>);

#[cfg(feature = "gcp")]
impl SecretManager {
    pub(super) async fn read(
        &self,
        reference: &Reference,
        name: &str,
    ) -> Result<Secret, LookupError> {
        let parsed: Result<twin_gcp::SecretReference, _> = name.parse();
        let parsed = parsed.map_err(|_| LookupError::Missing(reference.clone()))?;
        let service = match self.0.get() {
            Some(service) => service,
            None => {
                let opened = twin_gcp::SecretManager::open(
                    twin_gcp::Identity::Default,
                    &twin_gcp::Endpoints::default(),
                );
                let opened = opened.map_err(|error| unusable(reference, &error))?;
                self.0.get_or_init(|| opened)
            }
        };
        let found = service.fetch(&parsed).await;
        found.map_err(|error| failed(reference, error))
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
