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
    /// Makes the error durable before it returns, in at most [`PUBLISH_LIMIT`]. The topic gives it an id, by which the error
    /// reporter stores it; it is delivered at least once.
    ///
    /// # Errors
    /// The topic's failure.
    async fn publish(&self, error: SystemError) -> Result<(), Failure>;
}

/// A system error in the outbox, on its way to the error reporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A UUIDv7, given when the error was published: the error reporter stores the error by it.
    pub id: String,
    /// What went wrong.
    pub error: SystemError,
    /// How often the event was handed out, this time included.
    pub attempts: u32,
}

/// What was published and not delivered yet. Only topics that do not deliver by themselves have one: the host forwards from it.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Leases at most `limit` events that are free, in the order they were published.
    ///
    /// # Errors
    /// The store's failure.
    async fn pending(&self, limit: u32, lease: Duration) -> Result<Vec<Event>, Failure>;

    /// Removes an event that was delivered, also if its lease has ended or it is leased again: it was delivered.
    ///
    /// # Errors
    /// The store's failure.
    async fn settle(&self, event_id: String) -> Result<(), Failure>;

    /// Returns an event before its lease ends.
    ///
    /// # Errors
    /// The store's failure.
    async fn release(&self, event_id: String) -> Result<(), Failure>;

    /// Resolves when another process may have published something since this was asked last. Never, in a store that cannot tell:
    /// the forwarder also looks again from time to time.
    async fn published(&self) {
        std::future::pending().await
    }
}
