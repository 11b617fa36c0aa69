//! The stores over a document database in memory, held to the behaviour suite; also where several partitions hold a device's
//! records.

#![cfg(test)]

use std::{num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use twin_capabilities::{
    ErrorTopic, Failure, Stores,
    error_topic::SystemError,
    provider_tests,
    testing::{Fixture, ManualClock, Skipped},
};
use twin_documents::{DocumentStore, InMemory, Settings};

/// A topic that delivers by itself.
pub(crate) struct Delivers;

#[async_trait]
impl ErrorTopic for Delivers {
    async fn publish(&self, _: SystemError) -> Result<(), Failure> {
        Ok(())
    }
}

/// A document database whose records are spread over so many partitions.
pub(crate) struct Spread<const SHARDS: u32> {
    clock: ManualClock,
    database: InMemory,
}

impl<const SHARDS: u32> Fixture for Spread<SHARDS> {
    async fn set_up() -> Result<Self, Skipped> {
        Ok(Self {
            clock: ManualClock::new(),
            database: InMemory::default(),
        })
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        let settings = Settings {
            shards: NonZeroU32::new(SHARDS).unwrap(),
            ..Settings::default()
        };
        let clock = self.clock.as_clock();
        let store = DocumentStore::new(self.database.clone(), twin, clock, settings);
        store.stores(Arc::new(Delivers))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn has_outbox(&self) -> bool {
        false
    }
}

provider_tests!(Spread<1>);

mod over_three_partitions {
    use super::Spread;

    mod records {
        twin_capabilities::provider_tests!(super::Spread<3>, records);
    }
    mod paging {
        twin_capabilities::provider_tests!(super::Spread<3>, paging);
    }
}
