//! The store `local`: a folder on a local disk.

use async_trait::async_trait;
use twin_capabilities::provider::system_clock;
use twin_local::LocalSettings;

use super::{Kind, Opened, Prepared, StoreError};
use crate::config::{Config, ConfigError, Unset::Otherwise, Variable, parse::number, reads};

const VARIABLES: &[Variable] = &[Variable::new(
    "TWIN_DATA_MAX_BYTES",
    Otherwise("no limit"),
    reads!(storage.max_bytes = number(33_554_432..=u64::MAX)),
    "size of the data, including its log of up to 16 MiB; beyond it writes get 503 STORE_FULL",
)
.unit("bytes")];

/// A folder on a local disk, for one machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local;

#[async_trait]
impl Kind for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn help(&self) -> &'static str {
        "the folder TWIN_DATA_DIR"
    }

    fn variables(&self) -> &'static [Variable] {
        VARIABLES
    }

    fn outlives_the_machine(&self) -> bool {
        false
    }

    fn check(&self, _: &Config) -> Result<(), ConfigError> {
        Ok(())
    }

    async fn open(&self, config: &Config) -> Result<Opened, StoreError> {
        let storage = &config.storage;
        let settings = LocalSettings {
            cloud: Some(config.cloud),
            max_bytes: storage.max_bytes,
            record_age: storage.record_age,
            letter_age: storage.letter_age,
            reserve: true,
        };
        let folder = &storage.data_dir;
        let local = twin_local::Local::open_with(folder, &config.twin, settings, system_clock())?;
        Ok(Opened {
            retention: Box::pin(local.retention()),
            stores: local.stores(),
        })
    }

    async fn init(&self, _: &Config, _: Option<&str>) -> Result<Prepared, StoreError> {
        Ok(Prepared::NotNeeded)
    }

    async fn upgrade(&self, _: &Config) -> Result<Prepared, StoreError> {
        Ok(Prepared::NotNeeded)
    }

    async fn examine(&self, _: &Config) -> Result<Vec<String>, StoreError> {
        // A host creates what is missing. `twin data check` looks at what is there.
        Ok(Vec::new())
    }
}
