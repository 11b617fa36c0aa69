//! How a database is used.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use twin_contract::Cloud;

use crate::PostgresUrl;

/// The most connections of one host, unless its settings say otherwise.
pub const DEFAULT_CONNECTIONS: u32 = 10;

/// The fewest connections that a host can work with: one to read, two to write, one to listen.
pub const MIN_CONNECTIONS: u32 = 4;

/// How a database is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PostgresSettings {
    /// Where it is, and by which role it is used.
    pub url: PostgresUrl,
    /// The cloud whose data it is, named in the system errors about it. Without it damage is logged and not reported.
    pub cloud: Option<Cloud>,
    /// The most connections that are open at once: 4 or more.
    pub connections: NonZeroU32,
    /// How long records are kept; for ever without it.
    pub record_age: Option<Duration>,
    /// How long dead letters are kept; for ever without it.
    pub letter_age: Option<Duration>,
    /// Whether the data may be lost in a crash of the server: lets one with `fsync=off` pass.
    pub ephemeral: bool,
    /// A PEM file of certificate authorities that are trusted beside the system's.
    pub extra_ca_file: Option<PathBuf>,
}

impl PostgresSettings {
    /// The defaults, for a database.
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
