//! The local system error topic (specification section 4), and the outbox behind it.

use std::time::Duration;

use async_trait::async_trait;
pub use twin_contract::{Severity, SystemError};

use crate::types::Failure;

/// The longest that publishing a system error may take.
pub const PUBLISH_LIMIT: Duration = Duration::from_millis(500);

/// Where any function reports what went wrong.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait ErrorTopic: Send + Sync + 'static {
    /// Makes the error durable before it returns, in at most [`PUBLISH_LIMIT`]. The topic assigns the id under which the
    /// error reporter stores the error. Delivery is at least once.
    ///
    /// # Errors
    /// The topic's failure.
    async fn publish(&self, error: SystemError) -> Result<(), Failure>;
}

/// A system error in the outbox, on its way to the error reporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A UUIDv7, assigned when the error was published. The error reporter stores the error under it.
    pub id: String,
    /// What went wrong.
    pub error: SystemError,
    /// How often the event was leased, including this time.
    pub attempts: u32,
}

/// Published errors that are not yet delivered. Only topics that do not deliver by themselves have an outbox: the host
/// forwards from it.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Leases at most `limit` free events, in the order in which they were published.
    ///
    /// # Errors
    /// The store's failure.
    async fn pending(&self, limit: u32, lease: Duration) -> Result<Vec<Event>, Failure>;

    /// Removes an event that was delivered, even if its lease has ended or it is leased again.
    ///
    /// # Errors
    /// The store's failure.
    async fn settle(&self, event_id: String) -> Result<(), Failure>;

    /// Returns an event before its lease ends.
    ///
    /// # Errors
    /// The store's failure.
    async fn release(&self, event_id: String) -> Result<(), Failure>;

    /// Resolves when another process may have published something since the last call. Never resolves in a store that
    /// cannot detect this: the forwarder also checks periodically.
    async fn published(&self) {
        std::future::pending().await
    }
}
