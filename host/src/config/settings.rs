//! The settings by subject, as the table fills them.

use std::{net::IpAddr, path::PathBuf, time::Duration};

#[cfg(feature = "postgres")]
use crate::stores::postgres::PostgresStorage;
use crate::{credentials::OidcCaller, ingress::platform::Platform, stores};

/// Callers that present a token of an OpenID Connect issuer instead of a key: both are set, or neither is.
#[derive(Clone, Debug, Default)]
pub struct OidcSettings {
    /// `TWIN_OIDC_AUDIENCE`: for whom tokens must be.
    pub audience: Option<String>,
    /// `TWIN_OIDC_CALLERS`: whose tokens are accepted.
    pub callers: Vec<OidcCaller>,
}

/// How requests come in.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `TWIN_BIND`.
    pub address: IpAddr,
    /// The function platform that runs this process, if one with an ingress of its own does.
    pub platform: Option<Platform>,
    /// `PORT`, or what Azure Functions says instead; 0 selects a free port.
    pub port: u16,
    /// `ROUTE_PREFIX`: empty, or with a leading slash and no trailing slash.
    pub route_prefix: String,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a reply may wait for its client to read.
    pub write_timeout: Duration,
    /// Connections open at once; `None` to derive it from the limit of descriptors.
    pub max_connections: Option<usize>,
    /// Memory for bodies, in bytes; `None` to derive it from the memory of the control group.
    pub body_memory: Option<u32>,
    /// How long calls may take to finish when the host is told to stop.
    pub drain_timeout: Duration,
}

/// Where data is kept.
#[derive(Clone, Debug)]
pub struct Storage {
    /// `TWIN_STORE`.
    pub kind: &'static dyn stores::Kind,
    /// `TWIN_DATA_DIR`, for the local store.
    pub data_dir: PathBuf,
    /// The most bytes that data and log may use; `None` for no limit.
    pub max_bytes: Option<u64>,
    /// How long records are kept; `None` for ever.
    pub record_age: Option<Duration>,
    /// How long dead letters are kept; `None` for ever.
    pub letter_age: Option<Duration>,
    /// The variables of the store `postgres`.
    #[cfg(feature = "postgres")]
    pub postgres: PostgresStorage,
    /// What the variables of the store `aws` say.
    #[cfg(feature = "aws")]
    pub aws: twin_aws::AwsSettings,
    /// What the variables of the store `azure` say.
    #[cfg(feature = "azure")]
    pub azure: crate::stores::azure::AzureStorage,
    /// What the variables of the store `gcp` say.
    #[cfg(feature = "gcp")]
    pub gcp: twin_gcp::GcpSettings,
    /// Whether a store may lose what it has acknowledged.
    pub ephemeral: bool,
    /// The variable that showed that this is a platform with such a disk.
    pub platform: Option<&'static str>,
}

/// Where components are.
#[derive(Clone, Debug)]
pub struct Code {
    /// The `.wasm` files.
    pub components_dir: PathBuf,
    /// The folder for compiled components.
    pub cache_dir: PathBuf,
}
