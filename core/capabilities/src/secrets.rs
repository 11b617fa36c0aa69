//! Secrets: keys that a host presents to peers and accepts from callers. No function can reach them.

mod reference;

use std::fmt;

use async_trait::async_trait;

use crate::types::Failure;

pub use reference::{
    FORMS, KeyVaultSecret, Reference, ReferenceError, SecretManagerVersion, SecretsManagerArn,
    VaultCloud,
};

/// A key or token. Its `Debug` is `***`, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for sending or hashing it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// A secret as a configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configured {
    /// The secret itself.
    Value(Secret),
    /// Where it is kept.
    Reference(Reference),
}

impl Configured {
    /// Reads the value of a variable.
    ///
    /// # Errors
    /// If it begins like a reference and is not one.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let reference = Reference::parse(text)?;
        Ok(reference.map_or_else(|| Self::Value(Secret::new(text)), Self::Reference))
    }

    /// The secret, if the configuration has it.
    #[must_use]
    pub const fn value(&self) -> Option<&Secret> {
        match self {
            Self::Value(value) => Some(value),
            Self::Reference(_) => None,
        }
    }

    /// Where the secret is kept, if it is kept elsewhere. Then it may change.
    #[must_use]
    pub const fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Value(_) => None,
            Self::Reference(reference) => Some(reference),
        }
    }
}

impl From<Secret> for Configured {
    fn from(value: Secret) -> Self {
        Self::Value(value)
    }
}

/// Where secrets are kept.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// The current value of a secret: looked up, if the configuration has a reference.
    ///
    /// # Errors
    /// If it cannot be looked up now. The caller must not continue without it.
    async fn current(&self, configured: &Configured) -> Result<Secret, Failure>;

    /// The value that [`Self::current`] gave was refused (401 or 403), and is looked up again if it was remembered. True if
    /// the present value is another than the one that was presented.
    async fn refused(&self, configured: &Configured, presented: &Secret) -> bool;
}

/// Secrets that the configuration itself contains.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verbatim;

#[async_trait]
impl Secrets for Verbatim {
    async fn current(&self, configured: &Configured) -> Result<Secret, Failure> {
        match configured {
            Configured::Value(value) => Ok(value.clone()),
            Configured::Reference(reference) => {
                let cause = format!("{reference} is kept elsewhere, and nothing here looks it up");
                Err(Failure::Misconfigured(cause))
            }
        }
    }

    async fn refused(&self, _: &Configured, _: &Secret) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(format!("{:?}", Secret::new("k")), "***");
        let configured = Configured::parse("k");
        assert_eq!(format!("{configured:?}"), "Ok(Value(***))");
    }
}
