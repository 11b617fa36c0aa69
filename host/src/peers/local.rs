//! A peer in this process, called as the ingress calls it. The host vouches for its own functions, so no key is involved.

use std::time::Duration;

use super::Caller;
use crate::{
    dispatch::Refusal,
    function::{self, CallError, FunctionName, Response},
};
use twin_capabilities::{
    credentials::{self, Role},
    function::Verdict,
    peers::{self, Reply},
};

/// The request as the function gets it; `limit` is how long its sender waits.
pub(super) fn request(
    caller: Caller,
    function: FunctionName,
    request: peers::Request,
    limit: Duration,
) -> function::Request {
    let mut headers = request.headers;
    headers
        .iter_mut()
        .for_each(|(name, _)| name.make_ascii_lowercase());
    headers.retain(|(name, _)| crate::headers::is_looked_at(name));
    headers.push(("content-length".to_owned(), request.body.len().to_string()));
    function::Request {
        method: request.method,
        path: function.routes().first().copied().unwrap_or("/").to_owned(),
        query: request.query,
        headers,
        body: request.body,
        time_left_ms: Some(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX)),
        verdict: vouched_for(caller),
    }
}

/// The verdict on the host's own calls. Functions and the host send messages and read records, so nothing else is
/// permitted.
fn vouched_for(caller: Caller) -> Verdict {
    let name = match caller {
        Caller::Function(function) => function.as_str(),
        Caller::Host => "host",
    };
    Verdict::Verified(credentials::Caller {
        name: name.to_owned(),
        role: Role::Hop,
    })
}

/// The reply for the sender. The host's refusals are also replies, as over HTTP.
pub(super) fn reply(outcome: Result<Response, CallError>) -> Reply {
    let Response {
        status,
        headers,
        body,
    } = outcome.unwrap_or_else(|error| Refusal::from(error).response());
    Reply {
        status,
        headers,
        body,
    }
}
