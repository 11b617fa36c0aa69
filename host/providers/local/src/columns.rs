//! Values for which SQLite has no type, in a form that is readable in a database shell.

use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::{Deserialize, Serialize};
use twin_capabilities::{dead_letters::Attempt, error_topic::Severity, types::Instant};

/// The attempts to deliver a letter, in order, as a JSON array.
pub(super) struct Attempts(pub(super) Vec<Attempt>);

#[derive(Serialize, Deserialize)]
struct Written {
    at_us: Instant,
    status: Option<u16>,
    cause: String,
}

impl ToSql for Attempts {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let written: Vec<_> = self
            .0
            .iter()
            .map(|attempt| Written {
                at_us: attempt.at,
                status: attempt.status,
                cause: attempt.cause.clone(),
            })
            .collect();
        serde_json::to_string(&written)
            .map(ToSqlOutput::from)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl FromSql for Attempts {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let written: Vec<Written> =
            serde_json::from_str(value.as_str()?).map_err(FromSqlError::other)?;
        Ok(Self(
            written
                .into_iter()
                .map(|attempt| Attempt {
                    at: attempt.at_us,
                    status: attempt.status,
                    cause: attempt.cause,
                })
                .collect(),
        ))
    }
}

/// A severity as in the specification.
pub(super) struct SpelledSeverity(pub(super) Severity);

impl ToSql for SpelledSeverity {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(match self.0 {
            Severity::Critical => "CRITICAL",
            Severity::Warning => "WARNING",
            Severity::Info => "INFO",
        }))
    }
}

impl FromSql for SpelledSeverity {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "CRITICAL" => Ok(Self(Severity::Critical)),
            "WARNING" => Ok(Self(Severity::Warning)),
            "INFO" => Ok(Self(Severity::Info)),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}
