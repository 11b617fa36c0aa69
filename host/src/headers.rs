//! Headers between HTTP and WIT: lists of names and values on one side, `HeaderMap` on the other.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::credentials::HeaderForm;

use twin_contract::is_read_in_replies;

pub(crate) use twin_contract::is_hop_by_hop;

/// Whether a function uses a header of a request; `name` in lower case. No others cross into the sandbox: each costs as
/// much as a hundred bytes of body.
pub(crate) fn is_looked_at(name: &str) -> bool {
    HeaderForm::is_credential(name)
        || matches!(
            name,
            "content-encoding"
                | "content-length"
                | "idempotency-key"
                | "traceparent"
                | "x-request-id"
                | "x-twin-timeout-ms"
        )
}

/// A request's headers as a function gets them: those that it uses, or all if they are signed.
pub(crate) fn of_request(headers: &HeaderMap) -> Vec<(String, String)> {
    let signed = headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256"));
    list(headers, |name| signed || is_looked_at(name))
}

/// A reply's headers as a function gets them: those that it uses.
pub(crate) fn of_reply(headers: &HeaderMap) -> Vec<(String, String)> {
    list(headers, is_read_in_replies)
}

/// Headers of a message, in order, with names in lower case. Bytes that are not UTF-8 become U+FFFD.
fn list(headers: &HeaderMap, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !is_hop_by_hop(name.as_str()) && wanted(name.as_str()))
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// One header, if its name and value are valid.
pub(crate) fn parse(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    Some((name, HeaderValue::from_str(value).ok()?))
}
