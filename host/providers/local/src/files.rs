//! The files of a data folder, and how a folder remembers that it had a database.

use std::{
    fs::{self, File, OpenOptions},
    io,
    io::Write as _,
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempPath};

use super::LocalError;

/// The database.
pub(super) const FILE_NAME: &str = "twin.db";
/// Records which database belongs to the folder, once it has one.
pub(super) const MARKER_NAME: &str = "twin.id";
/// Locked (flock) by every process for as long as it uses the folder: shared by those that use the database, exclusively by
/// one that replaces it.
const LOCK_NAME: &str = "twin.lock";
/// The suffix of a file that is not complete yet.
pub(super) const UNFINISHED: &str = ".new";
/// The suffixes of the files that SQLite keeps beside an open database: the write-ahead log and its index.
pub(super) const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// The files at the path of a database and beside it: device and inode of each that exists. A file that was removed, moved
/// or replaced can still be written by a process that has it open, but what it writes is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files([Option<(u64, u64)>; 3]);

impl Files {
    /// The files that are there now.
    pub(super) fn at(database: &Path) -> io::Result<Self> {
        let [log, index] = BESIDE.map(|suffix| beside(database, suffix));
        Ok(Self([
            identity(database)?,
            identity(&log)?,
            identity(&index)?,
        ]))
    }
}

impl Files {
    /// Whether the database is still the one that was opened.
    pub(super) fn have_database_of(&self, opened: &Self) -> bool {
        let ([now, ..], [then, ..]) = (&self.0, &opened.0);
        now.is_some() && now == then
    }

    /// Whether another database has replaced the one that was opened, beside that one's log. SQLite would then take the old
    /// log for the new database's.
    pub(super) fn mix_with(&self, opened: &Self) -> bool {
        let [database, beside @ ..] = &self.0;
        let [_, opened_beside @ ..] = &opened.0;
        let left = |(now, then): (&Option<_>, &Option<_>)| now.is_some() && now == then;
        database.is_some()
            && !self.have_database_of(opened)
            && beside.iter().zip(opened_beside).any(left)
    }
}

fn identity(path: &Path) -> io::Result<Option<(u64, u64)>> {
    Ok(metadata(path)?.as_ref().map(numbers))
}

/// Device and inode of a file.
fn numbers(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The metadata of a file; `None` if it does not exist.
fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The size of a file in bytes; 0 if it does not exist.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    Ok(metadata(path)?.map_or(0, |metadata| metadata.len()))
}

/// A file that SQLite keeps beside a database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Creates a file with the permissions of `mode`. If root creates it in another user's folder, it is given to that user,
/// whose host must be able to open it.
///
/// # Errors
/// If it exists or cannot be created.
pub(super) fn make(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create_new(true).mode(mode);
    let file = options.open(path)?;
    hand_over(&file, folder_of(path))?;
    Ok(file)
}

/// Gives a file that root has just created to the owner of its folder.
pub(super) fn hand_over(made: &File, folder: &Path) -> io::Result<()> {
    let owner = fs::metadata(folder)?;
    if made.metadata()?.uid() != 0 || owner.uid() == 0 {
        return Ok(());
    }
    match fchown(made, Some(owner.uid()), Some(owner.gid())) {
        // In a container, root may not be allowed to do this.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        handed_over => handed_over,
    }
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The file whose lock marks a folder as in use. It is created if it does not exist.
pub(super) fn lock_file(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK_NAME);
    match make(&path, 0o644) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(path),
        made => made,
    }
}

/// An empty file that will replace `target` when it is complete. Its name is always the same, so processes that were killed
/// leave at most one behind, and the next process removes it.
///
/// # Errors
/// If it cannot be created, or another process is writing it.
pub(super) fn unfinished(target: &Path) -> io::Result<NamedTempFile> {
    let path = beside(target, UNFINISHED);
    loop {
        match make(&path, 0o600) {
            Ok(file) => {
                file.try_lock()?;
                // Before this process locked it, another one may have removed it as left behind.
                if identity(&path)? == Some(numbers(&file.metadata()?)) {
                    return Ok(NamedTempFile::from_parts(
                        file,
                        TempPath::try_from_path(path)?,
                    ));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // It is locked if a process is still writing it.
                let left = match File::open(&path) {
                    // It has been completed meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    left => left?,
                };
                left.try_lock()?;
                if identity(&path)? == Some(numbers(&left.metadata()?)) {
                    remove_unfinished(target)?;
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes the incomplete file for `target` that a killed process left behind.
pub(super) fn remove_unfinished(target: &Path) -> io::Result<()> {
    let path = beside(target, UNFINISHED);
    for suffix in BESIDE.into_iter().chain(["-journal", ""]) {
        match fs::remove_file(beside(&path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A file that stays when a database is removed or truncated. Without it, a twin that has lost everything would look like a
/// new one.
pub(super) struct Marker<'a> {
    folder: &'a Path,
}

impl<'a> Marker<'a> {
    /// The marker of a folder.
    pub(super) const fn of(folder: &'a Path) -> Self {
        Self { folder }
    }

    /// The marker's file.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(MARKER_NAME)
    }

    /// The id that the database at a path must have; `None` if any database will do, or a new one may be created.
    ///
    /// # Errors
    /// If there was a database that is now missing or empty, or of which only a log is left.
    pub(super) fn expected(&self, database: &Path) -> Result<Option<String>, LocalError> {
        let unusable = |source| LocalError::FolderUnusable {
            folder: self.folder.to_owned(),
            source,
        };
        let marker = match fs::read_to_string(self.path()) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(error)),
        };
        if size(database).map_err(unusable)? > 0 {
            return Ok(marker);
        }
        let log = beside(database, "-wal");
        let path = database.to_owned();
        if marker.is_some() {
            Err(LocalError::DatabaseGone {
                path,
                witness: self.path(),
            })
        } else if size(&log).map_err(unusable)? > 0 {
            Err(LocalError::DatabaseGone { path, witness: log })
        } else {
            Ok(None)
        }
    }

    /// Refuses a database that is not the expected one.
    pub(super) fn must_be(
        &self,
        database: &Path,
        expected: &str,
        found: Option<&str>,
    ) -> Result<(), LocalError> {
        if found == Some(expected) {
            return Ok(());
        }
        Err(LocalError::DatabaseForeign {
            path: database.to_owned(),
            marker: self.path(),
        })
    }

    /// Records the database, durably.
    pub(super) fn write(&self, id: &str) -> io::Result<()> {
        let mut file = unfinished(&self.path())?;
        writeln!(file, "{id}")?;
        file.as_file().sync_all()?;
        file.persist(self.path())?;
        sync_folder(self.folder)
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
