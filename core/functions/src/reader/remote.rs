//! Queries a remote reader, with the connector's retries: a query is safe to repeat.

use twin_capabilities::peers::{Peer, Reply, SendFailure};
use twin_contract::{ErrorCode, is_page, reply::error_code};
use twin_delivery::{Next, Verdict};

use super::COMPONENT;
use crate::{
    Call, Request, Response, attempts::Attempts, events, gate, peer, refused::Refused, reply,
    settings, worlds,
};

/// Queries the peer `reader`. `None` if no such peer is bound; this function's own store then answers.
///
/// # Errors
/// The response if the remote reader could not be queried: 503.
pub(super) async fn ask<C: worlds::Reader>(
    call: &Call<'_, C>,
    request: &Request,
) -> Result<Option<Response>, Refused> {
    let arrived = call.mono();
    let settings = &settings::for_request(call).await?.delivery;
    let deadline = gate::deadline(request, arrived, settings);
    let mut attempts = Attempts::new(deadline, settings);
    loop {
        let timeout = attempts.timeout(call);
        let sent = peer::get(call, Peer::Reader, &request.query, timeout).await;
        let verdict = Verdict::of(&sent, call.now());
        let wish = match &verdict {
            Verdict::Unbound => return Ok(None),
            Verdict::Retryable { retry_after, .. } => Some(*retry_after),
            Verdict::Exhausted { .. } => Some(None),
            _ => None,
        };
        if let Some(retry_after) = wish
            && let Next::Wait(span) = attempts.next(call, retry_after)
        {
            call.capabilities().sleep(span).await;
            continue;
        }
        let response = pass_on(call, sent, &verdict);
        if response.status >= 500 {
            events::report_shortage(call, COMPONENT, deadline, None).await;
        }
        return Ok(Some(response));
    }
}

/// The reply for the caller. Pages and errors in the caller's query are returned as the remote reader sent them, if they
/// are replies of the contract; failures between the two readers become a 5xx of this function.
fn pass_on<C: worlds::Reader>(
    call: &Call<'_, C>,
    sent: Result<Reply, SendFailure>,
    verdict: &Verdict,
) -> Response {
    let cause = match verdict {
        Verdict::Retryable { cause, .. }
        | Verdict::Exhausted { cause }
        | Verdict::Permanent { cause, .. } => cause,
        Verdict::Delivered { .. } | Verdict::Conflict | Verdict::Unbound => "no answer to a query",
    };
    match sent {
        Ok(reply) if is_answer(reply.status, &reply.body) => reply::json(reply.status, reply.body),
        _ => {
            call.error("remote reader did not answer", &[("cause", cause)]);
            let message = format!("the remote reader: {cause}");
            match verdict {
                Verdict::Retryable { .. } | Verdict::Exhausted { .. } => {
                    reply::try_again(ErrorCode::RemoteReaderUnavailable, &message)
                }
                _ => reply::error(ErrorCode::RemoteReaderRefused, &message),
            }
        }
    }
}

/// Whether a reply answers the query: a page, or an error of the contract about the query.
fn is_answer(status: u16, body: &[u8]) -> bool {
    match status {
        200 => is_page(body),
        400 | 404 | 413 | 414 => error_code(body).is_some(),
        _ => false,
    }
}
