//! Named values with compare-and-swap: all instances of a function share one circuit breaker per peer.

use async_trait::async_trait;

use crate::types::Failure;

/// A value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// 0 if nothing has been stored under the name.
    pub version: u64,
    /// Opaque to the store; empty if nothing has been stored.
    pub state: String,
    /// The store's clock, in milliseconds since 1970-01-01T00:00:00Z. It is the only clock that all instances share.
    pub now_ms: u64,
}

/// Why a swap was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwapFailure {
    /// Another instance was faster; this is what it stored.
    #[error("another value was stored first")]
    Conflict(Circuit),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Failure),
}

/// Named values, shared by all instances of the twin's functions in this cloud.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Circuits: Send + Sync + 'static {
    /// Reads a value. A name that was never stored has version 0.
    ///
    /// # Errors
    /// The store's failure.
    async fn load(&self, name: String) -> Result<Circuit, Failure>;

    /// Stores `state` under the next version if the version is still `expected_version`, and returns it with that version.
    ///
    /// # Errors
    /// The value of the instance that was faster, or the store's failure.
    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure>;
}
