//! The stores over a document database in memory, held to the behaviour suite; also where several partitions hold a device's
//! records.

#![cfg(test)]

mod common;

use std::num::NonZeroU32;

use twin_capabilities::{
    Stores, provider_tests,
    testing::{Fixture, ManualClock, Skipped},
};
use twin_documents::{InMemory, Settings};

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
        common::stores(&common::store(&self.database, twin, &self.clock, settings))
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
