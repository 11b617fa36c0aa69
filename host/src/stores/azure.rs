//! The store `azure`: containers of Cosmos DB, a topic of Event Grid, a container of Blob Storage.

use async_trait::async_trait;
use twin_azure::{AzureSettings, Finding, Prepared};
use twin_capabilities::Stores;

use super::{
    StoreError,
    clouds::{Cloud, kept, shards, shards_variable},
};
use crate::{
    config::{
        Config, ConfigError,
        Unset::{Nothing, Otherwise, Value},
        Variable,
        parse::{secret, text},
        reads,
    },
    secrets::{Configured, Secret, Vault},
};

const VARIABLES: &[Variable] = &[
    Variable::new(
        "TWIN_AZURE_COSMOS_ENDPOINT",
        Nothing,
        reads!(storage.azure.settings.endpoint = text()),
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
        reads!(text(), |config, value| config.storage.azure.settings.database = Some(value)),
        "the database, in which each twin has records of its own",
    ),
    Variable::new(
        "TWIN_AZURE_TOPIC_ENDPOINT",
        Nothing,
        reads!(text(), |config, value| config.storage.azure.settings.topic_endpoint = Some(value)),
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
            config.storage.azure.settings.storage_endpoint = Some(Secret::new(value));
        }),
        "the storage account that gets a copy of each dead letter, with a shared access signature or without",
    )
    .secret(),
    Variable::new(
        "TWIN_AZURE_STORAGE_CONTAINER",
        Value("dead-letters"),
        reads!(storage.azure.settings.storage_container = text()),
        "the container for the copies",
    ),
    shards_variable("TWIN_AZURE_SHARDS", reads!(storage.azure.settings.kept.shards = shards())),
];

/// What the variables of this store say.
#[derive(Clone, Debug)]
pub struct AzureStorage {
    /// All but the keys.
    pub settings: AzureSettings,
    /// `TWIN_AZURE_COSMOS_KEY`.
    pub key: Option<Configured>,
    /// `TWIN_AZURE_TOPIC_KEY`.
    pub topic_key: Option<Configured>,
}

impl Default for AzureStorage {
    /// Nothing is set.
    fn default() -> Self {
        Self {
            settings: AzureSettings::new(String::new()),
            key: None,
            topic_key: None,
        }
    }
}

/// A subscription of Azure, for any number of hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Azure;

#[async_trait]
impl Cloud for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn database(&self) -> &'static str {
        "azure.cosmosdb"
    }

    fn help(&self) -> &'static str {
        "Cosmos DB, Event Grid and Blob Storage, with Azure's own variables for the identity"
    }

    fn variables(&self) -> &'static [Variable] {
        VARIABLES
    }

    fn check(&self, config: &Config) -> Result<(), ConfigError> {
        let settings = &config.storage.azure.settings;
        for (variables, is_set) in [
            ("TWIN_AZURE_COSMOS_ENDPOINT", !settings.endpoint.is_empty()),
            (
                "TWIN_AZURE_TOPIC_ENDPOINT",
                settings.topic_endpoint.is_some(),
            ),
        ] {
            if !is_set {
                return Err(ConfigError::Needed {
                    variables,
                    reason: "TWIN_STORE is azure".into(),
                });
            }
        }
        Ok(())
    }

    async fn stores(&self, config: &Config) -> Result<Stores, StoreError> {
        Ok(twin_azure::open(settings(config).await?, &config.twin)?.stores())
    }

    async fn init(&self, config: &Config) -> Result<Vec<Prepared>, StoreError> {
        Ok(twin_azure::init(&settings(config).await?, &config.twin).await?)
    }

    async fn plan(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        Ok(twin_azure::plan(&settings(config).await?, &config.twin)?)
    }

    async fn examine(&self, config: &Config) -> Result<Vec<Finding>, StoreError> {
        Ok(twin_azure::check(&settings(config).await?, &config.twin).await?)
    }
}

/// Keys may be kept elsewhere.
async fn settings(config: &Config) -> Result<AzureSettings, ConfigError> {
    let vault = Vault::default();
    let look_up = async |variable, key: &Option<Configured>| match key {
        None => Ok(None),
        Some(key) => vault
            .value(key)
            .await
            .map(Some)
            .map_err(|error| ConfigError::of_secret(variable, error)),
    };
    let own = &config.storage.azure;
    let mut settings = own.settings.clone();
    settings.key = look_up("TWIN_AZURE_COSMOS_KEY", &own.key).await?;
    settings.topic_key = look_up("TWIN_AZURE_TOPIC_KEY", &own.topic_key).await?;
    settings.kept = kept(config, settings.kept);
    Ok(settings)
}
