//! The provider, held to the behaviour suite over Google's Firestore emulator.

#![cfg(test)]

mod common;

use std::num::NonZeroU32;

use common::{Answer, StandIn};
use twin_capabilities::{
    Stores, provider_tests,
    testing::{Fixture, ManualClock, Skipped},
};
use twin_gcp::GcpSettings;

/// A project of its own, whose records are spread over so many partitions.
pub(crate) struct Project<const SHARDS: u32> {
    clock: ManualClock,
    settings: GcpSettings,
    _pubsub: StandIn,
}

impl<const SHARDS: u32> Fixture for Project<SHARDS> {
    async fn set_up() -> Result<Self, Skipped> {
        let mut settings = common::settings_at(&common::emulator("TWIN_TEST_FIRESTORE")?);
        settings.project = common::fresh_project();
        settings.kept.shards = NonZeroU32::new(SHARDS).unwrap();
        // Takes every message. What becomes of them is tested with Google's emulator.
        let pubsub = StandIn::always(Answer::of(200, "{}")).await;
        settings.endpoints.pubsub = pubsub.settings().endpoints.pubsub;
        Ok(Self {
            clock: ManualClock::new(),
            settings,
            _pubsub: pubsub,
        })
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        let clock = self.clock.as_clock();
        let gcp = twin_gcp::open_at(self.settings.clone(), twin, clock).unwrap();
        gcp.stores()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn has_outbox(&self) -> bool {
        false
    }

    fn largest_body(&self) -> usize {
        // 1 MiB, less what is beside it in a document.
        (1 << 20) - (8 << 10)
    }
}

provider_tests!(Project<1>);

mod over_three_partitions {
    mod records {
        twin_capabilities::provider_tests!(super::super::Project<3>, records);
    }
    mod paging {
        twin_capabilities::provider_tests!(super::super::Project<3>, paging);
    }
}
