//! Responses: every body is JSON, and every error has the contract's form.

use serde::Serialize;
use twin_capabilities::Failure;
use twin_contract::{
    ContractError, ErrorCode,
    reply::{Custody, JSON, error_body},
};

use crate::Response;

/// A response with a JSON body.
pub fn json(status: u16, body: Vec<u8>) -> Response {
    Response {
        status,
        headers: vec![("content-type".to_owned(), JSON.to_owned())],
        body,
    }
}

/// A response whose body is a document of the contract.
pub(crate) fn document(status: u16, document: &impl Serialize) -> Response {
    // Strings, numbers and valid JSON always serialize.
    json(status, serde_json::to_vec(document).unwrap_or_default())
}

/// 200 or 202: custody of the message has been taken over.
pub(crate) fn custody(custody: Custody, id: &str) -> Response {
    json(custody.status(), custody.body(id))
}

/// An error, with the status of its code.
pub(crate) fn error(code: ErrorCode, message: &str) -> Response {
    json(code.status(), error_body(code.as_str(), message))
}

/// 503 with `retry-after`: nothing was stored, and the request may be repeated in a moment.
pub(crate) fn try_again(code: ErrorCode, message: &str) -> Response {
    try_again_after(code, message, 1_000)
}

/// The same, after at least so many milliseconds. The header has whole seconds, and at least one.
fn try_again_after(code: ErrorCode, message: &str, ms: u32) -> Response {
    let seconds = ms.div_ceil(1_000).max(1);
    with_header(error(code, message), "retry-after", &seconds.to_string())
}

/// 409: the id belongs to a message with another payload.
pub(crate) fn id_reused() -> Response {
    error(
        ErrorCode::IdReused,
        "this id belongs to a message with another payload",
    )
}

/// 4xx: input that violates the contract.
pub(crate) fn refused(error: &ContractError) -> Response {
    json(error.status(), error.body())
}

/// 405 with `allow`.
pub(crate) fn method_not_allowed(allow: &str) -> Response {
    let message = format!("this route allows {allow}");
    with_header(error(ErrorCode::MethodNotAllowed, &message), "allow", allow)
}

/// 404: the function has no such route.
pub(crate) fn not_found() -> Response {
    error(ErrorCode::NotFound, "there is no such route")
}

/// The response to a store's failure.
pub(crate) fn store_failed(failure: &Failure) -> Response {
    match failure {
        Failure::Unavailable(_) => try_again(
            ErrorCode::StoreUnavailable,
            "the store cannot be reached now",
        ),
        Failure::Throttled(throttling) => try_again_after(
            ErrorCode::StoreUnavailable,
            "the store takes no more requests now",
            throttling.retry_after_ms.unwrap_or_default(),
        ),
        Failure::Full => try_again(ErrorCode::StoreFull, "the store has no room for more"),
        Failure::TooLarge => refused(&ContractError::BodyTooLarge),
        Failure::Misconfigured(_) => try_again(
            ErrorCode::StoreMisconfigured,
            "the store is not set up for this function",
        ),
        Failure::Other(_) => error(ErrorCode::StoreFailed, "the store failed"),
    }
}

/// Adds a header to a response.
pub(crate) fn with_header(mut response: Response, name: &str, value: &str) -> Response {
    response.headers.push((name.to_owned(), value.to_owned()));
    response
}
