//! `x-request-id`: by which one request is found again in the logs of everyone who had it. It is in no body.

use crate::MessageId;

/// The header, of a request and of its reply.
pub const REQUEST_ID: &str = "x-request-id";

/// Whether a text that a caller gave can be a request's id: 1 to 128 of `A-Z a-z 0-9 . _ : -`, so that it may stand in any log.
pub fn is_request_id(text: &str) -> bool {
    MessageId::parse(text).is_ok()
}
