//! What the stores in the services of clouds have in common.

use std::{fmt::Debug, num::NonZeroU32};

use async_trait::async_trait;
use twin_capabilities::Stores;
use twin_documents::{Finding, Settings};

use super::{Examined, Kind, Opened, Prepared, StoreError};
use crate::config::{
    Config, ConfigError, Reads, Unset, Variable,
    parse::{Parsed, number},
};

/// More would make each query too slow: it asks all partitions.
const MOST_SHARDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// A store in the services of one cloud.
#[async_trait]
pub(super) trait Cloud: Debug + Send + Sync + 'static {
    /// As [`Kind::name`].
    fn name(&self) -> &'static str;

    /// As [`Kind::database`].
    fn database(&self) -> &'static str;

    /// As [`Kind::help`].
    fn help(&self) -> &'static str;

    /// As [`Kind::variables`].
    fn variables(&self) -> &'static [Variable];

    /// As [`Kind::check`].
    fn check(&self, config: &Config) -> Result<(), ConfigError>;

    /// The stores of the configured twin. Nothing is asked of the services yet.
    async fn stores(&self, config: &Config) -> Result<Stores, StoreError>;

    /// Makes what is missing.
    async fn init(&self, config: &Config) -> Result<Vec<twin_documents::Prepared>, StoreError>;

    /// What [`Self::init`] makes if nothing of it is there.
    async fn plan(&self, config: &Config) -> Result<Vec<String>, StoreError>;

    /// What is wrong.
    async fn examine(&self, config: &Config) -> Result<Vec<Finding>, StoreError>;
}

/// The kind of store of a cloud.
#[derive(Clone, Copy, Debug)]
pub(super) struct InCloud<C>(pub(super) C);

#[async_trait]
impl<C: Cloud> Kind for InCloud<C> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn database(&self) -> &'static str {
        self.0.database()
    }

    fn help(&self) -> &'static str {
        self.0.help()
    }

    fn variables(&self) -> &'static [Variable] {
        self.0.variables()
    }

    fn is_named_after_the_twin(&self) -> bool {
        true
    }

    fn outlives_the_machine(&self) -> bool {
        true
    }

    fn check(&self, config: &Config) -> Result<(), ConfigError> {
        self.0.check(config)
    }

    /// The services themselves remove what is too old.
    async fn open(&self, config: &Config) -> Result<Opened, StoreError> {
        Ok(Opened {
            stores: self.0.stores(config).await?,
            retention: Box::pin(async {}),
        })
    }

    async fn init(&self, config: &Config, _: Option<&str>) -> Result<Prepared, StoreError> {
        let parts = self.0.init(config).await?;
        Ok(Prepared::Parts(
            parts.iter().map(ToString::to_string).collect(),
        ))
    }

    async fn upgrade(&self, config: &Config) -> Result<Prepared, StoreError> {
        self.init(config, None).await
    }

    async fn plan(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        self.0.plan(config).await
    }

    async fn examine(&self, config: &Config) -> Result<Examined, StoreError> {
        let mut examined = Examined::default();
        for finding in self.0.examine(config).await? {
            let line = finding.to_string();
            if finding.is_fault() {
                examined.faults.push(line);
            } else {
                examined.notes.push(line);
            }
        }
        Ok(examined)
    }
}

/// The variable for the number of shards.
pub(super) const fn shards_variable(name: &'static str, reads: Reads) -> Variable {
    Variable::new(
        name,
        Unset::Value("1"),
        reads,
        "partitions over which the records of a device are spread; it must not change once there are records",
    )
}

/// Its value.
pub(super) fn shards(text: &str) -> Parsed<NonZeroU32> {
    number(text, NonZeroU32::MIN..=MOST_SHARDS)
}

/// How data is kept: the ages are the same for every kind of store, the shards the cloud's own.
pub(super) fn kept(config: &Config, own: Settings) -> Settings {
    Settings {
        record_age: config.storage.record_age,
        letter_age: config.storage.letter_age,
        ..own
    }
}
