//! What can go wrong, and the one table from Google's codes to what they mean for a twin.

use std::time::Duration;

use google_cloud_auth::{build_errors::Error as BuildError, errors::CredentialsError};
use serde::Deserialize;
use twin_documents::{Kind, ServiceError};

/// Why the provider could not be opened or prepared. The text has no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GcpError {
    /// A setting cannot be used.
    #[error("the setting `{setting}` has the value {value:?} and must be {expected}")]
    SettingInvalid {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Credentials would be sent unencrypted.
    #[error(
        "the endpoint `{setting}` is plain HTTP, to which no credentials are sent: use https, or the identity `anonymous` for an emulator"
    )]
    PlainHttp {
        /// The setting.
        setting: &'static str,
    },
    /// There are no application default credentials, or they cannot be read.
    #[error("the application default credentials cannot be used")]
    Credentials(#[source] BuildError),
    /// The HTTP client cannot be set up: there are no certificate authorities.
    #[error("TLS cannot be set up")]
    Tls(#[source] reqwest::Error),
    /// A service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// What a service says in the place of an answer. Methods that stream put it into a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Refusal {
    Alone(Wrapped),
    Listed([Wrapped; 1]),
}

#[derive(Deserialize)]
struct Wrapped {
    error: Status,
}

/// A `google.rpc.Status`.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    /// The name of a `google.rpc.Code`.
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
}

/// A `google.rpc.RetryInfo`, a `google.rpc.ErrorInfo`, or something else.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    retry_delay: Option<String>,
    reason: Option<String>,
}

/// What a failed answer means: its code, and its kind. `retry_after` is that of the header, if there is one.
pub(crate) fn of_answer(http: u16, body: &[u8], retry_after: Option<Duration>) -> (String, Kind) {
    let status = match serde_json::from_slice(body) {
        Ok(Refusal::Alone(refusal) | Refusal::Listed([refusal])) => refusal.error,
        // Something between the host and the service answered.
        Err(_) => return (format!("HTTP {http}"), of_http(http, retry_after)),
    };
    of_status(status, http, retry_after)
}

/// The same for a failure in the middle of an answer.
pub(crate) fn of_status(
    status: Status,
    http: u16,
    retry_after: Option<Duration>,
) -> (String, Kind) {
    let find = |part: fn(&Detail) -> Option<&String>| status.details.iter().find_map(part);
    let told = find(|detail| detail.retry_delay.as_ref()).and_then(|delay| seconds(delay));
    let reason = find(|detail| detail.reason.as_ref());
    match (of_code(&status.status, told.or(retry_after)), reason) {
        (None, _) => (status.status, of_http(http, retry_after)),
        // Nobody has enabled the service in this project.
        (Some(Kind::Denied), Some(reason)) if reason == "SERVICE_DISABLED" => {
            (reason.clone(), Kind::Missing)
        }
        (Some(Kind::Denied), Some(reason)) => (format!("{} {reason}", status.status), Kind::Denied),
        (Some(kind), _) => (status.status, kind),
    }
}

/// The table: names of `google.rpc.Code`.
fn of_code(code: &str, retry_after: Option<Duration>) -> Option<Kind> {
    Some(match code {
        // Others were writing to the same document for too long.
        "ABORTED" => Kind::Unavailable,
        "CANCELLED" | "DATA_LOSS" | "DEADLINE_EXCEEDED" | "INTERNAL" | "UNAVAILABLE"
        | "UNKNOWN" => Kind::Unavailable,
        "RESOURCE_EXHAUSTED" => Kind::Throttled(retry_after),
        "PERMISSION_DENIED" | "UNAUTHENTICATED" => Kind::Denied,
        // A document that is not there does not come here; see `documents`.
        NOT_FOUND => Kind::Missing,
        // A query without its index; a database in Datastore mode. For a conditional write see `documents`.
        FAILED_PRECONDITION => Kind::Missing,
        ALREADY_EXISTS => Kind::Conflict,
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" | "UNIMPLEMENTED" => Kind::Rejected,
        _ => return None,
    })
}

pub(crate) const NOT_FOUND: &str = "NOT_FOUND";
pub(crate) const FAILED_PRECONDITION: &str = "FAILED_PRECONDITION";
pub(crate) const ALREADY_EXISTS: &str = "ALREADY_EXISTS";

/// For answers without a code of the service's own.
fn of_http(status: u16, retry_after: Option<Duration>) -> Kind {
    match status {
        401 | 403 => Kind::Denied,
        404 => Kind::Missing,
        409 => Kind::Conflict,
        413 => Kind::TooLarge,
        429 => Kind::Throttled(retry_after),
        408 | 500.. => Kind::Unavailable,
        _ => Kind::Rejected,
    }
}

/// What failed before there was an answer.
pub(crate) fn of_transport(error: &reqwest::Error) -> (String, Kind) {
    let (code, kind) = match error {
        error if error.is_timeout() => (TIMED_OUT, Kind::Unavailable),
        error if error.is_connect() => ("cannot connect", Kind::Unavailable),
        error if error.is_builder() => ("not a valid request", Kind::Rejected),
        _ => ("connection lost", Kind::Unavailable),
    };
    (code.to_owned(), kind)
}

pub(crate) const TIMED_OUT: &str = "timed out";

/// Why there is no token to send.
pub(crate) fn of_credentials(error: &CredentialsError) -> (String, Kind) {
    if error.is_transient() {
        ("no token could be fetched".to_owned(), Kind::Unavailable)
    } else {
        ("the credentials were refused".to_owned(), Kind::Denied)
    }
}

/// A `google.protobuf.Duration`: `3.5s`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(http: u16, body: &str) -> (String, Kind) {
        of_answer(http, body.as_bytes(), Some(Duration::from_secs(7)))
    }

    #[test]
    fn a_code_decides_and_not_the_text() {
        let told = Kind::Throttled(Some(Duration::from_secs(7)));
        for (http, code, kind) in [
            (409, "ABORTED", Kind::Unavailable),
            (409, "ALREADY_EXISTS", Kind::Conflict),
            (429, "RESOURCE_EXHAUSTED", told),
            (403, "PERMISSION_DENIED", Kind::Denied),
            (401, "UNAUTHENTICATED", Kind::Denied),
            (404, "NOT_FOUND", Kind::Missing),
            (400, "FAILED_PRECONDITION", Kind::Missing),
            (400, "INVALID_ARGUMENT", Kind::Rejected),
            (501, "UNIMPLEMENTED", Kind::Rejected),
            (503, "UNAVAILABLE", Kind::Unavailable),
            (504, "DEADLINE_EXCEEDED", Kind::Unavailable),
            (500, "SOMETHING_NEW", Kind::Unavailable),
            (400, "SOMETHING_NEW", Kind::Rejected),
        ] {
            let alone =
                format!(r#"{{"error":{{"code":{http},"message":"NOT_FOUND","status":"{code}"}}}}"#);
            assert_eq!(of(http, &alone), (code.to_owned(), kind), "{code}");
            let listed = format!("[{alone}]");
            assert_eq!(of(http, &listed), (code.to_owned(), kind), "{code}");
        }
    }

    #[test]
    fn an_answer_of_something_else_goes_by_its_status() {
        let told = Kind::Throttled(Some(Duration::from_secs(7)));
        for (http, kind) in [
            (302, Kind::Rejected),
            (401, Kind::Denied),
            (403, Kind::Denied),
            (404, Kind::Missing),
            (413, Kind::TooLarge),
            (429, told),
            (502, Kind::Unavailable),
        ] {
            assert_eq!(
                of(http, "<html>NOT_FOUND</html>"),
                (format!("HTTP {http}"), kind)
            );
        }
    }

    #[test]
    fn details_say_for_how_long_and_why() {
        let throttled = r#"{"error":{"status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.Help","links":[{"url":"x"}]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.500s"}]}}"#;
        let (_, kind) = of(429, throttled);
        assert_eq!(kind, Kind::Throttled(Some(Duration::from_millis(3500))));
        let denied = |reason| {
            let body = format!(
                r#"{{"error":{{"status":"PERMISSION_DENIED","details":[{{"reason":"{reason}"}}]}}}}"#
            );
            of(403, &body)
        };
        assert_eq!(
            denied("SERVICE_DISABLED"),
            ("SERVICE_DISABLED".to_owned(), Kind::Missing)
        );
        assert_eq!(
            denied("ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
            (
                "PERMISSION_DENIED ACCESS_TOKEN_SCOPE_INSUFFICIENT".to_owned(),
                Kind::Denied
            )
        );
    }
}
