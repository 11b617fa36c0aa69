//! A peer in this process: called like the ingress calls it, with a credential of the own cloud, so that the component
//! sees no difference.

use std::time::Duration;

use crate::{
    config::Config,
    credentials::HeaderForm,
    function::{self, CallError, FunctionName, Response},
    ingress::refusal::Refusal,
};
use twin_capabilities::peers::{self, Reply, SendFailure};

/// The request as the function gets it; `limit` is how long its sender waits.
pub(super) fn request(
    config: &Config,
    function: FunctionName,
    request: peers::Request,
    limit: Duration,
) -> Result<function::Request, SendFailure> {
    let unavailable = || SendFailure::CredentialsUnavailable("no key is configured".into());
    let key = config.keys.first().ok_or_else(unavailable)?;
    let form = HeaderForm::of(Some(config.cloud));
    let mut headers = request.headers;
    headers
        .iter_mut()
        .for_each(|(name, _)| name.make_ascii_lowercase());
    headers.retain(|(name, _)| crate::headers::is_looked_at(name));
    headers.push((form.header().to_owned(), form.value(key.expose())));
    headers.push(("content-length".to_owned(), request.body.len().to_string()));
    Ok(function::Request {
        method: request.method,
        path: function.routes().first().copied().unwrap_or("/").to_owned(),
        query: request.query,
        headers,
        body: request.body,
        time_left_ms: Some(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX)),
    })
}

/// The reply for the sender: the host's refusals are replies, too, as over HTTP.
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
