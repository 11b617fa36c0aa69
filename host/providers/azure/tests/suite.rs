//! The stores in Cosmos DB, held to the behaviour suite: against the account or the emulator that `TWIN_TEST_COSMOS` names. Each
//! test has a database of its own; an emulator forgets it when it ends.

#![cfg(test)]

mod support;

use std::num::NonZeroU32;

use support::{COSMOS, KEY, StandIn, fresh, reply, variable};
use twin_azure::AzureSettings;
use twin_capabilities::{
    Stores, provider_tests,
    secrets::Secret,
    testing::{Fixture, ManualClock, Skipped},
};

/// An empty database whose records are spread over so many partitions.
pub(crate) struct Spread<const SHARDS: u32> {
    clock: ManualClock,
    settings: AzureSettings,
    /// Takes every system error, as a topic does.
    _topic: StandIn,
}

impl<const SHARDS: u32> Fixture for Spread<SHARDS> {
    async fn set_up() -> Result<Self, Skipped> {
        let mut settings = AzureSettings::new(variable(COSMOS)?);
        settings.key = Some(Secret::new(KEY));
        settings.database = Some(fresh());
        settings.kept.shards = NonZeroU32::new(SHARDS).unwrap();
        let topic = StandIn::answering([reply(200, &[], "")]).await;
        settings.topic_endpoint = Some(topic.url.clone());
        settings.topic_key = Some(Secret::new("a-key"));
        twin_azure::init(&settings, "factory-01").await.unwrap();
        Ok(Self {
            clock: ManualClock::new(),
            settings,
            _topic: topic,
        })
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        let clock = self.clock.as_clock();
        let azure = twin_azure::open_at(self.settings.clone(), twin, clock);
        azure.unwrap().stores()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn has_outbox(&self) -> bool {
        false
    }

    fn largest_body(&self) -> usize {
        2_000_000
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
