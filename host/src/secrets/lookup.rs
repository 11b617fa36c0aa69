//! Where secrets are looked up.

use std::{
    io::{ErrorKind, Read},
    path::Path,
};

use async_trait::async_trait;

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
use super::clouds;
use super::{Reference, Secret};

/// The largest secret that is read, in bytes. The services accept as much.
const LARGEST: u64 = 64 * 1024;

/// Reads secrets by their references.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// The present value of a secret.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn read(&self, reference: &Reference) -> Result<Secret, LookupError>;
}

/// Why a secret cannot be read. It names the secret, and does not contain it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such secret.
    #[error("{0} does not exist")]
    Missing(Reference),
    /// This host may not read it.
    #[error("{0} may not be read by this host")]
    Denied(Reference),
    /// It cannot be reached at the moment.
    #[error("{0} cannot be read: {1}")]
    Unavailable(Reference, String),
    /// What is there is not a text, or is too long.
    #[error("{0} is not a file with a text of at most 64 KiB")]
    Unusable(Reference),
    /// It is no key and no list of keys.
    #[error("{0} is not a key of visible ASCII characters, or a comma-separated list of such keys")]
    NotKeys(Reference),
    /// The program was built without the service that keeps it.
    #[error("{0} needs a build with the cargo feature `{1}`")]
    NotCompiledIn(Reference, &'static str),
}

/// Files, and the services of the clouds that were compiled in. A service is reached as the environment of the process says, by the
/// identity that the cloud's own library finds there, and not before its first secret is read.
#[derive(Default)]
pub struct Services {
    #[cfg(feature = "aws")]
    aws: clouds::SecretsManager,
    #[cfg(feature = "azure")]
    azure: clouds::KeyVault,
    #[cfg(feature = "gcp")]
    gcp: clouds::SecretManager,
}

/// Services that are somewhere else than the environment of a test says.
#[cfg(test)]
impl Services {
    #[cfg(feature = "aws")]
    pub(crate) fn with_aws(service: twin_aws::SecretsManager) -> Self {
        Self {
            aws: service.into(),
            ..Self::default()
        }
    }

    #[cfg(feature = "gcp")]
    pub(crate) fn with_gcp(service: twin_gcp::SecretManager) -> Self {
        Self {
            gcp: service.into(),
            ..Self::default()
        }
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Services").finish_non_exhaustive()
    }
}

#[async_trait]
impl Lookup for Services {
    async fn read(&self, reference: &Reference) -> Result<Secret, LookupError> {
        match reference {
            Reference::File(path) => read_file(reference, path).await,
            #[cfg(feature = "aws")]
            Reference::SecretsManager(secret) => self.aws.read(reference, secret).await,
            #[cfg(feature = "azure")]
            Reference::KeyVault(secret) => self.azure.read(reference, secret).await,
            #[cfg(feature = "gcp")]
            Reference::SecretManager(secret) => self.gcp.read(reference, secret).await,
            #[cfg(not(all(feature = "aws", feature = "azure", feature = "gcp")))]
            elsewhere => {
                let cloud = elsewhere.cloud().unwrap_or_default();
                Err(LookupError::NotCompiledIn(elsewhere.clone(), cloud))
            }
        }
    }
}

/// Reads a file. A line break at its end is not part of the secret: editors and `echo` add one.
async fn read_file(reference: &Reference, path: &Path) -> Result<Secret, LookupError> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        // Opening or reading a pipe or a device might never end.
        if !std::fs::metadata(&path)?.is_file() {
            return Ok(None);
        }
        let mut text = Vec::new();
        let file = std::fs::File::open(&path)?;
        let length = file.take(LARGEST + 1).read_to_end(&mut text)?;
        let fits = u64::try_from(length).is_ok_and(|length| length <= LARGEST);
        Ok(String::from_utf8(text).ok().filter(|_| fits))
    });
    let read = read.await.unwrap_or_else(|error| Err(error.into()));
    let text = read.map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => LookupError::Missing(reference.clone()),
        ErrorKind::PermissionDenied => LookupError::Denied(reference.clone()),
        _ => LookupError::Unavailable(reference.clone(), error.to_string()),
    })?;
    let text = text.ok_or_else(|| LookupError::Unusable(reference.clone()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text)))
}
