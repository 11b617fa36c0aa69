//! Which store a host uses: the variable `TWIN_STORE` names one of [`KINDS`].
//!
//! Each kind has a file here, which lists its variables, checks them, and opens the store. The store itself is the
//! provider's crate. A kind that is not compiled in is listed in [`ABSENT`], so its name and its variables are refused with
//! the reason.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
mod clouds;
#[cfg(feature = "gcp")]
mod gcp;
mod local;
mod misconfigured;
#[cfg(feature = "postgres")]
pub mod postgres;
mod timely;

use std::{
    fmt::{self, Debug},
    pin::Pin,
};

use async_trait::async_trait;
use twin_capabilities::Stores;

use crate::config::{Config, ConfigError, Variable};

pub(crate) use misconfigured::Misconfigured;
pub(crate) use timely::Patience;
pub use timely::within;

/// The kinds of store that this program was built with; the first is the default.
pub const KINDS: &[&dyn Kind] = &[
    &local::Local,
    #[cfg(feature = "postgres")]
    &postgres::Postgres,
    #[cfg(feature = "aws")]
    &clouds::InCloud(aws::Aws),
    #[cfg(feature = "azure")]
    &clouds::InCloud(azure::Azure),
    #[cfg(feature = "gcp")]
    &clouds::InCloud(gcp::Gcp),
];

/// The kinds of store that it was built without.
pub const ABSENT: &[Absent] = &[
    #[cfg(not(feature = "postgres"))]
    Absent {
        name: "postgres",
        variables: "TWIN_POSTGRES_",
    },
    #[cfg(not(feature = "aws"))]
    Absent {
        name: "aws",
        variables: "TWIN_AWS_",
    },
    #[cfg(not(feature = "azure"))]
    Absent {
        name: "azure",
        variables: "TWIN_AZURE_",
    },
    #[cfg(not(feature = "gcp"))]
    Absent {
        name: "gcp",
        variables: "TWIN_GCP_",
    },
];

/// A kind of store.
#[async_trait]
pub trait Kind: Debug + Send + Sync {
    /// The value of `TWIN_STORE`.
    fn name(&self) -> &'static str;

    /// The database that has the data, by OpenTelemetry's names for `db.system.name`.
    fn database(&self) -> &'static str;

    /// Where it keeps the data, for `--help`.
    fn help(&self) -> &'static str;

    /// The variables that only this kind reads.
    fn variables(&self) -> &'static [Variable];

    /// Whether its parts have the twin's name, so that commands that prepare them need it.
    fn is_named_after_the_twin(&self) -> bool {
        false
    }

    /// Whether its data survives the loss of the machine's disk.
    fn outlives_the_machine(&self) -> bool;

    /// Checks a complete configuration that selects this kind.
    ///
    /// # Errors
    /// What is missing.
    fn check(&self, config: &Config) -> Result<(), ConfigError>;

    /// Opens the store of the configured twin.
    ///
    /// # Errors
    /// If it cannot be used.
    async fn open(&self, config: &Config) -> Result<Opened, StoreError>;

    /// Prepares an empty store, and permits a role of the store's service to use it: `twin store init`.
    ///
    /// # Errors
    /// If it cannot be prepared.
    async fn init(&self, config: &Config, grant_to: Option<&str>) -> Result<Prepared, StoreError>;

    /// Upgrades a store that an older version prepared to this version: `twin store upgrade`.
    ///
    /// # Errors
    /// If it cannot be changed, or a newer version prepared it.
    async fn upgrade(&self, config: &Config) -> Result<Prepared, StoreError>;

    /// What [`Self::init`] would create, a line for each part, without a look at what is there: `twin store init --print`. Empty
    /// if a host prepares the store itself, or a single command creates all of it.
    ///
    /// # Errors
    /// If the configuration cannot be used.
    async fn plan(&self, _: &Config) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Looks at what hosts need, and changes nothing: `twin store check`.
    ///
    /// # Errors
    /// If the store cannot be examined at all.
    async fn examine(&self, config: &Config) -> Result<Examined, StoreError>;
}

/// A kind of store that this program was built without. The cargo feature of its name adds it.
#[derive(Clone, Copy, Debug)]
pub struct Absent {
    /// The value of `TWIN_STORE`, and the cargo feature.
    pub name: &'static str,
    /// The prefix of its variables.
    pub variables: &'static str,
}

/// An open store.
#[must_use = "`retention` has to run for as long as the store is open"]
pub struct Opened {
    /// What the functions use.
    pub stores: Stores,
    /// Removes data older than `RECORD_DAYS` and `LETTER_DAYS`, until the store is closed.
    pub retention: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Opened").finish_non_exhaustive()
    }
}

/// What an examination of a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// What was looked at and can be used, or cannot be looked at: a line each.
    pub notes: Vec<String>,
    /// What is missing, differs, or cannot be read: a line each, with what to do about it. Hosts may be unable to work.
    pub faults: Vec<String>,
}

/// The result of preparing a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// A host prepares stores of this kind itself when it starts.
    NotNeeded,
    /// It was created, with this version.
    Created(i32),
    /// It was upgraded from one version to another.
    Upgraded {
        /// The version that it had.
        from: i32,
        /// The version that it has.
        to: i32,
    },
    /// It already had this version.
    Unchanged(i32),
    /// It has parts, each of which was created or was already there: a line for each.
    Parts(Vec<String>),
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The data folder.
    #[error("cannot use TWIN_DATA_DIR")]
    Local(#[from] twin_local::LocalError),
    /// The database.
    #[cfg(feature = "postgres")]
    #[error("cannot use the database of TWIN_POSTGRES_URL")]
    Postgres(#[from] twin_postgres::PostgresError),
    /// What has to be looked up to open it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A service of AWS.
    #[cfg(feature = "aws")]
    #[error("cannot prepare the store in AWS")]
    Aws(#[source] twin_aws::ServiceError),
    /// Azure.
    #[cfg(feature = "azure")]
    #[error("cannot use the store in Azure")]
    Azure(#[from] twin_azure::AzureError),
    /// Google Cloud.
    #[cfg(feature = "gcp")]
    #[error("cannot use the store in Google Cloud")]
    Gcp(#[from] twin_gcp::GcpError),
}

/// The default of `TWIN_STORE`.
pub(crate) const DEFAULT: &dyn Kind = &local::Local;

/// The kind of this name, if it is compiled in.
pub(crate) fn kind(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}

/// The kind to which a variable belongs, if this program was built without that kind.
pub(crate) fn absent(variable: &str) -> Option<&'static Absent> {
    ABSENT
        .iter()
        .find(|absent| variable.starts_with(absent.variables))
}

/// The values of `TWIN_STORE`, as text that completes "must be …".
pub(crate) fn names() -> String {
    let names: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
    let mut text = names.join(" or ");
    for absent in ABSENT {
        let name = absent.name;
        text += &format!("; {name} needs a build with the cargo feature `{name}`");
    }
    text
}
