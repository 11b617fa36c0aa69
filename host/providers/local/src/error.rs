//! The errors of a data folder, and how they map to failures for a function.

use std::{error::Error, io, path::PathBuf, time::Duration};

use rusqlite::ErrorCode;

use twin_capabilities::types::Failure;

/// Why a data folder could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The folder cannot be created, entered or written.
    #[error("the data folder {} cannot be used", .folder.display())]
    FolderUnusable {
        /// The folder as it was given.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process holds the lock for preparing the database and does not release it.
    #[error(
        "another process has locked the data folder {} (flock) and kept the lock for {} s: `lsof {}` shows it",
        .folder.display(), .waited.as_secs(), .folder.display()
    )]
    FolderLocked {
        /// The folder.
        folder: PathBuf,
        /// How long this process waited for the lock.
        waited: Duration,
    },
    /// The database cannot be opened, read or written.
    #[error("the database {} cannot be used{}", .path.display(), advice(.source))]
    DatabaseUnusable {
        /// The database file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// There was a database, but it is missing or empty.
    #[error(
        "the database {} is missing or empty, and {} shows that there was one: restore it (`twin data restore`), or remove {} to start with an empty twin",
        .path.display(), .witness.display(), .witness.display()
    )]
    DatabaseGone {
        /// The database file.
        path: PathBuf,
        /// The file that a database left behind.
        witness: PathBuf,
    },
    /// The database is neither the one that was created in this folder nor a copy of it.
    #[error(
        "the database {} is not the one that belongs to its folder: put the right one back, or remove {} to continue with this one",
        .path.display(), .marker.display()
    )]
    DatabaseForeign {
        /// The database file.
        path: PathBuf,
        /// The file that records which database belongs there.
        marker: PathBuf,
    },
    /// The files of the database were removed, moved or replaced while they were open.
    #[error("the files of the database {} were removed or replaced while it was in use", .path.display())]
    DatabaseReplaced {
        /// The database file.
        path: PathBuf,
    },
    /// The database was written by a newer version of this program, which this one cannot read.
    #[error("the database {} has schema {found}, this program knows {known}: use a newer one", .path.display())]
    SchemaTooNew {
        /// The database file.
        path: PathBuf,
        /// The schema version of the file.
        found: u32,
        /// The newest schema version that this program knows.
        known: u32,
    },
    /// The operating system could not start a thread.
    #[error("cannot create a thread for the store")]
    NoThread(#[source] io::Error),
}

impl LocalError {
    /// Whether the cause is a full disk.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::DatabaseUnusable { source, .. } => is_full(source),
            Self::FolderUnusable { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            _ => false,
        }
    }

    /// Whether the content of the database's files is invalid.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::DatabaseUnusable { source, .. } if is_damage(source))
    }

    /// Whether the operating system failed to read the database's files, or to perform another operation that SQLite needs.
    pub(super) fn is_io(&self) -> bool {
        matches!(
            self,
            Self::DatabaseUnusable { source, .. }
                if source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
        ) && !self.is_full()
    }

    /// The retryable failure for a function, with its cause. It may be sent to other clouds, so it does not name the
    /// folder.
    pub(super) fn unavailable(&self) -> Failure {
        if self.is_full() {
            return Failure::Full;
        }
        let cause = match self {
            Self::DatabaseGone { .. } => "the database file is gone".to_owned(),
            Self::DatabaseForeign { .. } | Self::DatabaseReplaced { .. } => {
                "the database file was removed or replaced".to_owned()
            }
            Self::FolderLocked { .. } => "another process has locked the data folder".to_owned(),
            _ => self.source().map_or_else(
                || "the data folder cannot be used".to_owned(),
                ToString::to_string,
            ),
        };
        Failure::Unavailable(cause)
    }
}

/// Whether the cause is a full disk. The log's index has its own code for this.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull
            || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}

/// Whether the content of the database's files is invalid.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Advice for a database that cannot be used.
fn advice(error: &rusqlite::Error) -> &'static str {
    if is_full(error) {
        ", because its disk is full: free some space"
    } else if is_damage(error) {
        ", because it is damaged: `twin data check` shows where, `twin data restore` puts a backup in its place"
    } else {
        ""
    }
}

/// The failure for a function, from an error of the database.
pub(super) fn failure(error: rusqlite::Error) -> Failure {
    if is_full(&error) {
        return Failure::Full;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig) => Failure::TooLarge,
        Some(
            ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::AuthorizationForStatementDenied,
        ) => Failure::Misconfigured(error.to_string()),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted,
        ) => Failure::Unavailable(error.to_string()),
        _ => Failure::Other(error.to_string()),
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::DatabaseUnusable { source, .. } => failure(source),
            other => other.unavailable(),
        }
    }
}
