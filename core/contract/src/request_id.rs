//! `x-request-id` identifies one request in the logs of all hosts that handled it. It is not part of any body.

use crate::MessageId;

/// The header, of a request and of its reply.
pub const REQUEST_ID: &str = "x-request-id";

/// Whether a caller's text can be a request's id: 1 to 128 of `A-Z a-z 0-9 . _ : -`, which are safe in any log.
pub fn is_request_id(text: &str) -> bool {
    MessageId::parse(text).is_ok()
}
