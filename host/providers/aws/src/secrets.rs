//! Secrets in AWS Secrets Manager.

use std::{fmt, sync::Arc};

use aws_config::Region;
use twin_capabilities::{Secret, secrets::SecretsManagerArn};
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::{AwsSettings, connection::Connection, error::Action};

/// Secrets Manager, as the host's identity may read it.
#[derive(Clone)]
pub struct SecretsManager {
    connection: Arc<Connection>,
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SecretsManager")
            .finish_non_exhaustive()
    }
}

impl SecretsManager {
    /// Secrets Manager for a host whose stores are elsewhere. Nothing is asked before the first secret is read.
    #[must_use]
    pub fn open(settings: AwsSettings) -> Self {
        let connection = Connection::new(settings, ServiceClock::default());
        // A call goes to the region of its secret, so none has to be configured. This one is for what the call needs before, a
        // credential of STS.
        Self::new(Arc::new(
            connection.with_fallback(Region::from_static("us-east-1")),
        ))
    }

    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    /// The present value of a secret (its stage `AWSCURRENT`), from the region that its ARN names.
    ///
    /// # Errors
    /// The service's failure; [`Kind::Rejected`] if the secret is not a text.
    pub async fn fetch(&self, secret: &SecretsManagerArn) -> Result<Secret, ServiceError> {
        let region = Region::new(secret.region().to_owned());
        let config = aws_sdk_secretsmanager::config::Builder::default().region(region);
        let found = self
            .connection
            .call(Action::GET_SECRET, |aws| {
                aws.secrets
                    .get_secret_value()
                    .secret_id(secret.arn())
                    .customize()
                    .config_override(config)
                    .send()
            })
            .await?;
        let binary = || Action::GET_SECRET.failed("the secret is binary", Kind::Rejected);
        found.secret_string.map(Secret::new).ok_or_else(binary)
    }
}
