//! The store `gcp`: collections of Firestore, topics of Pub/Sub.

use std::num::NonZeroU32;

use async_trait::async_trait;
use twin_gcp::{Endpoints, GcpSettings, Identity};

use super::{Kind, Opened, Prepared, StoreError};
use crate::config::{
    Config, ConfigError,
    Unset::{Nothing, Otherwise, Value},
    Variable,
    parse::{number, switch, text},
    reads,
};

const VARIABLES: &[Variable] = &[
    Variable::new(
        "TWIN_GCP_PROJECT",
        Nothing,
        reads!(text(), |config, value| config.storage.gcp.project =
            Some(value)),
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
        reads!(switch(), |config, anonymous| config.storage.gcp.anonymous =
            anonymous),
        "sends no credentials, and permits plain HTTP: for emulators only",
    ),
    Variable::new(
        "TWIN_GCP_SHARDS",
        Value("1"),
        reads!(number(1..=1000_u32), |config, value| {
            config.storage.gcp.shards = NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        }),
        "partitions over which the records of a device are spread; it must not change once there are records",
    ),
];

/// What the variables of this store say.
#[derive(Clone, Debug)]
pub struct GcpStorage {
    /// `TWIN_GCP_PROJECT`.
    pub project: Option<String>,
    /// `TWIN_GCP_DATABASE`.
    pub database: String,
    /// `TWIN_GCP_ERROR_TOPIC`.
    pub error_topic: Option<String>,
    /// `TWIN_GCP_DEAD_LETTER_TOPIC`.
    pub dead_letter_topic: Option<String>,
    /// `TWIN_GCP_FIRESTORE_ENDPOINT`, `TWIN_GCP_PUBSUB_ENDPOINT`.
    pub endpoints: Endpoints,
    /// `TWIN_GCP_ANONYMOUS`.
    pub anonymous: bool,
    /// `TWIN_GCP_SHARDS`.
    pub shards: NonZeroU32,
}

impl Default for GcpStorage {
    fn default() -> Self {
        Self {
            project: None,
            database: String::new(),
            error_topic: None,
            dead_letter_topic: None,
            endpoints: Endpoints::default(),
            anonymous: false,
            shards: NonZeroU32::MIN,
        }
    }
}

/// A project of Google Cloud, for any number of hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcp;

#[async_trait]
impl Kind for Gcp {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn help(&self) -> &'static str {
        "Firestore and Pub/Sub, with Google's own variables for the identity"
    }

    fn variables(&self) -> &'static [Variable] {
        VARIABLES
    }

    fn is_named_after_the_twin(&self) -> bool {
        true
    }

    fn outlives_the_machine(&self) -> bool {
        true
    }

    fn check(&self, config: &Config) -> Result<(), ConfigError> {
        let project = config.storage.gcp.project.as_ref();
        project.map(|_| ()).ok_or_else(|| ConfigError::Needed {
            variables: "TWIN_GCP_PROJECT",
            reason: "TWIN_STORE is gcp".into(),
        })
    }

    async fn open(&self, config: &Config) -> Result<Opened, StoreError> {
        let gcp = twin_gcp::open(settings(config), &config.twin)?;
        Ok(Opened::without_retention(gcp.stores()))
    }

    async fn init(&self, config: &Config, _: Option<&str>) -> Result<Prepared, StoreError> {
        let prepared = twin_gcp::init(&settings(config), &config.twin).await?;
        Ok(Prepared::Parts(
            prepared.iter().map(ToString::to_string).collect(),
        ))
    }

    async fn upgrade(&self, config: &Config) -> Result<Prepared, StoreError> {
        self.init(config, None).await
    }

    async fn plan(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        Ok(twin_gcp::plan(&settings(config), &config.twin)?)
    }

    async fn examine(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        let findings = twin_gcp::check(&settings(config), &config.twin).await?;
        Ok(findings.iter().map(ToString::to_string).collect())
    }
}

fn settings(config: &Config) -> GcpSettings {
    let storage = &config.storage;
    let own = &storage.gcp;
    let mut settings = GcpSettings::new(own.project.clone().unwrap_or_default());
    settings.database.clone_from(&own.database);
    settings.error_topic.clone_from(&own.error_topic);
    settings
        .dead_letter_topic
        .clone_from(&own.dead_letter_topic);
    settings.endpoints = own.endpoints.clone();
    settings.identity = if own.anonymous {
        Identity::Anonymous
    } else {
        Identity::Default
    };
    settings.record_age = storage.record_age;
    settings.letter_age = storage.letter_age;
    settings.shards = own.shards;
    settings
}
