//! Errors of the database, and how they map to the failures of the interfaces.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};
use twin_capabilities::Failure;

/// Why a database could not be opened, prepared or used. Neither the text nor the sources contain the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The URL cannot be read. It is not repeated here, because it may contain a password.
    #[error("the URL of the database cannot be used: {0}")]
    UrlInvalid(String),
    /// A file of certificate authorities cannot be read, or TLS cannot be set up with it.
    #[error("TLS for the database cannot be set up: {0}")]
    TlsUnusable(String),
    /// No host of the URL accepted a connection that can write.
    #[error("cannot connect to the database{}", cause(.0))]
    Unreachable(#[source] tokio_postgres::Error),
    /// No host of the URL completed a connection within the time given.
    #[error("cannot connect to the database: no answer in time")]
    NoAnswer,
    /// A statement failed.
    #[error("the database refused a statement{}", cause(.0))]
    Refused(#[source] tokio_postgres::Error),
    /// The server runs with `fsync=off`, and may lose committed data.
    #[error(
        "the PostgreSQL server runs with fsync=off and would lose acknowledged data in a crash: set fsync=on, or TWIN_EPHEMERAL=1 if the data may be lost"
    )]
    FsyncOff,
    /// The database's encoding cannot store every text.
    #[error(
        "the database has the encoding {0}, and UTF8 is needed: create it with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`"
    )]
    EncodingUnusable(String),
    /// The tables do not exist yet.
    #[error(
        "the database has no tables of a twin: run `twin store init` with a role that may create them"
    )]
    SchemaMissing,
    /// An older version of this program created the tables.
    #[error(
        "the tables have version {found} and this program needs {needed}: run `twin store upgrade` with the role that owns them"
    )]
    SchemaTooOld {
        /// The version of the tables.
        found: i32,
        /// The version that this program needs.
        needed: i32,
    },
    /// A newer version of this program created the tables.
    #[error(
        "the tables have version {found} and this program knows {known}: use a newer version of it"
    )]
    SchemaTooNew {
        /// The version of the tables.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },
    /// The role lacks privileges.
    #[error(
        "the role {role:?} lacks privileges on {objects}: run `twin store init --grant {role}` with the role that owns the tables"
    )]
    NotGranted {
        /// The role that connected.
        role: String,
        /// The tables and sequences.
        objects: String,
    },
    /// A setting is out of its range.
    #[error("{name} must be {expected}")]
    SettingInvalid {
        /// The setting.
        name: &'static str,
        /// Its range.
        expected: &'static str,
    },
}

impl PostgresError {
    /// Whether the server does not accept the role or its password.
    pub(crate) fn refuses_role(&self) -> bool {
        matches!(self, Self::Unreachable(error) if error.as_db_error().is_some_and(refuses_role))
    }
}

/// Class 28 of the server's codes: invalid authorization specification.
fn refuses_role(answer: &DbError) -> bool {
    answer.code().code().starts_with("28")
}

/// The server's or the operating system's message, in one line.
fn cause(error: &tokio_postgres::Error) -> String {
    let words = error.as_db_error().map_or_else(
        || {
            error
                .source()
                .map_or_else(|| error.to_string(), ToString::to_string)
        },
        |answer| answer.message().to_owned(),
    );
    format!(": {words}")
}

/// Why a piece of work was not done. Used only within this crate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The server refused a statement, or the connection broke.
    #[error(transparent)]
    Statement(#[from] tokio_postgres::Error),
    /// There is no connection.
    #[error(transparent)]
    Connection(#[from] PostgresError),
    /// The work took too long. Whether it took effect is unknown.
    #[error("the database did not answer in time")]
    TooSlow,
    /// All connections were busy for too long.
    #[error("all connections to the database are busy")]
    Busy,
    /// The server committed without waiting for its standby, because the wait was cancelled.
    #[error("the wait for the synchronous standby was cancelled")]
    Doubtful,
    /// What was to be stored was neither stored nor found: it was removed at the same moment, again and again.
    #[error("the row was removed while it was looked up")]
    Elusive,
    /// A value has a form that it cannot have.
    #[error("{0}")]
    Unreadable(String),
}

impl Trouble {
    /// Whether the connection can be used again: the server answered, and the statement alone was at fault.
    pub(crate) fn spares_connection(&self) -> bool {
        let Self::Statement(error) = self else {
            return matches!(self, Self::Unreadable(_) | Self::Elusive);
        };
        // Data, constraints, rollback by the server, privileges, limits of the program, locks.
        let harmless = ["22", "23", "40", "42", "54", "55"];
        error
            .code()
            .is_some_and(|state| harmless.iter().any(|class| state.code().starts_with(class)))
    }

    /// Whether the same work may succeed at once on another connection.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Statement(error) => match error.code() {
                None => true,
                Some(state) => is_passing(state),
            },
            _ => false,
        }
    }

    /// Whether an entry is to blame rather than the database: others of its batch can be stored.
    pub(crate) fn is_about_data(&self) -> bool {
        matches!(self, Self::Statement(error) if error.as_db_error().is_some_and(|answer| {
            let state = answer.code().code();
            ["22", "23", "54"].iter().any(|class| state.starts_with(class))
        }))
    }
}

/// The server is going down or coming up, is no longer the primary, or rolled one of several transactions back.
fn is_passing(state: &SqlState) -> bool {
    state.code().starts_with("08")
        || state.code().starts_with("40")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            // A statement was prepared before the tables were upgraded.
            SqlState::FEATURE_NOT_SUPPORTED,
        ]
        .contains(state)
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match &trouble {
            Trouble::Statement(error) | Trouble::Connection(PostgresError::Refused(error)) => {
                of_statement(error)
            }
            Trouble::Connection(PostgresError::Unreachable(error)) => match error.as_db_error() {
                Some(answer) if refuses_role(answer) => Self::Misconfigured(words(answer)),
                // Where the database is does not concern those who are told.
                _ => Self::Unavailable("the database cannot be reached".to_owned()),
            },
            Trouble::Unreadable(_) => Self::Other(trouble.to_string()),
            _ => Self::Unavailable(trouble.to_string()),
        }
    }
}

fn of_statement(error: &tokio_postgres::Error) -> Failure {
    let Some(answer) = error.as_db_error() else {
        return Failure::Unavailable("the connection to the database was lost".to_owned());
    };
    let said = || words(answer);
    match answer.code().code().get(..2) {
        _ if *answer.code() == SqlState::DISK_FULL => Failure::Full,
        _ if *answer.code() == SqlState::INSUFFICIENT_PRIVILEGE => Failure::Misconfigured(said()),
        _ if *answer.code() == SqlState::READ_ONLY_SQL_TRANSACTION => Failure::Unavailable(said()),
        Some("54") => Failure::TooLarge,
        Some("08" | "40" | "53" | "55" | "57" | "58") => Failure::Unavailable(said()),
        _ => Failure::Other(said()),
    }
}

/// The server's message without its details, which may repeat data.
fn words(answer: &DbError) -> String {
    format!("{} ({})", answer.message(), answer.code().code())
}
