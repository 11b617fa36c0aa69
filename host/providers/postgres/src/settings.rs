//! The settings of a database.

use std::{fmt, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use twin_contract::Cloud;

use crate::PostgresUrl;

/// The default for the most connections of one host.
pub const DEFAULT_CONNECTIONS: u32 = 10;

/// The fewest connections that a host can work with: one to read, two to write, one to listen.
pub const MIN_CONNECTIONS: u32 = 4;

/// The settings of a database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PostgresSettings {
    /// The address of the database, and the role that uses it.
    pub url: PostgresUrl,
    /// Where another URL is looked up when the server refuses the role or its password; `None` if the URL never changes.
    pub renewal: Option<Arc<dyn Renewal>>,
    /// The cloud that owns the data, named in system errors about it. Without it, damage is logged but not reported.
    pub cloud: Option<Cloud>,
    /// The most connections that are open at once: 4 or more.
    pub connections: NonZeroU32,
    /// How long records are kept; `None` for ever.
    pub record_age: Option<Duration>,
    /// How long dead letters are kept; `None` for ever.
    pub letter_age: Option<Duration>,
    /// Whether a crash of the server may lose data. If true, a server with `fsync=off` is accepted.
    pub ephemeral: bool,
    /// A PEM file of certificate authorities that are trusted in addition to the system's.
    pub extra_ca_file: Option<PathBuf>,
}

/// Where the URL of a database is kept, while its password is rotated.
#[async_trait]
pub trait Renewal: fmt::Debug + Send + Sync {
    /// The URL as it is now; `None` if it cannot be looked up, which the implementation logs.
    async fn url(&self) -> Option<PostgresUrl>;
}

impl PostgresSettings {
    /// The default settings for a database.
    #[must_use]
    pub fn new(url: PostgresUrl) -> Self {
        Self {
            url,
            renewal: None,
            cloud: None,
            connections: NonZeroU32::new(DEFAULT_CONNECTIONS).unwrap_or(NonZeroU32::MIN),
            record_age: None,
            letter_age: None,
            ephemeral: false,
            extra_ca_file: None,
        }
    }
}
