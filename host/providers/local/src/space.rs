//! Room on the disk: the reserve that is used to free room when the disk is full, and the limit on the size of the data.

use std::{
    cell::Cell,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    database::Database,
    files::{size, sync_folder, unfinished},
    session::Session,
};

/// The file that holds the reserve.
const FILE_NAME: &str = "twin.reserve";

/// The size of the reserve in bytes: several times what is written to lease and remove a megabyte of letters.
const SIZE: usize = 8 * 1024 * 1024;

/// How often to check whether there is room for the reserve again.
const PAUSE: Duration = Duration::from_secs(1);

/// With less room than this on the disk, in bytes, the log is kept so short that the reserve is enough to checkpoint it into
/// the database. It is more than the longest log and the largest batch need.
const NEARLY_FULL: u64 = 160 * 1024 * 1024;

/// On a disk that is nearly full: the jobs in a batch, each of which stores at most one message of 256 KiB, and the length
/// in bytes at which the log is checkpointed.
pub(super) const SMALL_BATCH: usize = 16;
pub(super) const SHORT_LOG: u64 = 3 * 1024 * 1024;

/// A file of zeros that is removed when the disk is full, so that letters can still be leased, settled and discarded. These
/// operations free room, but must write first.
pub(super) struct Reserve {
    folder: PathBuf,
    /// Whether this process creates the reserve. If not, it only removes it.
    made: bool,
    tried_at: Cell<Option<Instant>>,
}

impl Reserve {
    /// The reserve in a database's folder.
    pub(super) fn of(database: &Database) -> Self {
        Self {
            folder: database.folder().to_owned(),
            made: database.settings.reserve,
            tried_at: Cell::new(None),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Whether the reserve exists, or is not needed.
    pub(super) fn is_there(&self) -> bool {
        !self.made || size(&self.path()).is_ok_and(|size| size >= SIZE as u64)
    }

    /// Removes the reserve. True if there was any.
    pub(super) fn release(&self) -> bool {
        fs::remove_file(self.path()).is_ok()
    }

    /// Creates the reserve, if it does not exist.
    pub(super) fn fill(&self) -> io::Result<()> {
        if self.is_there() {
            return Ok(());
        }
        // Written and not only allocated, because some file systems report room that they do not have.
        let mut file = unfinished(&self.path())?;
        file.write_all(&vec![0; SIZE])?;
        file.as_file().sync_all()?;
        file.persist(self.path())?;
        sync_folder(&self.folder)
    }

    /// Whether it is time to try again to create it.
    pub(super) fn is_due(&self) -> bool {
        let soon = |at: Instant| at.elapsed() < PAUSE;
        let due = !self.tried_at.get().is_some_and(soon);
        if due {
            self.tried_at.set(Some(Instant::now()));
        }
        due
    }
}

/// The bytes that a database uses in the current transaction: its pages without the free ones.
const USED: &str = "
    SELECT (page_count - freelist_count) * page_size
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size";

impl Database {
    /// Whether the disk is nearly full. False if that is unknown; then only a failed write shows it.
    pub(super) fn is_disk_nearly_full(&self) -> bool {
        #[cfg(test)]
        if self.nearly_full.load(std::sync::atomic::Ordering::SeqCst) {
            return true;
        }
        disk_free(self.folder()).is_some_and(|free| free < NEARLY_FULL)
    }
}

/// How many bytes this process can still write on the disk of a folder; `None` if that is unknown.
pub(super) fn disk_free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

impl Session<'_> {
    /// Whether data and log are smaller than the configured limit, so that more can be stored.
    pub(super) fn has_room(&self) -> rusqlite::Result<bool> {
        let Some(limit) = self.database.settings.max_bytes else {
            return Ok(true);
        };
        let used: i64 = self.row(USED, [], |row| row.get(0))?;
        Ok(used.unsigned_abs().saturating_add(self.database.log_size()) < limit)
    }
}
