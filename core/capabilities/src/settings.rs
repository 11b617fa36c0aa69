//! Configuration that is not secret.

use async_trait::async_trait;

use crate::types::Failure;

/// The function's settings: twin name, cloud, delivery settings. Never a secret, never a URL.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Settings: Send + Sync + 'static {
    /// The value of a setting, named as its environment variable (`TWIN_NAME`, `RETRY_MAX`, …); `None` if it is unset or empty.
    /// A setting does not change during the lifetime of an instance.
    ///
    /// # Errors
    /// If it cannot be read now. No default may replace it.
    async fn get(&self, name: &str) -> Result<Option<String>, Failure>;
}
