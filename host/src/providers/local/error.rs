//! What can go wrong with a data folder, and which failure of the WIT that is.

use std::{error::Error, io, path::PathBuf};

use rusqlite::ErrorCode;

use crate::bindings::types::Failure;

/// Why a data folder could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The folder cannot be made, entered or locked.
    #[error("the data folder {} cannot be used", .folder.display())]
    FolderUnusable {
        /// The folder as it was given.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be opened, read or written.
    #[error("the database {} cannot be used", .path.display())]
    DatabaseUnusable {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A newer version of this program has been here. This one would not understand what it finds.
    #[error("the database {} has schema {found}, this program knows {known}: use a newer one", .path.display())]
    SchemaTooNew {
        /// The database file.
        path: PathBuf,
        /// The schema version of the file.
        found: u32,
        /// The newest schema version that this program knows.
        known: u32,
    },
    /// The operating system gave no thread.
    #[error("no thread for the store")]
    NoThread(#[source] io::Error),
}

impl LocalError {
    /// The failure for those who may try again, with the cause in words. It may travel, so it does not name the folder.
    pub(super) fn unavailable(&self) -> Failure {
        let cause = self.source().map(ToString::to_string);
        Failure::Unavailable(cause.unwrap_or_else(|| "the data folder cannot be used".to_owned()))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::TooBig) => Self::TooLarge,
            Some(
                ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::AuthorizationForStatementDenied,
            ) => Self::NotPermitted,
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationAborted
                | ErrorCode::OperationInterrupted,
            ) => Self::Unavailable(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::DatabaseUnusable { source, .. } => source.into(),
            other => other.unavailable(),
        }
    }
}
