//! Where a twin's data is in Azure, and how it is used.

use std::{num::NonZeroU32, sync::Arc};

use azure_core::credentials::TokenCredential;
use twin_capabilities::secrets::Secret;
use twin_documents::Settings;

/// Where a twin's data is in Azure, and how it is used.
///
/// Wherever there is no key, the host is who its environment says: see [`default_credential`](crate::default_credential).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AzureSettings {
    /// The endpoint of the Cosmos DB account: `https://{account}.documents.azure.com:443/`, or that of a private endpoint.
    pub endpoint: String,
    /// A key of the account. Without it the host's identity is used, which then needs a role with the actions that the
    /// [crate] names.
    pub key: Option<Secret>,
    /// The database; named as the twin without it.
    pub database: Option<String>,
    /// The containers of the database.
    pub containers: Containers,
    /// The most request units per second that [`init`](crate::init) gives a new database, shared by its containers: 1000 or more.
    /// They are scaled down to a tenth while they are not used. Without it the account decides, as a serverless one must.
    pub throughput: Option<NonZeroU32>,
    /// The endpoint of the Event Grid topic for system errors: `https://{topic}.{region}-1.eventgrid.azure.net/api/events`. It must
    /// take events in the schema CloudEvents 1.0. Without it publishing fails.
    pub topic_endpoint: Option<String>,
    /// A key of the topic. Without it the host's identity is used.
    pub topic_key: Option<Secret>,
    /// The endpoint of the storage account to which dead letters are copied: `https://{account}.blob.core.windows.net/`. With a
    /// shared access signature as its query, the host's identity is not used. Without an endpoint nothing is copied.
    pub storage_endpoint: Option<Secret>,
    /// The container of the storage account.
    pub storage_container: String,
    /// Who the host is, instead of what its environment says.
    pub credential: Option<Arc<dyn TokenCredential>>,
    /// The HTTP client, to share one with others. It must not follow redirects and must not repeat requests.
    pub client: Option<reqwest::Client>,
    /// How long data is kept, and how a device is spread: a partition takes 10,000 request units per second and holds 20 GB.
    pub kept: Settings,
}

/// The names of the containers of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Containers {
    /// For records.
    pub messages: String,
    /// For the system errors that the error reporter stores.
    pub system_errors: String,
    /// For dead letters.
    pub dead_letters: String,
    /// For circuits and the health check.
    pub state: String,
}

impl Default for Containers {
    fn default() -> Self {
        Self {
            messages: "Messages".to_owned(),
            system_errors: "SystemErrors".to_owned(),
            dead_letters: "DeadLetters".to_owned(),
            state: "State".to_owned(),
        }
    }
}

impl AzureSettings {
    /// The defaults, for an account.
    #[must_use]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            key: None,
            database: None,
            containers: Containers::default(),
            throughput: None,
            topic_endpoint: None,
            topic_key: None,
            storage_endpoint: None,
            storage_container: "dead-letters".to_owned(),
            credential: None,
            client: None,
            kept: Settings::default(),
        }
    }
}

/// How secrets are looked up in Key Vault.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct KeyVaultSettings {
    /// Where requests go instead of to the vault that a reference names: a private endpoint or a proxy that this host trusts with
    /// its token.
    pub endpoint: Option<String>,
    /// Who the host is, instead of what its environment says.
    pub credential: Option<Arc<dyn TokenCredential>>,
    /// The HTTP client, to share one with others. It must not follow redirects and must not repeat requests.
    pub client: Option<reqwest::Client>,
}
