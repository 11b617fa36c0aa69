//! The store `local`: a folder on a local disk.

use std::{io, path::Path};

use async_trait::async_trait;
use rustix::fs::Access;
use twin_capabilities::provider::system_clock;
use twin_local::{Local as Folder, LocalSettings, maintenance::database_of};

use super::{Examined, Kind, Opened, Prepared, StoreError};
use crate::config::{Config, ConfigError, Unset::Otherwise, Variable, parse::number, reads};

const VARIABLES: &[Variable] = &[Variable::new(
    "TWIN_DATA_MAX_BYTES",
    Otherwise("no limit"),
    reads!(storage.max_bytes = number(33_554_432..=u64::MAX)),
    "size of the data, including its log of up to 16 MiB; beyond it writes get 503 STORE_FULL",
)
.unit("bytes")];

/// A folder on a local disk, for one machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local;

#[async_trait]
impl Kind for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn database(&self) -> &'static str {
        "sqlite"
    }

    fn help(&self) -> &'static str {
        "the folder TWIN_DATA_DIR"
    }

    fn variables(&self) -> &'static [Variable] {
        VARIABLES
    }

    fn outlives_the_machine(&self) -> bool {
        false
    }

    fn check(&self, _: &Config) -> Result<(), ConfigError> {
        Ok(())
    }

    async fn open(&self, config: &Config) -> Result<Opened, StoreError> {
        let storage = &config.storage;
        let settings = LocalSettings {
            cloud: Some(config.cloud),
            max_bytes: storage.max_bytes,
            record_age: storage.record_age,
            letter_age: storage.letter_age,
            reserve: true,
        };
        let folder = &storage.data_dir;
        let local = Folder::open_with(folder, &config.twin, settings, system_clock())?;
        Ok(Opened {
            retention: Box::pin(local.retention()),
            stores: local.stores(),
        })
    }

    async fn init(&self, _: &Config, _: Option<&str>) -> Result<Prepared, StoreError> {
        Ok(Prepared::NotNeeded)
    }

    async fn upgrade(&self, _: &Config) -> Result<Prepared, StoreError> {
        Ok(Prepared::NotNeeded)
    }

    async fn examine(&self, config: &Config) -> Result<Examined, StoreError> {
        Ok(examine(&config.storage.data_dir))
    }
}

/// Looks at the data folder. A host creates what is missing, if it may; `twin data check` reads what is there.
fn examine(folder: &Path) -> Examined {
    let mut examined = Examined::default();
    match what_is_there(folder) {
        Ok(note) => examined.notes.push(note),
        Err(fault) => examined.faults.push(fault),
    }
    examined
}

/// What is in the folder; what keeps a host from using it, if it cannot.
fn what_is_there(folder: &Path) -> Result<String, String> {
    let shown = folder.display();
    match folder.metadata() {
        Ok(found) if !found.is_dir() => {
            return Err(format!(
                "{shown} is not a folder: name a folder in TWIN_DATA_DIR"
            ));
        }
        Ok(_) => may_write(folder)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // An empty path is the folder in which the command runs.
            let parents = folder.ancestors().skip(1).map(|parent| match parent {
                parent if parent.as_os_str().is_empty() => Path::new("."),
                parent => parent,
            });
            may_write(
                parents
                    .into_iter()
                    .find(|parent| parent.exists())
                    .unwrap_or(folder),
            )?;
            return Ok(format!(
                "the folder {shown} does not exist yet: a host creates it when it starts"
            ));
        }
        Err(error) => return Err(format!("the folder {shown} cannot be looked at: {error}")),
    }
    let database = database_of(folder);
    if !database.exists() {
        return Ok(format!(
            "the folder {shown} has no database yet: a host creates it when it starts"
        ));
    }
    let shown = database.display();
    match Folder::twins(folder) {
        Ok(twins) if twins.is_empty() => {
            Ok(format!("the database {shown} can be read; it is empty"))
        }
        Ok(twins) => Ok(format!(
            "the database {shown} can be read; it has data of {}. `twin data check` reads all of it",
            twins.join(", ")
        )),
        Err(error) => Err(format!("the database {shown} cannot be used: {error}")),
    }
}

/// Whether this user may create files in a folder.
fn may_write(folder: &Path) -> Result<(), String> {
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        format!(
            "the folder {} cannot be written to by this user ({error}): run the host as its owner, or change its permissions",
            folder.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_examination_says_what_is_in_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/data");
        let note = |expected: &str| {
            let Examined { notes, faults } = examine(&folder);
            assert_eq!(faults, [""; 0]);
            assert!(notes.len() == 1 && notes[0].contains(expected), "{notes:?}");
        };
        note("does not exist yet");
        assert!(!folder.exists(), "nothing is created");
        std::fs::create_dir_all(&folder).unwrap();
        note("has no database yet");
        drop(Folder::open(&folder, "factory-01").unwrap());
        note("it is empty");
    }

    #[test]
    fn an_examination_says_why_the_folder_cannot_be_used() {
        let place = tempfile::tempdir().unwrap();
        let fault = |folder: &Path, expected: &str| {
            let Examined { notes, faults } = examine(folder);
            assert_eq!(notes, [""; 0]);
            assert!(
                faults.len() == 1 && faults[0].contains(expected),
                "{faults:?}"
            );
        };
        let file = place.path().join("file");
        std::fs::write(&file, "not a database").unwrap();
        fault(&file, "is not a folder");
        fault(&file.join("data"), "cannot be looked at");
        std::fs::write(
            database_of(place.path()),
            "not a database, and longer than a header".repeat(9),
        )
        .unwrap();
        fault(place.path(), "cannot be used");
    }
}
