//! The provider `azure`: a twin's data in Azure Cosmos DB for NoSQL. Any number of hosts work beside each other over one database,
//! and a host keeps nothing.
//!
//! | what | where |
//! |---|---|
//! | records, dead letters, circuits | an item each in the containers `Messages`, `SystemErrors`, `DeadLetters`, `State` |
//! | system errors | an Event Grid custom topic, which delivers them to the error reporter by itself |
//! | a copy of each dead letter | a blob `{twin}/{letter id}.json` in a storage account, if there is one |
//! | secrets | Key Vault, by reference: [`KeyVault`] |
//! | the host's identity, for peers that take no key | tokens of Microsoft Entra ID: [`EntraTokens`] |
//!
//! # Consistency
//!
//! Writes never depend on the account's consistency level: each is one request with a condition, decided by the newest state. A
//! host always reads what it wrote itself, and what a refused write of its own met, because it sends the session token of each
//! container back. What *another* host has just written is seen at once if the account's default consistency level is Strong or
//! Bounded Staleness (in its region). With Session, the default of new accounts, a list, a circuit or a lookup by id may be a
//! moment late; nothing is stored or leased twice by that. [`check`] names the level.
//!
//! # Permissions
//!
//! With its identity instead of a key, a host needs these actions of Cosmos DB, the `readMetadata` of the account among them for
//! [`check`] only; the built-in role *Cosmos DB Built-in Data Contributor* has them all:
//!
//! ```text
//! Microsoft.DocumentDB/databaseAccounts/readMetadata
//! Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/executeQuery
//! Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/{create,read,replace,upsert,delete}
//! ```
//!
//! and *EventGrid Data Sender* on the topic, *Storage Blob Data Contributor* on the container of copies, *Key Vault Secrets User* on
//! the secrets. No role of this kind can create a database or a container: [`init`] needs a key of the account, or a deployment
//! makes them (see [`plan`]).
//!
//! An operator who reads the container of what Event Grid could not deliver ([`UndeliveredBlobs`]) needs *Storage Blob Data
//! Contributor* on that container. A host does not.
//!
//! # Limits
//!
//! An item has at most 2 MiB, which fits every message of the contract; a partition (a device, or a shard of it) takes 10,000
//! request units per second and holds 20 GB. An expired item is not read any more, and is removed in the background.
//! A throttled call (429) fails with how long to wait, which the caller gets as `retry-after`; nothing is repeated here.
//!
//! # Example
//!
//! ```no_run
//! use twin_azure::AzureSettings;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = AzureSettings::new("https://factory.documents.azure.com:443/");
//! settings.topic_endpoint = Some("https://errors.westeurope-1.eventgrid.azure.net/api/events".to_owned());
//! for finding in twin_azure::check(&settings, "factory-01").await? {
//!     println!("{finding}");
//! }
//! let stores = twin_azure::open(settings, "factory-01")?.stores();
//! stores.health.check().await?;
//! # Ok(())
//! # }
//! ```

mod connection;
mod copies;
mod documents;
mod error;
mod error_topic;
mod http;
mod identity;
mod prepare;
mod secrets;
mod settings;
mod undelivered;

use std::{fmt, sync::Arc};

pub use twin_capabilities::secrets::KeyVaultSecret;
use twin_capabilities::{ErrorTopic, Stores, provider::Clock};
use twin_documents::DocumentStore;
pub use twin_documents::{Finding, Prepared, Problem};

pub use error::AzureError;
pub use identity::{EntraTokens, default_credential};
pub use prepare::{check, init, plan};
pub use secrets::KeyVault;
pub use settings::{AzureSettings, Containers, KeyVaultSettings};
pub use undelivered::UndeliveredBlobs;

use crate::{
    connection::Services,
    documents::{CosmosDocuments, StoreClock},
    error_topic::NoTopic,
};

/// One twin's stores in Azure. Clones share them.
#[derive(Clone)]
pub struct Azure {
    store: DocumentStore<CosmosDocuments>,
    topic: Arc<dyn ErrorTopic>,
}

impl fmt::Debug for Azure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Azure").finish_non_exhaustive()
    }
}

/// Opens a twin's stores. Nothing is sent, and nothing is created: the database must be there.
///
/// # Errors
/// If a setting or the identity that the environment names cannot be used.
pub fn open(settings: AzureSettings, twin: &str) -> Result<Azure, AzureError> {
    open_with(settings, twin, None)
}

/// As [`open`], with a clock of the caller's in the place of the service's.
///
/// # Errors
/// As for [`open`].
#[cfg(feature = "testing")]
pub fn open_at(settings: AzureSettings, twin: &str, clock: Clock) -> Result<Azure, AzureError> {
    open_with(settings, twin, Some(clock))
}

fn open_with(
    settings: AzureSettings,
    twin: &str,
    clock: Option<Clock>,
) -> Result<Azure, AzureError> {
    let Services {
        cosmos,
        event_grid,
        copies,
    } = Services::new(&settings, twin)?;
    let clock = clock.unwrap_or_else(|| cosmos.clock.as_clock());
    let documents = CosmosDocuments {
        cosmos,
        clock: StoreClock(clock.clone()),
    };
    let kept = settings.kept;
    let mut store = DocumentStore::new(documents, twin, clock, kept);
    if let Some(copies) = copies {
        store = store.with_copies(Arc::new(copies));
    }
    Ok(Azure {
        store,
        topic: match event_grid {
            Some(event_grid) => Arc::new(event_grid),
            None => Arc::new(NoTopic),
        },
    })
}

impl Azure {
    /// The stores.
    #[must_use]
    pub fn stores(&self) -> Stores {
        self.store.stores(Arc::clone(&self.topic))
    }
}
