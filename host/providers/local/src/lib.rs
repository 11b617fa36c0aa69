//! The provider `local`: a twin's data in an SQLite database in a folder on a local disk.
//!
//! One thread writes (`writer`) and two read (`readers`), so no database call ever runs on the async runtime. The writer
//! commits many jobs at once, with one fsync for all of them, and replies only after that. Several processes can have the
//! folder open, for example a host and a command.
//!
//! # Example
//!
//! ```
//! use twin_local::Local;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let stores = Local::open(folder.path(), "factory-01")?.stores();
//! stores.health.check().await?;
//! stores.circuits.compare_and_swap("peer/writer".to_owned(), 0, "open".to_owned()).await?;
//!
//! // Another process that opens the folder finds the same data.
//! let stores = Local::open(folder.path(), "factory-01")?.stores();
//! assert_eq!(stores.circuits.load("peer/writer".to_owned()).await?.state, "open");
//! # Ok(())
//! # }
//! ```

mod circuits;
mod columns;
mod damage;
mod database;
mod dead_letters;
mod error;
mod error_topic;
mod files;
#[cfg(test)]
mod files_tests;
mod health;
pub mod maintenance;
mod queue;
mod readers;
mod records;
mod restore;
mod retention;
mod schema;
mod seal;
mod session;
mod space;
mod statistics;
#[cfg(test)]
mod tests;
mod twins;
mod writer;

use std::{fmt, fs::File, path::Path, sync::Arc, time::Duration};

use twin_capabilities::{
    Stores,
    provider::{Clock, system_clock},
};
use twin_contract::Cloud;

use {
    database::{Access, Database},
    readers::Readers,
    writer::Writer,
};

pub use error::LocalError;
pub use retention::Expired;

/// The settings of a data folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalSettings {
    /// The cloud that is named in system errors about damaged data. If it is not set, damage is logged but not reported.
    pub cloud: Option<Cloud>,
    /// The most bytes that data and write-ahead log may use; `None` means no limit.
    pub max_bytes: Option<u64>,
    /// How long records are kept; `None` means for ever.
    pub record_age: Option<Duration>,
    /// How long dead letters are kept; `None` means for ever.
    pub letter_age: Option<Duration>,
    /// Whether 8 MiB are reserved on the disk, for leasing and removing letters when it is full. A host needs this, a
    /// command does not.
    pub reserve: bool,
}

/// A data folder, opened for one twin.
///
/// It is closed when the last of its [`Stores`] is dropped. Closing waits until all work in progress is finished.
#[derive(Clone)]
pub struct Local(Arc<Store>);

impl fmt::Debug for Local {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Local")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

/// The open folder. The files named after the capabilities implement the traits for this type.
struct Store {
    // Readers are dropped first: the last connection to close checkpoints the log into the database, and it must be able to
    // write.
    readers: Readers,
    writer: Writer,
    settings: LocalSettings,
    clock: Clock,
    /// Its lock marks the folder as in use. `None` if the disk had no room for the file.
    _in_use: Option<File>,
}

impl Local {
    /// Opens a data folder, or creates one that only its owner can enter.
    ///
    /// Blocks until the database is ready: up to 5 s, if another process is busy with it.
    pub fn open(folder: &Path, twin: &str) -> Result<Self, LocalError> {
        Self::open_with(folder, twin, LocalSettings::default(), system_clock())
    }

    /// Like [`Local::open`], with settings, and with the clock for time stamps and leases.
    pub fn open_with(
        folder: &Path,
        twin: &str,
        settings: LocalSettings,
        clock: Clock,
    ) -> Result<Self, LocalError> {
        let database = Database::new(folder, twin, settings, clock.clone())?;
        let in_use = match database.share() {
            // A full disk must not prevent a host from starting.
            Err(error) if error.is_full() => None,
            shared => Some(shared?),
        };
        // The writer is first, because it creates the database if necessary.
        let writer = Writer::start(&database)?;
        let readers = Readers::start(&database)?;
        Ok(Self(Arc::new(Store {
            readers,
            writer,
            settings,
            clock,
            _in_use: in_use,
        })))
    }

    /// The twins that have data in a folder.
    ///
    /// # Errors
    /// If the folder has no database, or it cannot be read.
    pub fn twins(folder: &Path) -> Result<Vec<String>, LocalError> {
        let database = Database::new(folder, "", LocalSettings::default(), system_clock())?;
        let connected = database.connect(Access::Read)?;
        twins::list(&connected.connection).map_err(|source| database.unusable(source))
    }

    /// The stores in this folder.
    pub fn stores(&self) -> Stores {
        Stores::of(&self.0)
    }
}
