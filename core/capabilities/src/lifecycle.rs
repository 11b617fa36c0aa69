//! The announcement that a host is stopping.

use async_trait::async_trait;

/// Tells work that is waiting to stop waiting.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Lifecycle: Send + Sync + 'static {
    /// Resolves when the host is stopping. A delivery that is waiting to retry should store its message now.
    async fn draining(&self);
}
