//! Values for which PostgreSQL has no type, as text that is readable in a database shell.

use serde::{Deserialize, Serialize};
use twin_capabilities::{Instant, dead_letters::Attempt, error_topic::Severity};

use crate::error::Trouble;

#[derive(Serialize, Deserialize)]
struct Written {
    at_us: Instant,
    status: Option<u16>,
    cause: String,
}

/// The attempts to deliver a letter, in order, as a JSON array.
pub(crate) fn attempts(attempts: &[Attempt]) -> Result<String, Trouble> {
    let written: Vec<_> = attempts
        .iter()
        .map(|attempt| Written {
            at_us: attempt.at,
            status: attempt.status,
            cause: attempt.cause.clone(),
        })
        .collect();
    serde_json::to_string(&written).map_err(|error| Trouble::Unreadable(error.to_string()))
}

/// The attempts in such an array.
pub(crate) fn read_attempts(json: &str) -> Result<Vec<Attempt>, Trouble> {
    let written: Vec<Written> =
        serde_json::from_str(json).map_err(|error| Trouble::Unreadable(error.to_string()))?;
    let attempt = |written: Written| Attempt {
        at: written.at_us,
        status: written.status,
        cause: written.cause,
    };
    Ok(written.into_iter().map(attempt).collect())
}

/// A severity as in the specification.
pub(crate) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
    }
}

/// The severity with this name.
pub(crate) fn read_severity(name: &str) -> Result<Severity, Trouble> {
    [Severity::Critical, Severity::Warning, Severity::Info]
        .into_iter()
        .find(|known| severity(*known) == name)
        .ok_or_else(|| Trouble::Unreadable(format!("there is no severity {name:?}")))
}
