//! Secrets: keys that a host presents to peers and accepts from callers. No function can reach them.

use std::fmt;

use async_trait::async_trait;

use crate::types::Failure;

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

/// Where secrets are kept.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// The current value of a secret. `configured` is the configured text: the value itself, or a reference that this
    /// implementation understands.
    ///
    /// # Errors
    /// If it cannot be looked up now. The caller must not continue without it.
    async fn current(&self, configured: &Secret) -> Result<Secret, Failure>;

    /// The value that [`Self::current`] gave was refused (401 or 403), and is looked up again if it was remembered. True if
    /// the present value is another than the one that was presented.
    async fn refused(&self, configured: &Secret, presented: &Secret) -> bool;
}

/// Secrets that the configuration itself contains.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verbatim;

#[async_trait]
impl Secrets for Verbatim {
    async fn current(&self, configured: &Secret) -> Result<Secret, Failure> {
        Ok(configured.clone())
    }

    async fn refused(&self, _: &Secret, _: &Secret) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(format!("{:?}", Secret::new("k")), "***");
    }
}
