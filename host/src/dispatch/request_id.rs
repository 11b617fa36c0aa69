//! `x-request-id` identifies a request in the logs of all hosts that handle it. A valid id is kept; otherwise one is
//! generated here.

use http::{HeaderMap, HeaderName, HeaderValue};
use twin_contract::REQUEST_ID;
use uuid::Uuid;

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static(REQUEST_ID);

/// Returns the id of a request, and stores it in the headers. An id that is invalid or repeated is replaced.
pub(super) fn take(headers: &mut HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(HEADER).iter();
    if let (Some(id), None) = (given.next(), given.next())
        && id.to_str().is_ok_and(twin_contract::is_request_id)
    {
        return id.clone();
    }
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    // A UUID is always a valid header value.
    let id = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
    headers.insert(HEADER, id.clone());
    id
}

/// The id of a request after [`take`], for log lines.
pub(super) fn of(headers: &HeaderMap) -> &str {
    let id = headers.get(HEADER).and_then(|id| id.to_str().ok());
    id.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_one_is_taken_and_any_other_replaced() {
        let long = "x".repeat(128);
        for good in ["a", "0198-A.b_c:d", long.as_str()] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, good.parse().expect("a value"));
            assert_eq!(take(&mut headers), good);
        }
        let longer = "x".repeat(129);
        for bad in [
            vec![],
            vec![""],
            vec!["a b"],
            vec!["\"a\""],
            vec![longer.as_str()],
            vec!["a", "a"],
        ] {
            let mut headers = HeaderMap::new();
            for value in &bad {
                headers.append(HEADER, value.parse().expect("a value"));
            }
            let id = take(&mut headers);
            let made: Uuid = id.to_str().expect("text").parse().expect("a UUID");
            assert_eq!(made.get_version_num(), 7, "{bad:?}");
            assert_eq!(headers.get_all(HEADER).iter().collect::<Vec<_>>(), [&id]);
        }
    }
}
