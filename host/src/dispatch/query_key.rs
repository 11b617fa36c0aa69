//! Azure's query form of a key (`?code=…`, as its portal shows). No function sees it. On Azure it becomes the corresponding
//! header; elsewhere it is not a credential, but its value is hidden, because it may be a key sent to the wrong cloud.

use http::{HeaderName, HeaderValue, Uri, request::Parts, uri::PathAndQuery};
use twin_contract::{HeaderForm, QueryKey};

/// Moves the key from the query to a header. If a header already has a different key, the request is refused as one with
/// two keys.
pub(super) fn take(head: &mut Parts) {
    let Some(found) = head.uri.query().and_then(QueryKey::take) else {
        return;
    };
    let header = HeaderName::from_static(HeaderForm::FunctionsKey.header());
    for key in found.keys {
        // Text that is not a valid header value is not a key.
        let mut value = HeaderValue::from_str(&key)
            .unwrap_or_else(|_| HeaderValue::from_static("no key at all"));
        value.set_sensitive(true);
        if head
            .headers
            .get_all(&header)
            .iter()
            .all(|other| other != value)
        {
            head.headers.append(&header, value);
        }
    }
    replace(head, &found.rest);
}

/// Removes the value of the key, and keeps the parameter's name.
pub(super) fn conceal(head: &mut Parts) {
    if let Some(query) = head.uri.query().and_then(QueryKey::conceal) {
        replace(head, &query);
    }
}

fn replace(head: &mut Parts, query: &str) {
    let path = head.uri.path();
    let target = match query {
        "" => PathAndQuery::try_from(path),
        query => PathAndQuery::try_from(format!("{path}?{query}")),
    };
    let mut parts = head.uri.clone().into_parts();
    // Parts taken from a valid query form a valid query.
    parts.path_and_query = target.ok();
    head.uri = Uri::from_parts(parts).unwrap_or_default();
}
