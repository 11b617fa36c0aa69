//! Secrets by reference: `projects/{project}/secrets/{secret}/versions/{version}` in Secret Manager.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use twin_capabilities::{Secret, secrets::SecretManagerVersion};
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::{
    Endpoints, GcpError, Identity,
    service::{Call, Link, Service},
};

const ACCESS: Call = Call {
    action: "secretmanager.versions.access",
    limit: Duration::from_secs(5),
};

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
    pub async fn fetch(&self, version: &SecretManagerVersion) -> Result<Secret, ServiceError> {
        let path = format!("{}:access", version.name());
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
