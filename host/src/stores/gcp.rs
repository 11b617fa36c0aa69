//! The store `gcp`: collections of Firestore, topics of Pub/Sub.

use async_trait::async_trait;
use twin_capabilities::Stores;
use twin_gcp::{Finding, GcpSettings, Identity, Prepared};

use super::{
    StoreError,
    clouds::{Cloud, kept, shards, shards_variable},
};
use crate::config::{
    Config, ConfigError,
    Unset::{Nothing, Otherwise, Value},
    Variable,
    parse::{switch, text},
    reads,
};

const VARIABLES: &[Variable] = &[
    Variable::new(
        "TWIN_GCP_PROJECT",
        Nothing,
        reads!(storage.gcp.project = text()),
        "id of the project that has the database and the topics",
    ),
    Variable::new(
        "TWIN_GCP_DATABASE",
        Value("(default)"),
        reads!(storage.gcp.database = text()),
        "the Firestore database, in Native mode",
    ),
    Variable::new(
        "TWIN_GCP_ERROR_TOPIC",
        Otherwise("TWIN_NAME with -errors"),
        reads!(text(), |config, value| config.storage.gcp.error_topic =
            Some(value)),
        "the Pub/Sub topic for system errors",
    ),
    Variable::new(
        "TWIN_GCP_DEAD_LETTER_TOPIC",
        Otherwise("TWIN_NAME with -dead-letters"),
        reads!(text(), |config, value| config
            .storage
            .gcp
            .dead_letter_topic = Some(value)),
        "the Pub/Sub topic that gets a copy of each dead letter",
    ),
    Variable::new(
        "TWIN_GCP_FIRESTORE_ENDPOINT",
        Value("https://firestore.googleapis.com"),
        reads!(storage.gcp.endpoints.firestore = text()),
        "URL of Firestore: another one for a private endpoint",
    ),
    Variable::new(
        "TWIN_GCP_PUBSUB_ENDPOINT",
        Value("https://pubsub.googleapis.com"),
        reads!(storage.gcp.endpoints.pubsub = text()),
        "URL of Pub/Sub: another one for a private or regional endpoint",
    ),
    Variable::new(
        "TWIN_GCP_ANONYMOUS",
        Value("false"),
        reads!(switch(), |config, anonymous| {
            config.storage.gcp.identity = if anonymous {
                Identity::Anonymous
            } else {
                Identity::Default
            };
        }),
        "sends no credentials, and permits plain HTTP: for emulators only",
    ),
    shards_variable(
        "TWIN_GCP_SHARDS",
        reads!(storage.gcp.kept.shards = shards()),
    ),
];

/// A project of Google Cloud, for any number of hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcp;

#[async_trait]
impl Cloud for Gcp {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn database(&self) -> &'static str {
        "gcp.firestore"
    }

    fn help(&self) -> &'static str {
        "Firestore and Pub/Sub, with Google's own variables for the identity"
    }

    fn variables(&self) -> &'static [Variable] {
        VARIABLES
    }

    fn check(&self, config: &Config) -> Result<(), ConfigError> {
        if config.storage.gcp.project.is_empty() {
            return Err(ConfigError::Needed {
                variables: "TWIN_GCP_PROJECT",
                reason: "TWIN_STORE is gcp".into(),
            });
        }
        Ok(())
    }

    async fn stores(&self, config: &Config) -> Result<Stores, StoreError> {
        Ok(twin_gcp::open(settings(config), &config.twin)?.stores())
    }

    async fn init(&self, config: &Config) -> Result<Vec<Prepared>, StoreError> {
        Ok(twin_gcp::init(&settings(config), &config.twin).await?)
    }

    async fn plan(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        Ok(twin_gcp::plan(&settings(config), &config.twin)?)
    }

    async fn examine(&self, config: &Config) -> Result<Vec<Finding>, StoreError> {
        Ok(twin_gcp::check(&settings(config), &config.twin).await?)
    }
}

fn settings(config: &Config) -> GcpSettings {
    let mut settings = config.storage.gcp.clone();
    settings.kept = kept(config, settings.kept);
    settings
}
