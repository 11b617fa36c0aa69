//! The settings by subject, as the table fills them.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use crate::stores;
#[cfg(feature = "postgres")]
use crate::stores::postgres::PostgresStorage;

/// How requests come in.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `TWIN_BIND`.
    pub address: IpAddr,
    /// `PORT`; 0 takes a free one.
    pub port: u16,
    /// `ROUTE_PREFIX`: empty, or with a slash in front and none at its end.
    pub route_prefix: String,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a reply may wait for its client to read.
    pub write_timeout: Duration,
    /// Connections open at once; none if the limit of descriptors decides.
    pub max_connections: Option<usize>,
    /// Memory for bodies, in bytes; none if the memory of the control group decides.
    pub body_memory: Option<u32>,
    /// How long calls may take to finish when the host is told to stop.
    pub drain_timeout: Duration,
}

/// Where data is kept.
#[derive(Clone, Debug)]
pub struct Storage {
    /// `TWIN_STORE`.
    pub kind: &'static dyn stores::Kind,
    /// Of the local store.
    pub data_dir: PathBuf,
    /// The most bytes that data and log may use; no limit without it.
    pub max_bytes: Option<u64>,
    /// How long records are kept; for ever without it.
    pub record_age: Option<Duration>,
    /// How long dead letters are kept; for ever without it.
    pub letter_age: Option<Duration>,
    /// What the variables of the store `postgres` say.
    #[cfg(feature = "postgres")]
    pub postgres: PostgresStorage,
    /// Whether a store may lose what it acknowledged.
    pub ephemeral: bool,
    /// The variable by which a platform with such a disk gave itself away.
    pub platform: Option<&'static str>,
}

/// Where components lie.
#[derive(Clone, Debug)]
pub struct Code {
    /// The `.wasm` files.
    pub components_dir: PathBuf,
    /// What they were compiled to.
    pub cache_dir: PathBuf,
}
