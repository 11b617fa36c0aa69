//! The provider `aws`: a twin's data in DynamoDB, its system errors on a bus of EventBridge, copies of its dead letters in a queue
//! of SQS, its keys in Secrets Manager; and a host's identity for peers that take no key. Any number of hosts work beside each other, and a host keeps nothing.
//!
//! # Example
//!
//! ```no_run
//! use twin_aws::AwsSettings;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = AwsSettings::new();
//! settings.region = Some("eu-central-1".to_owned());
//!
//! // Once, with permission to create tables.
//! for prepared in twin_aws::init(&settings, "factory-01").await? {
//!     println!("{prepared}");
//! }
//!
//! // In every host.
//! let stores = twin_aws::open(settings, "factory-01").stores();
//! stores.health.check().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is acknowledged
//!
//! A write that was acknowledged is on the disks of several data centres of the region. A record, a letter and a circuit is one
//! item, and is written under a condition: of several hosts that write the same one, exactly one does.
//!
//! Pages of records and of letters, previews and replays are read through indexes, which DynamoDB updates after it has acknowledged
//! a write, usually within a second. Until then what was stored is not in a page: **a writer does not always read its own write**. So a
//! reader that asks for the newest records may get them a moment late, and should not take a page's end for the end of the data
//! while it is written to. Nothing is lost or doubled by that: whether a record or letter exists is always read from the table
//! itself, and so is whether a letter is leased.
//!
//! # Tables
//!
//! `{prefix}-messages`, `{prefix}-system-errors`, `{prefix}-dead-letters` and `{prefix}-state`, made by [`init`]. The primary key `key` is
//! the hash of what identifies a document, so that items spread over all of a table. The index `by-order` sorts the items of a
//! `partition` (one device, or one shard of it) by `order`; letters have a second one, `by-queue`. What is in a document is in the map
//! `fields`, as text where it is text.
//!
//! DynamoDB removes items some time after the second in `expires`, at most a few days late; without an age in the settings there is no
//! such attribute.
//!
//! # Limits
//!
//! An item has at most 400 KB. A little less is left for an envelope: what is larger than about 395 KiB with its
//! other fields fails as [`TooLarge`](twin_capabilities::Failure::TooLarge). A partition of an index takes about 1000 writes of 1 KiB in a second, and
//! if it takes no more, the table does not, either: then calls fail as unavailable, and the sender tries again. Spread a busy device over several shards
//! ([`Settings::shards`](twin_documents::Settings::shards)).
//!
//! # Permissions
//!
//! A host calls [`HOST_ACTIONS`] and nothing else. What [`init`] and [`check`] need is said there. An operator who reads a dead-letter
//! queue of the platform ([`UndeliveredMessages`]) needs [`OPERATOR_ACTIONS`] on it.
//!
//! # Calls
//!
//! Every call is made once, and takes at most 5 seconds; publishing a system error takes at most half a second, copying a letter
//! [`COPY_LIMIT`](twin_documents::COPY_LIMIT). Whether something is
//! tried again is the caller's decision. The store's clock is that of DynamoDB, as its responses show it.

mod connection;
mod copies;
mod documents;
mod error;
mod error_topic;
mod prepare;
mod secrets;
mod settings;
mod signing;
mod undelivered;
mod web_identity;
mod wire;

use std::{fmt, sync::Arc};

pub use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use twin_capabilities::Stores;
pub use twin_capabilities::{provider::Clock, secrets::SecretsManagerArn};
use twin_documents::{DocumentStore, ServiceClock};
pub use twin_documents::{Finding, Kind, Prepared, Problem, ServiceError};

pub use prepare::{check, init, plan};
pub use secrets::SecretsManager;
pub use settings::{AwsSettings, DeadLetterQueue};
pub use signing::{SigV4, SigningScope};
pub use undelivered::UndeliveredMessages;
pub use web_identity::WebIdentity;

use crate::{
    connection::Connection,
    copies::{Copies, Queue},
    documents::DynamoDb,
    error::Action,
    error_topic::EventBridge,
    settings::Names,
};

/// Everything that a host calls, as a policy names it. `sqs:GetQueueUrl` is needed only if the queue is known by its name, and
/// `secretsmanager:GetSecretValue` only for references to secrets, and `sts:GetWebIdentityToken` only for tokens to peers. What a peer
/// behind IAM asks for (`lambda:InvokeFunctionUrl`, `execute-api:Invoke`) comes on top.
pub const HOST_ACTIONS: [&str; 9] = [
    // The tables, and their indexes (`table/…/index/*`).
    Action::PUT_ITEM.name(),
    Action::GET_ITEM.name(),
    Action::DELETE_ITEM.name(),
    Action::QUERY.name(),
    // The bus.
    Action::PUT_EVENTS.name(),
    // The queue.
    Action::SEND_MESSAGE.name(),
    Action::GET_QUEUE_URL.name(),
    // The secrets.
    Action::GET_SECRET.name(),
    // Tokens to peers.
    Action::GET_TOKEN.name(),
];

/// What reading a dead-letter queue takes, as a policy names it. A host does none of it.
pub const OPERATOR_ACTIONS: [&str; 3] = [
    Action::RECEIVE_MESSAGE.name(),
    Action::DELETE_MESSAGE.name(),
    Action::HIDE_MESSAGE.name(),
];

/// One twin's stores in an account. Clones share them.
#[derive(Clone)]
pub struct Aws {
    store: DocumentStore<DynamoDb>,
    error_topic: Arc<EventBridge>,
    secrets: SecretsManager,
}

impl fmt::Debug for Aws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Aws").finish_non_exhaustive()
    }
}

/// Opens a twin's stores. Reads and creates nothing: region and credentials are looked for at the first call, and the tables must be
/// there.
#[must_use]
pub fn open(settings: AwsSettings, twin: &str) -> Aws {
    let clock = ServiceClock::default();
    let as_clock = clock.as_clock();
    open_with(settings, twin, clock, as_clock)
}

/// As [`open`], with a clock of the caller's in the place of the service's.
#[cfg(feature = "testing")]
#[must_use]
pub fn open_at(settings: AwsSettings, twin: &str, clock: Clock) -> Aws {
    open_with(settings, twin, ServiceClock::default(), clock)
}

/// `observed` is set by the service's responses, and `clock` is what the stores read.
fn open_with(settings: AwsSettings, twin: &str, observed: ServiceClock, clock: Clock) -> Aws {
    let names = Names::of(&settings, twin);
    let kept = settings.kept;
    let queue = Queue::of(&settings.dead_letter_queue, &names);
    let connection = Arc::new(Connection::new(settings, observed));
    let documents = DynamoDb::new(connection.clone(), names);
    let mut store = DocumentStore::new(documents, twin, clock, kept);
    if let Some(queue) = queue {
        store = store.with_copies(Arc::new(Copies::new(connection.clone(), queue)));
    }
    Aws {
        store,
        error_topic: Arc::new(EventBridge::new(connection.clone())),
        secrets: SecretsManager::new(connection),
    }
}

impl Aws {
    /// The stores in this account.
    #[must_use]
    pub fn stores(&self) -> Stores {
        self.store.stores(self.error_topic.clone())
    }

    /// The account's secrets.
    #[must_use]
    pub fn secrets(&self) -> &SecretsManager {
        &self.secrets
    }
}
