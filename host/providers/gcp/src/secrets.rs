//! Secrets by reference: `projects/{project}/secrets/{secret}/versions/{version}` in Secret Manager.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use twin_capabilities::Secret;
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::{
    Endpoints, GcpError, Identity, names,
    service::{Call, Link, Service},
};

const ACCESS: Call = Call {
    action: "secretmanager.versions.access",
    limit: Duration::from_secs(5),
};

/// The name of a version of a secret: a number, an alias, or `latest`.
///
/// ```
/// use twin_gcp::SecretReference;
///
/// let reference: SecretReference = "projects/my-project/secrets/peer-key/versions/latest".parse()?;
/// assert_eq!(reference.to_string(), "projects/my-project/secrets/peer-key/versions/latest");
/// assert!("the key itself".parse::<SecretReference>().is_err());
/// # Ok::<_, twin_gcp::SecretReferenceInvalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretReference(String);

/// The text is not the name of a secret's version. It is not repeated here: it may be the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret in Secret Manager is named `projects/PROJECT/secrets/SECRET/versions/VERSION`")]
pub struct SecretReferenceInvalid;

impl FromStr for SecretReference {
    type Err = SecretReferenceInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        let mut part = || parts.next().unwrap_or_default();
        let valid = part() == "projects"
            && names::is_project(part())
            && part() == "secrets"
            && is_name(part())
            && part() == "versions"
            && is_name(part())
            && parts.next().is_none();
        let reference = || Self(text.to_owned());
        valid.then(reference).ok_or(SecretReferenceInvalid)
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a text can name a secret or a version: 1 to 255 of `A-Z a-z 0-9 _ -`.
fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Secret Manager. Nothing is kept: each call asks it. Clones share connections.
#[derive(Clone, Debug)]
pub struct SecretManager(Service);

#[derive(Deserialize)]
struct Version {
    payload: Payload,
}

/// Its checksum is not compared: the answer came over TLS.
#[derive(Deserialize)]
struct Payload {
    /// Left out where the secret is empty.
    #[serde(default)]
    data: String,
}

impl SecretManager {
    /// Opens Secret Manager for a host whose stores are elsewhere. Reads nothing from the network. A Tokio runtime must be there.
    ///
    /// # Errors
    /// If there are no credentials, or the endpoint cannot be used.
    pub fn open(identity: Identity, endpoints: &Endpoints) -> Result<Self, GcpError> {
        let link = Link::open(identity, endpoints, ServiceClock::default())?;
        Self::over(endpoints, &link)
    }

    pub(crate) fn over(
        endpoints: &Endpoints,
        link: &std::sync::Arc<Link>,
    ) -> Result<Self, GcpError> {
        let setting = "endpoints.secret_manager";
        Service::at("Secret Manager", setting, &endpoints.secret_manager, link).map(Self)
    }

    /// The present value of a secret. A line break at its end is not part of it: tools add one to what they read from a terminal.
    ///
    /// # Errors
    /// Secret Manager's failure, or that the secret is not text.
    pub async fn fetch(&self, reference: &SecretReference) -> Result<Secret, ServiceError> {
        let path = format!("{reference}:access");
        let version: Version = self.0.get(ACCESS, &path).await?;
        let text = STANDARD
            .decode(version.payload.data)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| {
            self.0
                .failed(ACCESS, ("not a text".to_owned(), Kind::Rejected))
        })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        Ok(Secret::new(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_one_form() {
        for text in [
            "projects/my-project/secrets/key/versions/latest",
            "projects/123456/secrets/Peer_Key-1/versions/7",
            "projects/example.com:p/secrets/k/versions/current",
        ] {
            assert_eq!(text.parse::<SecretReference>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "key",
            "projects/p/secrets/k",
            "projects/p/secrets/k/versions/",
            "projects/p/secrets/k/versions/1/more",
            "projects/p/secrets/k/versions/1:access?x=",
            "projects//secrets/k/versions/1",
            "projects/../secrets/k/versions/1",
            "projects/p/locations/europe-west1/secrets/k/versions/1",
        ] {
            assert_eq!(text.parse::<SecretReference>(), Err(SecretReferenceInvalid));
        }
    }
}
