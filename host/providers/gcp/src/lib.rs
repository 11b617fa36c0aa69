//! The provider `gcp`: a twin's data in Firestore, its system errors and copies of its dead letters in Pub/Sub, its secrets in
//! Secret Manager, the host's identity for peers that take no key by ID tokens ([`IdTokens`]).
//!
//! # What is acknowledged
//!
//! An acknowledged write is committed by Firestore. Reading, also by queries, is strongly consistent: whatever has been
//! acknowledged to any host is in every page that is read after that. Which of several writers stores a record, holds a lease or
//! changes a circuit is decided by preconditions of single documents; see [`twin_documents`].
//!
//! Nothing is retried here. Every call has a time limit: 5 s for data, 500 ms for system errors,
//! [`COPY_LIMIT`](twin_documents::COPY_LIMIT) for the copy of a letter.
//!
//! # What there is in the project
//!
//! The collections `messages`, `system_errors`, `dead_letters` and `state` of one database, which several twins may share, with
//! their composite indexes; a topic for system errors, to which the error reporter subscribes; and a topic with a subscription
//! for copies of dead letters. [`init`] makes all of it but the database. A host makes nothing, and needs no right to.
//!
//! # Permissions
//!
//! | who | permissions | roles that have them |
//! |---|---|---|
//! | a host | `datastore.entities.{create,get,list,update,delete}`, `pubsub.topics.publish`, `secretmanager.versions.access` | `datastore.user`; `pubsub.publisher` on the two topics; `secretmanager.secretAccessor` on the secrets |
//! | who reads a dead-letter subscription ([`UndeliveredMessages`]) | `pubsub.subscriptions.consume` | `pubsub.subscriber` on it |
//! | [`init`] | `datastore.databases.getMetadata`, `datastore.indexes.{create,get,update}`, `pubsub.topics.{create,attachSubscription}`, `pubsub.subscriptions.create` | `datastore.indexAdmin`, `pubsub.editor` |
//! | [`check`] | `datastore.databases.getMetadata`, `datastore.indexes.{get,list}`, `pubsub.topics.get`, `pubsub.subscriptions.get` | `datastore.viewer`, `pubsub.viewer` |
//!
//! # Example
//!
//! ```no_run
//! use twin_gcp::GcpSettings;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = GcpSettings::new("my-project");
//!
//! // Once, by somebody who may.
//! for done in twin_gcp::init(&settings, "factory-01").await? {
//!     println!("{done}");
//! }
//!
//! // In every host.
//! let gcp = twin_gcp::open(settings, "factory-01")?;
//! gcp.stores().health.check().await?;
//! let reference = "projects/my-project/secrets/peer-key/versions/latest".parse()?;
//! let key = gcp.secret_manager().fetch(&reference).await?;
//! # Ok(())
//! # }
//! ```

mod copies;
mod credentials;
mod documents;
mod error;
mod error_topic;
mod id_tokens;
mod names;
mod prepare;
mod pubsub;
mod requests;
mod schema;
mod secrets;
mod service;
mod settings;
mod undelivered;
mod wire;

use std::{fmt, sync::Arc};

pub use twin_capabilities::secrets::SecretManagerVersion;
use twin_capabilities::{Stores, provider::Clock};
use twin_documents::{DocumentStore, ServiceClock};
pub use twin_documents::{Finding, Prepared, Problem};

pub use error::GcpError;
pub use id_tokens::IdTokens;
pub use prepare::{check, init, plan};
pub use secrets::SecretManager;
pub use settings::{Endpoints, GcpSettings, Identity};
pub use undelivered::UndeliveredMessages;

use crate::{
    copies::Copies,
    documents::Firestore,
    error_topic::Errors,
    names::Names,
    pubsub::Topic,
    service::{Link, Service},
};

/// One twin's stores in a project. Clones share them.
#[derive(Clone)]
pub struct Gcp {
    store: DocumentStore<Firestore>,
    errors: Arc<Errors>,
    secret_manager: SecretManager,
}

impl fmt::Debug for Gcp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gcp").finish_non_exhaustive()
    }
}

/// Opens a twin's stores. Creates nothing and waits for nothing; a Tokio runtime must be there, in which the credentials' library
/// renews tokens.
///
/// # Errors
/// If a setting cannot be used, or there are no credentials.
pub fn open(settings: GcpSettings, twin: &str) -> Result<Gcp, GcpError> {
    open_with(&settings, twin, None)
}

/// As [`open`], with a clock of the caller's in the place of Google's.
///
/// # Errors
/// As for [`open`].
#[cfg(feature = "testing")]
pub fn open_at(settings: GcpSettings, twin: &str, clock: Clock) -> Result<Gcp, GcpError> {
    open_with(&settings, twin, Some(clock))
}

fn open_with(settings: &GcpSettings, twin: &str, clock: Option<Clock>) -> Result<Gcp, GcpError> {
    let names = Names::of(settings, twin)?;
    let service_clock = ServiceClock::default();
    let clock = clock.unwrap_or_else(|| service_clock.as_clock());
    let link = Link::open(settings.identity, &settings.endpoints, service_clock)?;
    let firestore = firestore(settings, &link)?;
    let pubsub = pubsub(settings, &link)?;
    let copies = Copies(Topic::new(pubsub.clone(), names.dead_letter_topic));
    let documents = Firestore::new(firestore, &names.database);
    let kept = settings.kept;
    Ok(Gcp {
        store: DocumentStore::new(documents, twin, clock, kept).with_copies(Arc::new(copies)),
        errors: Arc::new(Errors(Topic::new(pubsub, names.error_topic))),
        secret_manager: SecretManager::over(&settings.endpoints, &link)?,
    })
}

fn firestore(settings: &GcpSettings, link: &Arc<Link>) -> Result<Service, GcpError> {
    let endpoint = &settings.endpoints.firestore;
    Service::at("Firestore", "endpoints.firestore", endpoint, link)
}

fn pubsub(settings: &GcpSettings, link: &Arc<Link>) -> Result<Service, GcpError> {
    let endpoint = &settings.endpoints.pubsub;
    Service::at("Pub/Sub", "endpoints.pubsub", endpoint, link)
}

impl Gcp {
    /// The stores in this project.
    #[must_use]
    pub fn stores(&self) -> Stores {
        self.store.stores(self.errors.clone())
    }

    /// The secrets that the host's identity may read, in any project.
    #[must_use]
    pub const fn secret_manager(&self) -> &SecretManager {
        &self.secret_manager
    }
}
