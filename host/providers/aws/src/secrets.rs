//! Secrets in AWS Secrets Manager.

use std::{fmt, sync::Arc};

use aws_config::Region;
use twin_capabilities::Secret;
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::{AwsSettings, connection::Connection, error::Action};

/// A reference to a secret: its ARN, `arn:aws:secretsmanager:eu-central-1:123456789012:secret:twin/key-a1B2c3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    arn: String,
    region: String,
}

impl SecretReference {
    /// Reads a reference; `None` if the text is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split(':').collect();
        let [
            "arn",
            partition,
            "secretsmanager",
            region,
            account,
            "secret",
            name,
        ] = parts[..]
        else {
            return None;
        };
        let is_word = |text: &str| {
            let mut bytes = text.bytes();
            !text.is_empty()
                && bytes
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte));
        let is_partition = partition.starts_with("aws") && is_word(partition);
        (is_partition && is_word(region) && is_account && is_name).then(|| Self {
            arn: text.to_owned(),
            region: region.to_owned(),
        })
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.arn)
    }
}

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
        Self::new(Arc::new(Connection::new(settings, ServiceClock::default())))
    }

    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    /// The present value of a secret (its stage `AWSCURRENT`), from the region that its reference names.
    ///
    /// # Errors
    /// The service's failure; [`Kind::Rejected`] if the secret is not a text.
    pub async fn fetch(&self, reference: &SecretReference) -> Result<Secret, ServiceError> {
        let region = Region::new(reference.region.clone());
        let config = aws_sdk_secretsmanager::config::Builder::default().region(region);
        let found = self
            .connection
            .call(Action::GET_SECRET, |aws| {
                aws.secrets
                    .get_secret_value()
                    .secret_id(&reference.arn)
                    .customize()
                    .config_override(config)
                    .send()
            })
            .await?;
        let binary = || Action::GET_SECRET.failed("the secret is binary", Kind::Rejected);
        found.secret_string.map(Secret::new).ok_or_else(binary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_a_reference() {
        for (arn, region) in [
            (
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:twin/key-a1B2c3",
                "eu-central-1",
            ),
            (
                "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a_+=.@-",
                "us-gov-west-1",
            ),
        ] {
            let reference = SecretReference::parse(arn).unwrap();
            assert_eq!(reference.region, region);
            assert_eq!(reference.to_string(), arn);
        }
    }

    #[test]
    fn everything_else_is_not() {
        for text in [
            "",
            "a key",
            "arn:aws:ssm:eu-central-1:123456789012:parameter:a",
            "arn:aws:secretsmanager::123456789012:secret:a",
            "arn:aws:secretsmanager:eu-central-1:12345678901:secret:a",
            "arn:aws:secretsmanager:eu-central-1:12345678901x:secret:a",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a b",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a:json-key",
            "arn:azure:secretsmanager:eu-central-1:123456789012:secret:a",
            "arn:aws:secretsmanager:evil.example/#:123456789012:secret:a",
            "ARN:aws:secretsmanager:eu-central-1:123456789012:secret:a",
        ] {
            assert_eq!(SecretReference::parse(text), None, "{text:?}");
        }
    }
}
