//! Whether a store works and how much it holds, for `/readyz` and `/metrics`.

use std::time::Duration;

use async_trait::async_trait;

use crate::types::Failure;

/// Whether the store can be written: one of the two conditions for `/readyz`.
#[async_trait]
pub trait Health: Send + Sync + 'static {
    /// Writes something, because a store that can only be read is not healthy.
    ///
    /// # Errors
    /// The failure that a write would get.
    async fn check(&self) -> Result<(), Failure>;
}

/// The most letters or events that are counted. Counting more would not be cheap.
pub const COUNTED: u32 = 1_000_000;

/// Numbers about the twin's data. A number that a store cannot compute cheaply is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Dead letters, counted up to [`COUNTED`].
    pub dead_letters: Option<u32>,
    /// Age of the oldest dead letter by the store's clock; zero if there are none.
    pub oldest_letter: Option<Duration>,
    /// System errors in the outbox, counted up to [`COUNTED`].
    pub outbox: Option<u32>,
    /// All circuits: name and state as stored.
    pub circuits: Vec<(String, String)>,
    /// Bytes that can still be written where the data is stored.
    pub disk_free: Option<u64>,
}

/// How much data there is.
#[async_trait]
pub trait Statistics: Send + Sync + 'static {
    /// Counts; only reads.
    ///
    /// # Errors
    /// The store's failure.
    async fn numbers(&self) -> Result<Numbers, Failure>;
}
