//! Headers between HTTP and WIT: lists of names and values on one side, `HeaderMap` on the other.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::credentials::HeaderForm;

use twin_contract::is_read_in_replies;

pub(crate) use twin_contract::is_hop_by_hop;

/// Whether a function uses a header of a request; `name` is in lower case. No other headers cross into the sandbox, because
/// each costs as much as a hundred bytes of body. No header that can carry a key is among them.
pub(crate) fn is_looked_at(name: &str) -> bool {
    matches!(
        name,
        "content-encoding"
            | "content-length"
            | "idempotency-key"
            | "traceparent"
            | "x-request-id"
            | "x-twin-timeout-ms"
    )
}

/// A request's headers as a function gets them: those that it uses.
pub(crate) fn of_request(headers: &HeaderMap) -> Vec<(String, String)> {
    list(headers, is_looked_at)
}

/// The headers that carry credentials, in any cloud's form. Only the host sees them.
pub(crate) fn presented(headers: &HeaderMap) -> Vec<(String, String)> {
    list(headers, HeaderForm::is_credential)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_goes_both_to_the_verifier_and_to_a_function() {
        let names = [
            "authorization",
            "content-length",
            "idempotency-key",
            "x-api-key",
            "x-functions-key",
            "x-request-id",
            "x-amz-date",
        ];
        let mut headers = HeaderMap::new();
        for name in names {
            headers.insert(name, HeaderValue::from_static("AWS4-HMAC-SHA256 x"));
        }
        let names = |list: Vec<(String, String)>| -> Vec<_> {
            let mut names: Vec<_> = list.into_iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(
            names(presented(&headers)),
            ["authorization", "x-api-key", "x-functions-key"]
        );
        assert_eq!(
            names(of_request(&headers)),
            ["content-length", "idempotency-key", "x-request-id"]
        );
    }
}
