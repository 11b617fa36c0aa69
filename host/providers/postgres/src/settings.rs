//! The settings of a database.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

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

impl PostgresSettings {
    /// The default settings for a database.
    #[must_use]
    pub fn new(url: PostgresUrl) -> Self {
        Self {
            url,
            cloud: None,
            connections: NonZeroU32::new(DEFAULT_CONNECTIONS).unwrap_or(NonZeroU32::MIN),
            record_age: None,
            letter_age: None,
            ephemeral: false,
            extra_ca_file: None,
        }
    }
}
