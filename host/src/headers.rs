//! Headers between HTTP and WIT: lists of names and values on one side, `HeaderMap` on the other.

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) use twin_contract::is_hop_by_hop;

/// All headers of a message, in order, names in lower case. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn to_list(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !is_hop_by_hop(name.as_str()))
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

/// One header, if its name and value are such.
pub(crate) fn parse(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    Some((name, HeaderValue::from_str(value).ok()?))
}
