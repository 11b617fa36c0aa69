//! What can go wrong with Azure's services, and what each of their codes means for the twin.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use twin_documents::{Kind, ServiceError};

/// A setting that cannot be used. It is found before anything is sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AzureError {
    /// The value of a setting has the wrong form. It is not repeated here: it may be a secret.
    #[error("the setting `{name}` must be {expected}")]
    SettingInvalid {
        /// The setting: `endpoint`.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// There is no HTTP client: the system has no certificate authorities, or they cannot be read.
    #[error("an HTTP client with TLS cannot be made: {0}")]
    TlsUnusable(#[source] reqwest::Error),
    /// The environment names an identity that cannot be used, such as a file of a token that cannot be read.
    #[error("the identity that the environment names cannot be used: {0}")]
    IdentityInvalid(#[source] azure_core::Error),
    /// A service did not do what [`init`](crate::init) asked for.
    #[error(transparent)]
    Refused(#[from] ServiceError),
}

/// How long Azure asks to wait: Cosmos DB in milliseconds, the others in seconds.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    ["x-ms-retry-after-ms", "retry-after-ms"]
        .into_iter()
        .find_map(number)
        .map(Duration::from_millis)
        .or_else(|| number(RETRY_AFTER.as_str()).map(Duration::from_secs))
}

/// The code beside the status: a number from Cosmos DB, a word from the storage services.
pub(crate) fn subcode(headers: &HeaderMap) -> &str {
    let text = |name| headers.get(name)?.to_str().ok();
    text("x-ms-substatus")
        .filter(|substatus| *substatus != "0")
        .or_else(|| text("x-ms-error-code"))
        .unwrap_or_default()
}

/// The table: what an answer that is no success means, by its status and the code beside it.
pub(crate) fn kind(status: u16, subcode: &str, retry_after: Option<Duration>) -> Kind {
    match (status, subcode) {
        (429, _) | (503, "ServerBusy") => Kind::Throttled(retry_after),
        // Cosmos DB: this replica is behind the session (1002), the container is being made (1013), or the region cannot write (3)
        // or is not there (1008) while the account moves to another.
        (404, "1002" | "1013") | (403, "3" | "1008") => Kind::Unavailable,
        // Cosmos DB: the partition is full. No identity could write into it.
        (403, "1014") => Kind::Rejected,
        (401 | 403, _) => Kind::Denied,
        (404, _) => Kind::Missing,
        // 410: a partition of Cosmos DB is moving. 449: other writes to the same item were under way.
        (408 | 410 | 449, _) | (500.., _) => Kind::Unavailable,
        (409 | 412, _) => Kind::Conflict,
        (413, _) => Kind::TooLarge,
        _ => Kind::Rejected,
    }
}

/// The code as it is shown: `429/3200`.
pub(crate) fn code(status: u16, subcode: &str) -> String {
    if subcode.is_empty() {
        status.to_string()
    } else {
        format!("{status}/{subcode}")
    }
}

/// The failure that an answer is.
pub(crate) fn of_answer(
    service: &'static str,
    action: &'static str,
    status: u16,
    headers: &HeaderMap,
) -> ServiceError {
    let subcode = subcode(headers);
    ServiceError {
        service,
        action,
        code: code(status, subcode),
        kind: kind(status, subcode, retry_after(headers)),
    }
}

/// The failure to get an answer at all.
pub(crate) fn of_exchange(
    service: &'static str,
    action: &'static str,
    error: &reqwest::Error,
) -> ServiceError {
    let code = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "not reachable"
    } else {
        "connection lost"
    };
    let kind = if error.is_builder() {
        Kind::Rejected
    } else {
        Kind::Unavailable
    };
    ServiceError {
        service,
        action,
        code: code.to_owned(),
        kind,
    }
}

/// A service answered with something that its documentation rules out.
pub(crate) fn unreadable(service: &'static str, action: &'static str) -> ServiceError {
    ServiceError {
        service,
        action,
        code: "unreadable answer".to_owned(),
        kind: Kind::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let value = reqwest::header::HeaderValue::from_static(value);
            (reqwest::header::HeaderName::from_static(name), value)
        });
        pairs.collect()
    }

    fn of(status: u16, pairs: &[(&'static str, &'static str)]) -> (String, Kind) {
        let error = of_answer("Cosmos DB", "read", status, &headers(pairs));
        (error.code, error.kind)
    }

    #[test]
    fn every_code_has_one_meaning() {
        let substatus = |status, code| of(status, &[("x-ms-substatus", code)]);
        let of_storage = |status, code| of(status, &[("x-ms-error-code", code)]);
        let expected = [
            (substatus(404, "0"), "404", Kind::Missing),
            (substatus(404, "1003"), "404/1003", Kind::Missing),
            (substatus(404, "1002"), "404/1002", Kind::Unavailable),
            (substatus(403, "5300"), "403/5300", Kind::Denied),
            (substatus(403, "3"), "403/3", Kind::Unavailable),
            (substatus(403, "1014"), "403/1014", Kind::Rejected),
            (of(401, &[]), "401", Kind::Denied),
            (of(400, &[]), "400", Kind::Rejected),
            (of(302, &[]), "302", Kind::Rejected),
            (of(408, &[]), "408", Kind::Unavailable),
            (of(410, &[]), "410", Kind::Unavailable),
            (of(449, &[]), "449", Kind::Unavailable),
            (of(500, &[]), "500", Kind::Unavailable),
            (of(503, &[]), "503", Kind::Unavailable),
            (of(412, &[]), "412", Kind::Conflict),
            (of(413, &[]), "413", Kind::TooLarge),
            (
                of_storage(409, "BlobAlreadyExists"),
                "409/BlobAlreadyExists",
                Kind::Conflict,
            ),
            (
                of_storage(503, "ServerBusy"),
                "503/ServerBusy",
                Kind::Throttled(None),
            ),
        ];
        for ((code, kind), expected_code, expected_kind) in expected {
            assert_eq!((code.as_str(), kind), (expected_code, expected_kind));
        }
    }

    #[test]
    fn a_wait_is_in_milliseconds_or_in_seconds() {
        let wait = |pairs| match of(429, pairs).1 {
            Kind::Throttled(wait) => wait,
            other => panic!("{other}"),
        };
        let pairs = [("x-ms-retry-after-ms", "17"), ("retry-after", "1")];
        assert_eq!(wait(&pairs), Some(Duration::from_millis(17)));
        assert_eq!(wait(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
    }
}
