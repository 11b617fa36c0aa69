//! The end of a host, announced.

use async_trait::async_trait;

/// Lets work that waits know that it should not.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Lifecycle: Send + Sync + 'static {
    /// Resolves when the host has been asked to stop: a delivery that waits to retry should store its message now.
    async fn draining(&self);
}
