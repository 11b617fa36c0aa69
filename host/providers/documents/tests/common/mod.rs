//! What the tests share.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use async_trait::async_trait;
use twin_capabilities::{
    ErrorTopic, Failure, Stores, error_topic::SystemError, testing::ManualClock,
};
use twin_documents::{DocumentStore, InMemory, Settings};

pub(crate) const TWIN: &str = "factory-01";

/// A topic that delivers by itself.
struct Delivers;

#[async_trait]
impl ErrorTopic for Delivers {
    async fn publish(&self, _: SystemError) -> Result<(), Failure> {
        Ok(())
    }
}

/// A store over a database, by this clock.
pub(crate) fn store(
    database: &InMemory,
    twin: &str,
    clock: &ManualClock,
    settings: Settings,
) -> DocumentStore<InMemory> {
    DocumentStore::new(database.clone(), twin, clock.as_clock(), settings)
}

/// The stores, with a topic that delivers.
pub(crate) fn stores(store: &DocumentStore<InMemory>) -> Stores {
    store.stores(Arc::new(Delivers))
}
