//! The store `azure`: containers of Cosmos DB, a topic of Event Grid, a container of Blob Storage.

use std::num::NonZeroU32;

use async_trait::async_trait;
use twin_azure::AzureSettings;

use super::{Kind, Opened, Prepared, StoreError};
use crate::{
    config::{
        Config, ConfigError,
        Unset::{Nothing, Otherwise, Value},
        Variable,
        parse::{number, secret, text},
        reads,
    },
    secrets::{Secret, Vault},
};

const VARIABLES: &[Variable] = &[
    Variable::new(
        "TWIN_AZURE_COSMOS_ENDPOINT",
        Nothing,
        reads!(text(), |config, value| config.storage.azure.endpoint = Some(value)),
        "the Cosmos DB account, such as https://NAME.documents.azure.com/",
    ),
    Variable::new(
        "TWIN_AZURE_COSMOS_KEY",
        Otherwise("the identity of the host"),
        reads!(secret(), |config, value| config.storage.azure.key = Some(value)),
        "key of the account",
    )
    .secret(),
    Variable::new(
        "TWIN_AZURE_DATABASE",
        Otherwise("TWIN_NAME"),
        reads!(text(), |config, value| config.storage.azure.database = Some(value)),
        "the database, in which each twin has records of its own",
    ),
    Variable::new(
        "TWIN_AZURE_TOPIC_ENDPOINT",
        Nothing,
        reads!(text(), |config, value| config.storage.azure.topic_endpoint = Some(value)),
        "the Event Grid topic for system errors, such as https://NAME.REGION-1.eventgrid.azure.net/api/events",
    ),
    Variable::new(
        "TWIN_AZURE_TOPIC_KEY",
        Otherwise("the identity of the host"),
        reads!(secret(), |config, value| config.storage.azure.topic_key = Some(value)),
        "key of the topic",
    )
    .secret(),
    Variable::new(
        "TWIN_AZURE_STORAGE_ENDPOINT",
        Otherwise("no copies are made"),
        reads!(text(), |config, value| {
            config.storage.azure.storage_endpoint = Some(Secret::new(value));
        }),
        "the storage account that gets a copy of each dead letter, with a shared access signature or without",
    )
    .secret(),
    Variable::new(
        "TWIN_AZURE_STORAGE_CONTAINER",
        Value("dead-letters"),
        reads!(storage.azure.storage_container = text()),
        "the container for the copies",
    ),
    Variable::new(
        "TWIN_AZURE_SHARDS",
        Value("1"),
        reads!(number(1..=1000_u32), |config, value| {
            config.storage.azure.shards = NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        }),
        "partitions over which the records of a device are spread; it must not change once there are records",
    ),
];

/// What the variables of this store say.
#[derive(Clone, Debug)]
pub struct AzureStorage {
    /// `TWIN_AZURE_COSMOS_ENDPOINT`.
    pub endpoint: Option<String>,
    /// `TWIN_AZURE_COSMOS_KEY`, or a reference to it.
    pub key: Option<Secret>,
    /// `TWIN_AZURE_DATABASE`.
    pub database: Option<String>,
    /// `TWIN_AZURE_TOPIC_ENDPOINT`.
    pub topic_endpoint: Option<String>,
    /// `TWIN_AZURE_TOPIC_KEY`, or a reference to it.
    pub topic_key: Option<Secret>,
    /// `TWIN_AZURE_STORAGE_ENDPOINT`.
    pub storage_endpoint: Option<Secret>,
    /// `TWIN_AZURE_STORAGE_CONTAINER`.
    pub storage_container: String,
    /// `TWIN_AZURE_SHARDS`.
    pub shards: NonZeroU32,
}

impl Default for AzureStorage {
    fn default() -> Self {
        Self {
            endpoint: None,
            key: None,
            database: None,
            topic_endpoint: None,
            topic_key: None,
            storage_endpoint: None,
            storage_container: String::new(),
            shards: NonZeroU32::MIN,
        }
    }
}

/// A subscription of Azure, for any number of hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Azure;

#[async_trait]
impl Kind for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn help(&self) -> &'static str {
        "Cosmos DB, Event Grid and Blob Storage, with Azure's own variables for the identity"
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
        for (variables, value) in [
            ("TWIN_AZURE_COSMOS_ENDPOINT", &config.storage.azure.endpoint),
            (
                "TWIN_AZURE_TOPIC_ENDPOINT",
                &config.storage.azure.topic_endpoint,
            ),
        ] {
            if value.is_none() {
                return Err(ConfigError::Needed {
                    variables,
                    reason: "TWIN_STORE is azure".into(),
                });
            }
        }
        Ok(())
    }

    async fn open(&self, config: &Config) -> Result<Opened, StoreError> {
        let azure = twin_azure::open(settings(config).await?, &config.twin)?;
        Ok(Opened::without_retention(azure.stores()))
    }

    async fn init(&self, config: &Config, _: Option<&str>) -> Result<Prepared, StoreError> {
        let prepared = twin_azure::init(&settings(config).await?, &config.twin).await?;
        Ok(Prepared::Parts(
            prepared.iter().map(ToString::to_string).collect(),
        ))
    }

    async fn upgrade(&self, config: &Config) -> Result<Prepared, StoreError> {
        self.init(config, None).await
    }

    async fn plan(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        Ok(twin_azure::plan(&settings(config).await?, &config.twin)?)
    }

    async fn examine(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        let findings = twin_azure::check(&settings(config).await?, &config.twin).await?;
        Ok(findings.iter().map(ToString::to_string).collect())
    }
}

/// Keys may be kept elsewhere.
async fn settings(config: &Config) -> Result<AzureSettings, ConfigError> {
    let vault = Vault::default();
    let look_up = async |variable, key: &Option<Secret>| match key {
        None => Ok(None),
        Some(key) => vault
            .value(key)
            .await
            .map(Some)
            .map_err(|error| ConfigError::of_secret(variable, error)),
    };
    let storage = &config.storage;
    let own = &storage.azure;
    let mut settings = AzureSettings::new(own.endpoint.clone().unwrap_or_default());
    settings.key = look_up("TWIN_AZURE_COSMOS_KEY", &own.key).await?;
    settings.database.clone_from(&own.database);
    settings.topic_endpoint.clone_from(&own.topic_endpoint);
    settings.topic_key = look_up("TWIN_AZURE_TOPIC_KEY", &own.topic_key).await?;
    settings.storage_endpoint.clone_from(&own.storage_endpoint);
    settings
        .storage_container
        .clone_from(&own.storage_container);
    settings.record_age = storage.record_age;
    settings.letter_age = storage.letter_age;
    settings.shards = own.shards;
    Ok(settings)
}
